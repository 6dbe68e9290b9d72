"""Hundreds of faults at seeded random moments: nothing is lost or doubled, and no byte differs. Run by `make soak`.

Runs are broken, gone on with, broken again, until one ends; then what it wrote is compared with a run that was left alone,
and checked from its files. What happens and when depends on the seed and the number of the fault; what is done is noted in
FOLDER, and the same command goes on after it.

    python tests/faults/soak.py [--faults 200] [--seed 1] [--folder out/soak]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import runpy
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from corpus import write_corpus, write_job  # noqa: E402

import gristmill  # noqa: E402
from faults.runs import HOOK, Run, data_files  # noqa: E402

SIGNALS = {signal.SIGINT, signal.SIGTERM}
KINDS = {  # kind: how often, of all
    "kill driver": 4, "kill process that works": 4, "interrupt once": 3, "interrupt twice": 2, "terminate": 2, "no room to write": 4,
    "delete a file of the run": 3, "truncate a file of the run": 3, "clock backwards, kill driver": 2, "take an input away": 2,
    "out of memory, refused": 2, "out of memory, killed": 2, "reads fail twice, then work": 3,
    "Ray: kill worker": 2, "Ray: kill raylet": 1, "Ray: kill driver": 1, "Ray: worker out of memory, killed": 2,
}  # fmt: skip


class Forked:
    """A run in a fork of this process, which has everything loaded; with the methods of a subprocess that runs.py uses."""

    def __init__(self, run: Run, command: list[str]):
        sys.stdout.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # a run that is hit before it is a run tells nothing about runs
        self.pid, self.code = os.fork(), None
        if not self.pid:
            self._become(run, command)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _become(self, run: Run, command: list[str]) -> None:
        code = 1
        try:
            os.setsid()
            os.dup2(run.log.fileno(), 1), os.dup2(run.log.fileno(), 2)
            os.environ.update(run.environment())
            run.prepare()
            signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a process that Python has just started
            gristmill._interrupts(gristmill._nothing_begun)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            runpy.run_path(str(HOOK / "sitecustomize.py"))
            sys.argv = command
            gristmill.main()
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(code)

    def poll(self) -> int | None:
        if self.code is None:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if done else None
        return self.code

    def wait(self, timeout: float = 600) -> int:
        until = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > until:
                raise TimeoutError(f"the run did not end within {timeout:g} s")
            time.sleep(0.01)
        return self.code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class SoakRun(Run):
    def start(self, command: list[str]) -> Any:
        return Forked(self, command)


class Soak:
    """Faults number by number, and what became of each."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.seed = folder, seed
        self.notes = folder / f"seed-{seed}.jsonl"
        self.done = [json.loads(line) for line in self.notes.read_text().splitlines()] if self.notes.exists() else []
        self.corpus, self.away = folder / "corpus", folder / "away"
        self.away.mkdir(exist_ok=True)
        if not self.corpus.exists():
            write_corpus(self.corpus, files=8, count=240)
        self.job = write_job(folder / "broken/job.yaml", self.corpus)
        self.reference, self.seconds = self._reference()

    def _reference(self) -> tuple[dict[str, bytes], float]:
        """What a run that is left alone writes, and how long it takes."""
        from curation.job import load_job
        from curation.run import run_job

        job = write_job(self.folder / "left_alone/job.yaml", self.corpus)
        run_job(load_job(job))  # this process has everything loaded now
        self._fresh(job.parent / "out")
        began = time.monotonic()
        assert SoakRun(job).finish() == 3
        return data_files(job.parent / "out"), time.monotonic() - began

    def _fresh(self, output: Path) -> None:
        shutil.rmtree(output, ignore_errors=True)

    def run(self, faults: int) -> None:
        number = self.done[-1]["number"] + 1 if self.done else 0
        while sum(note["injected"] for note in self.done) < faults:
            self._fault(number)
            number += 1

    def _fault(self, number: int) -> None:
        draw = random.Random(f"{self.seed}/{number}")
        kind = draw.choices(list(KINDS), list(KINDS.values()))[0]
        before = time.monotonic()
        injected, code, said = self._break(kind, draw)
        note = {"number": number, "kind": kind, "injected": injected, "code": code, "seconds": 0.0, "problems": self._problems(kind, code, said)}
        if code in (0, 3) or draw.random() < 0.25:
            note["problems"] += self._go_on_to_the_end()
        note["seconds"] = round(time.monotonic() - before, 1)
        self.done.append(note)
        with open(self.notes, "a") as file:
            file.write(json.dumps(note) + "\n")
        print(f"{number:4} {kind:33} {'hit' if injected else 'missed':6} exit {code} {note['seconds']:6.1f} s {'; '.join(note['problems'])}", flush=True)

    def _break(self, kind: str, draw: random.Random) -> tuple[bool, int, str]:
        """Start, or go on with, the run, and break it: was it hit, how did it end, and what did it say?"""
        moment = draw.random() * 0.8 * self.seconds
        if kind == "no room to write":
            run = SoakRun(self.job, limits={resource.RLIMIT_FSIZE: int(2 ** draw.uniform(6, 17))})
            code = run.finish()
            return code == 2, code, run.said
        if kind.startswith(("delete", "truncate")):
            return self._damage(kind, draw)
        if "memory" in kind or "reads" in kind:
            return self._starve(kind, draw)
        on_ray = kind.startswith("Ray: ")
        run = SoakRun(self.job, "2" if on_ray else "inline", {"clock": True} if "clock" in kind else {}, ray=on_ray)
        if on_ray:
            run.wait_until(lambda: bool(run.victims("worker" if kind == "Ray: kill worker" else "raylet")), 120)
        if kind != "Ray: kill worker":  # a worker lives no longer than its shard
            run.wait_until(lambda: False, moment)
        injected = self._strike(kind, run)
        code = run.finish()
        self._put_inputs_back()
        ended_well = code in (0, 3)  # after a signal, that means it came when all was done
        return injected and not (ended_well and kind in ("interrupt once", "interrupt twice", "terminate")), code, run.said

    def _starve(self, kind: str, draw: random.Random) -> tuple[bool, int, str]:
        """Memory runs out, once, in the middle of some shard; or two reads in a row fail."""
        name = "memory" if "memory" in kind else "reads"
        marks = Path(tempfile.mkdtemp(prefix="m", dir="/tmp"))
        fault = {"after": draw.randrange(4 if name == "memory" else 24), "marks": str(marks)}
        if name == "memory":
            fault |= {"place": draw.choice(("rules", "hand on", "tokens")), "end": kind.rpartition(" ")[2]}
        run = SoakRun(self.job, "2" if kind.startswith("Ray: ") else "inline", {name: fault}, ray=kind.startswith("Ray: "))
        code = run.finish()
        injected = (marks / ("memory" if name == "memory" else "reads-2")).exists()
        shutil.rmtree(marks)
        return injected, code, run.said

    def _strike(self, kind: str, run: SoakRun) -> bool:
        if run.process.poll() is not None:
            return False
        if kind.startswith("take"):
            victim = sorted(self.corpus.glob("*.jsonl"))[-1]
            victim.rename(self.away / victim.name)  # out of the folder that is read, or it would be an input of another name
        elif kind in ("interrupt once", "interrupt twice", "terminate"):
            run.process.send_signal(signal.SIGTERM if kind == "terminate" else signal.SIGINT)
            if kind == "interrupt twice":
                run.wait_until(lambda: False, 0.3)
                run.process.send_signal(signal.SIGINT)
        else:
            return run.kill(kind.rpartition("kill ")[2].replace("process that works", "inner"))
        return True

    def _put_inputs_back(self) -> None:
        for path in self.away.glob("*.jsonl"):
            path.rename(self.corpus / path.name)

    def _damage(self, kind: str, draw: random.Random) -> tuple[bool, int, str]:
        """Interrupt the run somewhere, damage one of its files, and go on."""
        run = SoakRun(self.job)
        run.wait_until(lambda: False, draw.random() * self.seconds)
        run.kill("driver")
        run.finish()
        files = sorted(path for name in (".work", "clean", "removed", "signals", "manifest") for path in (run.output / name).rglob("*") if path.is_file())
        if files:
            victim = draw.choice(files)
            if kind.startswith("delete"):
                victim.unlink()
            else:
                os.truncate(victim, int(victim.stat().st_size * draw.random()))
        again = SoakRun(self.job)
        code = again.finish()
        return bool(files), code, again.said

    def _problems(self, kind: str, code: int, said: str) -> list[str]:
        """An end that is neither good nor a clear error. Reads that work at the third try must not be noticed at all."""
        problems = ["a traceback was shown"] if "Traceback" in said and "last words" not in said else []
        if code not in (0, 3) and kind.partition(": ")[2] != "kill driver" and "kill driver" not in kind and not ("saved" in said or "goes on" in said or "error: " in said or "interrupted" in said):
            problems.append(f"exit {code} without a word on how to go on")
        if "reads" in kind and code not in (0, 3):
            problems.append(f"exit {code}, though the reads work when tried again")
        if problems:
            (self.folder / f"said-{len(self.done)}.txt").write_text(said)
        return problems

    def _go_on_to_the_end(self) -> list[str]:
        """Go on undisturbed, compare every byte, check the run from its files, and begin anew."""
        from curation.verify import verify

        run = SoakRun(self.job)
        code = run.finish()
        problems = [] if code == 3 else [f"undisturbed, it ended with {code}: {run.said[-500:]}"]
        found = data_files(run.output)
        differ = sorted(name for name in found.keys() | self.reference.keys() if found.get(name) != self.reference.get(name))
        problems += [f"{len(differ)} files differ: {', '.join(differ[:3])}"] if differ else []
        problems += [] if code != 3 else verify(run.output).problems[:3]
        if problems:
            run.output.rename(self.folder / f"kept-{len(self.done)}")
        self._fresh(run.output)
        return problems

    def table(self) -> list[str]:
        """Faults by kind."""
        hits, misses, wrong = Counter(), Counter(), Counter()
        for note in self.done:
            (hits if note["injected"] else misses)[note["kind"]] += 1
            wrong[note["kind"]] += bool(note["problems"])
        lines = [f"{'fault':34}{'injected':>9}{'came late':>11}{'wrong':>7}"]
        lines += [f"{kind:34}{hits[kind]:9}{misses[kind]:11}{wrong[kind]:7}" for kind in KINDS]
        return [*lines, f"{'all':34}{hits.total():9}{misses.total():11}{wrong.total():7}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("out/soak"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    soak = Soak(options.folder.resolve(), options.seed)
    soak.run(options.faults)
    soak._go_on_to_the_end()
    print("\n".join(soak.table()))
    sys.exit(any(note["problems"] for note in soak.done))


if __name__ == "__main__":
    main()
