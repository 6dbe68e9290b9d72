"""The wheel is whole: built from the source distribution, it works outside the checkout, from an empty folder."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("curation", "inspect_ui", "rules", "train")
MADE = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*", "out", "build", "dist")
BUILD = """
import sys
from setuptools import build_meta
print(getattr(build_meta, "build_" + sys.argv[1])(sys.argv[2]))
"""


def build(kind: str, source: Path, target: Path) -> Path:
    target.mkdir(exist_ok=True)
    command = [sys.executable, "-c", BUILD, kind, str(target)]
    result = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return target / result.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path]:
    """The source distribution, and the wheel that is built from nothing but it."""
    folder = tmp_path_factory.mktemp("built")
    shutil.copytree(ROOT, folder / "checkout", ignore=MADE)
    sdist = build("sdist", folder / "checkout", folder / "dist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    return sdist, build("wheel", source, folder / "dist")


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory) -> Path:
    """An environment that sees what gristmill needs, but no checkout, with the wheel in it. Its bin folder."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, symlinks=True)
    python = home / "bin/python"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip())
    needed = ("click", "numba", "pyarrow", "ray", "yaml")
    # Folders that a .pth file names are searched; .pth files in them (an editable checkout) are not read.
    folders = {str(Path(importlib.util.find_spec(name).origin).parents[1]) for name in needed}
    (packages / "needed.pth").write_text("\n".join(sorted(folders)))
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps", str(built[1])]
    subprocess.run(command, check=True, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    take_compiled(packages)
    return home / "bin"


def take_compiled(packages: Path) -> None:
    """Give the installed sources the age of the checkout's, and what numba compiled of these: the same, half a minute sooner."""
    for room in ROOMS:
        for source in (ROOT / room).rglob("*.py"):
            copy = packages / source.relative_to(ROOT)
            assert copy.read_bytes() == source.read_bytes()
            shutil.copystat(source, copy)
        for compiled in (ROOT / room).rglob("__pycache__/*.nb[ci]"):
            copy = packages / compiled.relative_to(ROOT)
            copy.parent.mkdir(exist_ok=True)
            shutil.copy2(compiled, copy)


def files_of_the_checkout() -> set[str]:
    paths = (path for room in ROOMS for path in (ROOT / room).rglob("*") if path.is_file())
    return {str(p.relative_to(ROOT)) for p in paths if "__pycache__" not in p.parts and not p.name.startswith(".")} | {"gristmill.py"}


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(built):
    names = {name for name in zipfile.ZipFile(built[1]).namelist() if ".dist-info/" not in name}
    assert names == files_of_the_checkout()


def test_an_extra_brings_nothing_of_another():
    """But for what developers have, which is all of them."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    names = [package for extra, packages in extras.items() if extra != "dev" for package in packages]
    assert len(set(names)) == len(names) and not {name for name in names if "emulator" in name or name.startswith(("moto", "pytest"))}


def test_the_source_distribution_holds_what_the_makefile_needs(built):
    names = {name.partition("/")[2] for name in tarfile.open(built[0]).getnames()}
    assert names >= files_of_the_checkout() | {"Makefile", "CHANGELOG.md", "README.md", "constraints.txt", "scripts/install.sh"}
    assert names >= {str(p.relative_to(ROOT)) for folder in ("docs", "tests") for p in (ROOT / folder).glob("*.*")}
    assert names >= {"curation/demo_project/data/demo.warc.gz", "examples/ablate/ablate.yaml"}
    assert not any("__pycache__" in name for name in names)


def test_the_extras_are_those_of_the_page_about_installation(built):
    wheel = zipfile.ZipFile(built[1])
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    described = Parser().parsestr(wheel.read(metadata).decode())
    page = (ROOT / "docs/install.md").read_text(encoding="utf-8")
    for extra in described.get_all("Provides-Extra"):
        assert f"| `{extra}` |" in page, extra
    assert f"## {described['Version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_installed_command_works_from_an_empty_folder(installed, tmp_path):
    """Project, check, run and verification, with the packs, schemas and model that the wheel brings."""
    script = """set -e
    gristmill --version
    gristmill init mill > init.txt
    cd mill
    sed -i 's/^language: {}/language: {min_score: 0.1}/' job.yaml
    gristmill check . >&2
    gristmill schema pack > pack.schema.json
    gristmill run job.yaml
    gristmill verify out
    python -c 'import curation.ablate, gristmill, train.evaluate.tasks; print(gristmill.__file__)'"""
    (tmp_path / "empty").mkdir()
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    variables |= {"PATH": f"{installed}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    result = subprocess.run(["sh", "-c", script], cwd=tmp_path / "empty", env=variables, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("gristmill 0.") and lines[-1].startswith(str(installed.parent))
    assert any(line.startswith("20 in = ") and line.endswith(" 0 quarantined") for line in lines)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_that_calls_gristmill(shell):
    from click.testing import CliRunner

    import gristmill

    result = CliRunner().invoke(gristmill.gristmill, ["completion", shell])
    assert result.exit_code == 0 and f"_GRISTMILL_COMPLETE={shell}_complete" in result.output


def test_bash_completes_commands_and_options():
    bash = shutil.which("bash")
    if not bash:
        pytest.skip("there is no bash here")
    script = """source <(gristmill completion bash)
    complete -p gristmill
    COMP_WORDS=(gristmill fit); COMP_CWORD=1; _gristmill_completion gristmill; echo "${COMPREPLY[@]}"
    COMPREPLY=(); COMP_WORDS=(gristmill run --dry); COMP_CWORD=2; _gristmill_completion gristmill; echo "${COMPREPLY[@]}" """
    variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    result = subprocess.run([bash, "-c", script], env=variables, capture_output=True, text=True)
    assert result.stdout.splitlines()[-2:] == ["fit-thresholds", "--dry-run"], result.stderr
    assert result.stdout.startswith("complete ") and result.stdout.split()[-3] == "gristmill"
