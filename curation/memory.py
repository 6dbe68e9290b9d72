"""How much memory deciding about duplicates takes: a formula, told before a run, and a refusal where it is too much.

    bytes = documents * (55 + what the stages hold) + bytes of the ids of all cluster members * 4 + partitions
exact holds 80 bytes a document, near 24, and either gives it back before the next begins; partitions take at most the
memory allowed / 8 for each worker that joins them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from curation.duplicates import DuplicatesError
from curation.inputs import Shard
from curation.sizes import parse_size, shown_size
from curation.stages import exact

DOCUMENT_BYTES = 55  # length, size, kept row, similarity, stage, rank, best row, and what is added up over rows
NEAR_BYTES = 24  # parents, roots, ties
AVAILABLE_SHARE = 0.5  # of what is free, for "auto"
NEAR_LIMIT = 0.5  # of what is allowed: from there on the formula is told
RECORD_BYTES = {"warc": 30_000, "arc": 20_000, "text": 0}  # about, compressed as found on the web; text: a file is one
OTHER_RECORD_BYTES, COMPRESSED_RECORD_BYTES = 4_000, 1_500
TASK_SHARE = 8  # a partition gets this part: tasks run beside each other, and beside the process that hands them out


def allowed_bytes(memory: str | int) -> int:
    """What the job's `memory` allows: half of what is free for "auto". Raises SettingError."""
    return int(memory_of_machine() * AVAILABLE_SHARE) if memory == "auto" else parse_size(memory, instead="auto or ")


def partition_bytes(memory: str | int) -> int:
    """What partitions may take together: as the job says, else half of the machine's memory, free or not: the same each time."""
    return memory_of_machine("MemTotal") // 2 if memory == "auto" else parse_size(memory)


def memory_of_machine(what: str = "MemAvailable") -> int:
    """Memory of this machine that is free, or can be freed; or all of it (MemTotal)."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith(f"{what}:"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def needed_bytes(documents: int, barrier: tuple[str, ...]) -> int:
    """The formula, without partitions and ids."""
    held = max(exact.memory_bytes(1) if "exact" in barrier else 0, NEAR_BYTES if "near" in barrier else 0)
    return documents * (DOCUMENT_BYTES + held)


def check_memory(documents: int, barrier: tuple[str, ...], memory: str | int) -> str:
    """The formula with its numbers where most of what is allowed is needed, else nothing to say. Raises DuplicatesError where the
    job's `memory` does not allow it."""
    allowed, needed = allowed_bytes(memory), needed_bytes(documents, barrier)
    text = _formula(documents, barrier, memory)
    if needed > allowed:
        raise DuplicatesError(f"{' and '.join(barrier)}: {text}; {_advice(needed, allowed)}")
    return _near_limit(text, allowed, memory) if needed > NEAR_LIMIT * allowed else ""


def foretold_memory(documents: int, about: bool, barrier: tuple[str, ...], memory: str | int) -> str:
    """What will be needed, in a few words, and the formula where it is most of what is allowed. Earlier stages may remove some of
    `documents`; `about`: they are estimated."""
    allowed, needed = allowed_bytes(memory), needed_bytes(documents, barrier)
    text = f"at most {'about ' if about else ''}{_formula(documents, barrier, memory)}"
    if needed > allowed:
        return f"memory to decide about duplicates: {text}; {_advice(needed, allowed)}, or the decision is refused unless stages before {barrier[0]} remove enough documents"
    if needed > NEAR_LIMIT * allowed:
        return _near_limit(text, allowed, memory)
    if about:
        return f"duplicates: about {shown_size(needed)} of memory for about {documents:,} documents, guessed from the size of the input; allowed {shown_size(allowed)}"
    return f"duplicates: at most {shown_size(needed)} of memory for {documents:,} documents; allowed {shown_size(allowed)}"


def _near_limit(text: str, allowed: int, memory: str | int) -> str:
    return f"memory to decide about duplicates: {text}; allowed are {shown_size(allowed)} (memory: {memory})"


def _formula(documents: int, barrier: tuple[str, ...], memory: str | int) -> str:
    text = f"{documents:,} documents * {needed_bytes(1, barrier)} bytes = {shown_size(needed_bytes(documents, barrier))}"
    return text + (f" and at most {shown_size(partition_bytes(memory) // TASK_SHARE)} a partition" if "near" in barrier else "")


def _advice(needed: int, allowed: int) -> str:
    return f"memory allows {shown_size(allowed)}: set memory: {shown_size(int(needed * 1.2))} or more"


def expected_documents(shards: Iterable[Shard]) -> tuple[int, bool]:
    """How many records `shards` hold, and whether some are estimated from their bytes, for want of a footer."""
    count, about = 0, False
    for shard in shards:
        if shard.records is None:
            name = shard.file.path.lower()
            typical = COMPRESSED_RECORD_BYTES if name.endswith((".gz", ".zst", ".zstd", ".bz2")) else OTHER_RECORD_BYTES
            typical = RECORD_BYTES.get(shard.file.format, typical)
            about |= typical > 0
            count += -(-max(shard.size_bytes, 0) // typical) if typical else 1
        else:
            count += shard.records
    return count, about
