"""Write docs/pictures/report.png: the page of the demo's run, as Chromium shows it. Needs playwright (of the extra dev) and Chromium.

    python scripts/report_picture.py [RUN]    # RUN: a finished run of the demo; without it, it is run
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs/pictures/report.png"
WIDTH, HEIGHT = 1180, 1220
COLOURS = 128


def demo_run(folder: Path) -> Path:
    """The demo's run, in `folder`."""
    for words in (["init", "--demo", str(folder / "demo")], ["run", str(folder / "demo/job.yaml")]):
        subprocess.run([sys.executable, str(ROOT / "gristmill.py"), *words], check=True)
    return folder / "demo/out"


def photographed(page_file: Path) -> bytes:
    """The top of a page as PNG."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(page_file.resolve().as_uri())
        return page.screenshot()


def write(picture: bytes) -> None:
    """With few colours, which a page of plain areas does not miss."""
    from PIL import Image

    Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(PICTURE, optimize=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        run = Path(sys.argv[1]) if len(sys.argv) > 1 else demo_run(Path(made))
        write(photographed(run / "report/report.html"))
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size:,} bytes")
