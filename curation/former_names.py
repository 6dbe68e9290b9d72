"""What settings of jobs, and of `gristmill mix`, were called before."""

from __future__ import annotations

from rules.places import Former


def _mebibytes(number: int) -> str:
    return f"{number}MiB"


OF_A_MIXTURE = {"lang": "language"}
FORMER_IN_JOBS = (
    Former(("lines", "by"), "within"),
    Former(("substrings", "words"), "min_words"),
    Former(("decontaminate", "action"), values={"remove": "drop"}),
    Former(("pack", "mixture", "by"), values=OF_A_MIXTURE),
    Former(("pack", "most_epochs"), "max_epochs"),
    Former(("pack", "most_copies"), "max_copies"),
    Former(("limits", "memory_mb"), "memory_per_record", convert=_mebibytes),
    Former(("ray", "memory_per_task_mb"), "memory_per_task", convert=_mebibytes),
    Former(("ray", "in_flight_mb"), "in_flight", convert=_mebibytes),
)
FORMER_IN_MIXES = (Former(("by",), values=OF_A_MIXTURE), Former(("most_epochs",), "max_epochs"))
