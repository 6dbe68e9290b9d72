"""Loaded by every Python process that has this folder on PYTHONPATH: breaks what the variable FAULTS (JSON) names.

    poison    {word: crash | hang | memory | raise}   what the rules stage does to a batch with that word in a text
    page      {word: crash | hang | memory}           what the extraction of a page with that word does
    unit      crash                                   what a shard's work does, whatever its records
    memory    {place, after, end, marks}              once, in the call number `after` of a place of MEMORY_PLACES, all memory is taken:
                                                      `end` refused is a MemoryError, killed is what the system does then
    reads     {after, marks}                          read number `after` of an input fails, and so does the next
    loading   module                                  the import of the module says so and takes an hour
    set       {module: {name: value}}                 the names have these values
    pause     [module, name, seconds]                 a function takes so much longer
    hold      [module, name, after, gate]             the call number `after` of a function, in each process, waits for the file `gate`; GATE-held tells
    clock     true                                    every look at the time of day shows an earlier time than the last
"""

import builtins
import importlib.abc
import importlib.machinery
import json
import os
import signal
import sys
import time

FAULTS = json.loads(os.environ.get("FAULTS", "{}"))


def suffer(kind):
    if kind == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif kind == "hang":
        while True:
            pass
    elif kind == "memory":
        hoard = []
        while True:
            hoard.append(bytearray(32 << 20))
    elif kind == "raise":
        raise RuntimeError("this record is poison")


def poisoned_apply(apply):
    def wrapped(packs, texts, *more):
        whole = "\n".join(text or "" for text in texts.to_pylist())
        for word, kind in FAULTS["poison"].items():
            if word in whole:
                suffer(kind)
        return apply(packs, texts, *more)

    return wrapped


def poisoned_html(html_text):
    def wrapped(html, settings):
        for word, kind in FAULTS["page"].items():
            if word in html:
                suffer(kind)
        return html_text(html, settings)

    return wrapped


def deadly_hand_on(hand_on):
    return lambda *arguments: suffer(FAULTS["unit"])


def first_time(name):
    """Is this the first time in this run, in whatever process?"""
    try:
        os.close(os.open(os.path.join(FAULTS[name.partition("-")[0]]["marks"], name), os.O_CREAT | os.O_EXCL))
    except OSError:  # it happened, or the run is over
        return False
    return True


def hungry(function):
    calls = iter(range(10**9))

    def wrapped(*arguments, **options):
        if next(calls) >= FAULTS["memory"]["after"] and first_time("memory"):
            take_memory()
        return function(*arguments, **options)

    return wrapped


def take_memory():
    import numpy

    hoard = []
    while len(hoard) < 300:  # of 32 MB each that nobody touches: what a process may have, not what the machine has
        hoard.append(numpy.empty(32 << 20, "u1"))
        if FAULTS["memory"]["end"] == "killed" and len(hoard) > 30:
            os.kill(os.getpid(), signal.SIGKILL)
    raise MemoryError


def failing_open(real):
    reads = iter(range(10**9))

    class Failing:
        def __init__(self, file):
            self.file = file

        def __getattr__(self, name):
            return getattr(self.file, name)

        def read(self, *size):
            if next(reads) >= FAULTS["reads"]["after"] and (first_time("reads-1") or first_time("reads-2")):
                raise OSError(5, "Input/output error")
            return self.file.read(*size)

    return lambda path, mode: Failing(real(path, mode))


def held(function):
    calls = iter(range(10**9))

    def wrapped(*arguments):
        if next(calls) == FAULTS["hold"][2]:
            gate = FAULTS["hold"][3]
            os.close(os.open(f"{gate}-held", os.O_CREAT))
            while not os.path.exists(gate):
                time.sleep(0.01)
        return function(*arguments)

    return wrapped


MEMORY_PLACES = {"rules": ("curation.stages.clean", "apply"), "hand on": ("curation.passes", "hand_on"), "tokens": ("curation.packing", "tokenise_shard")}
PATCHES = {}
if "memory" in FAULTS:
    module, function = MEMORY_PLACES[FAULTS["memory"]["place"]]
    PATCHES[module] = (function, hungry)
if "pause" in FAULTS:
    module, function, pause = FAULTS["pause"]
    PATCHES[module] = (function, lambda function: lambda *arguments: (time.sleep(pause), function(*arguments))[1])
if "hold" in FAULTS:
    module, function, after, gate = FAULTS["hold"]
    PATCHES[module] = (function, held)
if "reads" in FAULTS:
    PATCHES["curation.streams"] = ("open", failing_open)
if "unit" in FAULTS:
    PATCHES["curation.passes"] = ("hand_on", deadly_hand_on)
if "poison" in FAULTS:
    PATCHES["curation.stages.clean"] = ("apply", poisoned_apply)
if "page" in FAULTS:
    PATCHES["curation.archives"] = ("html_text", poisoned_html)


def patch(module):
    for attribute, value in FAULTS.get("set", {}).get(module.__name__, {}).items():
        setattr(module, attribute, value)
    if module.__name__ in PATCHES:
        attribute, wrap = PATCHES[module.__name__]
        setattr(module, attribute, wrap(getattr(module, attribute, None) or getattr(builtins, attribute)))


class Patching(importlib.abc.MetaPathFinder):
    """Finds modules as ever, and changes one name in those of PATCHES once they are loaded."""

    def find_spec(self, name, path, target=None):
        if name not in PATCHED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            patch(module)

        spec.loader.exec_module = exec_module
        return spec


class Slow(importlib.abc.MetaPathFinder):
    """Finds one module, an hour later."""

    def find_spec(self, name, path, target=None):
        if name == FAULTS["loading"]:
            os.write(2, b"loading\n")
            time.sleep(3600)


if "loading" in FAULTS:
    sys.meta_path.insert(0, Slow())

PATCHED = PATCHES.keys() | FAULTS.get("set", {}).keys()
if PATCHED:
    sys.meta_path.insert(0, Patching())
    for name in PATCHED & sys.modules.keys():  # in a fork of a process that has it loaded
        patch(sys.modules[name])

if FAULTS.get("clock"):
    start = time.time()
    looks = [0]

    def backwards():
        looks[0] += 1
        return start - 3600 * looks[0]

    time.time = backwards
    time.time_ns = lambda: int(backwards() * 1e9)
