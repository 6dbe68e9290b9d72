"""YAML that remembers where everything stood, and dataclasses built from it.

Every configuration of gristmill (packs, jobs, training) is read through this file, so that every mistake is reported as
`file:line:col: CODE message`, all mistakes of a file in one go: problems.py says what a mistake is, yaml_reading.py reads
YAML, former_names.py gives settings the names of today, from_data.py makes dataclasses.
"""

from rules.format.former_names import Former, with_names_of_today
from rules.format.from_data import SettingError, SettingErrors, build, check_settings, yaml_key
from rules.format.problems import KEY, KeyPath, Located, Problem, Problems, did_you_mean
from rules.format.yaml_reading import load, loads

__all__ = [
    "KEY", "Former", "KeyPath", "Located", "Problem", "Problems", "SettingError", "SettingErrors", "build", "check_settings",
    "did_you_mean", "load", "loads", "with_names_of_today", "yaml_key",
]  # fmt: skip
