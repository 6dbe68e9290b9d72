"""Check the trainer on a GPU in one call of under ten minutes, or on a CPU as a stand-in.

    python scripts/gpu_check.py [--minutes 9] [--device cuda] [--skip-tests] [--json FILE]

First every attention backend (and Liger's loss, where it is installed) must give packed documents the losses and gradients of
the same documents alone; then the tests marked `cuda` run; then steps of 124 M, 350 M and 1 B parameters are timed at
vocabularies of 32,768 and 128,256: tokens/s, MFU against the datasheet and against a matrix product measured on the
device, peak memory. What the time does not suffice for is named. Exit code 0: all well; 1: a check failed; 2: cannot run.
Needs torch (2.11 or later), numpy, pyarrow, pyyaml, tokenizers and safetensors; pytest and hypothesis for the tests.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from gpu_figures import CASES, SMALL_CASES, measure_attention, measure_case  # noqa: E402

from train.attention import CUDA_ONLY, PLANS  # noqa: E402
from train.ceiling import measured_flops, peak_flops  # noqa: E402
from train.config import ModelConfig, TrainError  # noqa: E402
from train.proof import prove_isolation  # noqa: E402
from train.world import choose_device, choose_dtype  # noqa: E402

TEST_SECONDS = 200


class Check:
    """Runs parts while time is left, and keeps what each gave."""

    def __init__(self, minutes: float):
        self.until = time.monotonic() + 60 * minutes
        self.failed: list[str] = []
        self.left_out: list[str] = []
        self.record: dict[str, Any] = {}

    def seconds_left(self) -> float:
        return self.until - time.monotonic()

    def part(self, name: str, seconds: float, run: Callable[[], Any]) -> None:
        """`run`, which takes about `seconds`; a failure is told and the rest goes on."""
        if self.seconds_left() < seconds:
            self.left_out.append(name)
            return
        began = time.monotonic()
        try:
            found = run()
        except Exception as error:  # the point is to see all that fails in one call
            self.failed.append(name)
            print(f"FAILED {name}: {type(error).__name__}: {str(error)[:2000]}", flush=True)
            return
        self.record[name] = found
        print(f"{name:<30}{_line(found)}   ({time.monotonic() - began:.0f} s)", flush=True)

    def report(self) -> int:
        for kind, names in (("failed", self.failed), ("no time left for", self.left_out)):
            if names:
                print(f"{kind}: {', '.join(names)}")
        print("all well" if not self.failed else f"{len(self.failed)} failed")
        return 1 if self.failed else 0


def main() -> int:
    options = parse_options()
    try:
        device = choose_device(options.device)
    except TrainError as error:
        print(error, file=sys.stderr)
        return 2
    is_cuda = device.type == "cuda"
    dtype = choose_dtype("auto", device)
    name = torch.cuda.get_device_name(device) if is_cuda else "CPU, a stand-in: small shapes, figures mean nothing"
    print(f"{name}; torch {torch.__version__}, Python {sys.version.split()[0]}, {str(dtype).removeprefix('torch.')}")
    check = Check(options.minutes)
    check.part("matrix product", 1, lambda: {"flops": measured_flops(device, dtype), "datasheet": peak_flops(device, None)})
    check_backends(check, device, dtype)
    if not options.skip_tests:
        check.part("tests", 30, lambda: run_tests(min(check.seconds_left() - 5, TEST_SECONDS), is_cuda))
    for backend in backends(device):
        check.part(f"attention {backend}", 20, functools.partial(measure_attention, backend, device, dtype))
    for case in CASES if is_cuda else SMALL_CASES:
        measured = check.record.get("matrix product", {}).get("flops")
        check.part(str(case), case.seconds, functools.partial(measure_case, case, device, dtype, measured))
    if options.json:
        options.json.write_text(json.dumps(check.record, indent=1, default=str) + "\n")
    return check.report()


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9, help="start nothing that would end later than this")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--skip-tests", action="store_true")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    return parser.parse_args()


def backends(device: torch.device) -> list[str]:
    return [name for name in PLANS if device.type == "cuda" or name not in CUDA_ONLY]


def check_backends(check: Check, device: torch.device, dtype: torch.dtype) -> None:
    """The start-up proof for every backend, widths of heads and groupings; fp32 too where the backend has it."""
    losses = ["chunked"] + (["liger"] if device.type == "cuda" and importlib.util.find_spec("liger_kernel") else [])
    for backend in backends(device):
        for width, kv_heads in ((64, 2), (64, 8), (128, 1)):
            for kind in dict.fromkeys((dtype, torch.float32)):
                if backend == "varlen" and kind == torch.float32:
                    continue
                for loss in losses if kind == dtype else losses[:1]:
                    name = f"{backend} D={width} 8:{kv_heads} {str(kind)[6:]}" + (" liger" if loss == "liger" else "")
                    shape = ModelConfig(layers=2, dim=8 * width, query_heads=8, kv_heads=kv_heads, ffn_dim=64)
                    check.part(name, 15, functools.partial(proof_of, shape, backend, device, kind, loss))


def proof_of(shape: ModelConfig, backend: str, device: torch.device, kind: torch.dtype, loss: str) -> dict[str, float]:
    torch.compiler.reset()  # else the ninth shape would run uncompiled
    proof = prove_isolation(shape, PLANS[backend], backend, device, kind, loss)
    return {"loss_difference": proof.loss_difference, "gradient_difference": proof.gradient_difference}


def run_tests(seconds: float, is_cuda: bool) -> dict[str, str]:
    """The marked tests of the trainer, by pytest; on the stand-in those of the loss. Raises if one fails."""
    if not all(importlib.util.find_spec(name) for name in ("pytest", "hypothesis")):
        return {"result": "left out: pip install pytest hypothesis"}
    files = map(str, sorted(ROOT.glob("tests/test_train_*.py") if is_cuda else [ROOT / "tests/test_train_loss.py"]))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "cuda" if is_cuda else "not cuda", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=max(seconds, 10))
    lines = done.stdout.strip().splitlines()
    if done.returncode:
        raise RuntimeError("\n".join(lines[-40:]) + done.stderr[-500:])
    return {"result": lines[-1] if lines else ""}


def _line(found: dict[str, Any]) -> str:
    return "  ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in found.items())


if __name__ == "__main__":
    sys.exit(main())
