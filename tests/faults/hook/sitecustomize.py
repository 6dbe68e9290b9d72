"""Loaded by every Python process that has this folder on PYTHONPATH: breaks what the variable FAULTS (JSON) names.

    poison    {word: crash | hang | memory | raise}   what the rules stage does to a batch with that word in a text
    page      {word: crash | hang | memory}           what the extraction of a page with that word does
    unit      crash                                   what a shard's work does, whatever its records
    loading   module                                  the import of the module says so and takes an hour
    clock     true                                    every look at the time of day shows an earlier time than the last
"""

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


PATCHES = {}
if "unit" in FAULTS:
    PATCHES["curation.passes"] = ("hand_on", deadly_hand_on)
if "poison" in FAULTS:
    PATCHES["curation.stages.clean"] = ("apply", poisoned_apply)
if "page" in FAULTS:
    PATCHES["curation.archives"] = ("html_text", poisoned_html)


class Patching(importlib.abc.MetaPathFinder):
    """Finds modules as ever, and changes one name in those of PATCHES once they are loaded."""

    def find_spec(self, name, path, target=None):
        if name not in PATCHES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            attribute, wrap = PATCHES[name]
            setattr(module, attribute, wrap(getattr(module, attribute)))

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

if PATCHES:
    sys.meta_path.insert(0, Patching())

if FAULTS.get("clock"):
    start = time.time()
    looks = [0]

    def backwards():
        looks[0] += 1
        return start - 3600 * looks[0]

    time.time = backwards
    time.time_ns = lambda: int(backwards() * 1e9)
