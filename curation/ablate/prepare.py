"""From the arms' documents to what is trained on and judged on: one tokenizer, shared rows packed once, arms blended.

    data/documents/   shared.parquet, own-ARM.parquet, judged.parquet, others.parquet, reference.parquet (documents.py)
    data/tokenizer.json
    data/packed/      a run directory for each of these files, with its packed/
    data/arms/ARM/    what the models of an arm are trained on: the rows of shared and of the arm's own

Rows that arms share are the same rows, so by_content puts them in the same order whatever stands between them. What is
done is kept as long as documents and settings are the same.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from curation.ablate.arms import Arm, Workshop, read_as_they_are
from curation.ablate.blend import Rows, blend
from curation.ablate.documents import (
    ALL,
    REFERENCE,
    Choice,
    Known,
    know,
    read_tables,
    sort_out,
    write_documents,
    write_reference,
)
from curation.ablate.settings import Ablation
from curation.pack_settings import PackSettings
from curation.progress import Progress
from curation.shards import write_json
from curation.stages.pack import fit_tokenizer
from train.config import TrainError

DATA, DOCUMENTS, PACKED = "data", "documents", "packed"
LEAST_BYTES_PER_TOKEN = 6.0  # more than any tokenizer reaches on real text, so a sample is never too small
SMALLEST_SAMPLE_BYTES = 4_000_000
SHARED, JUDGED, OTHERS = "shared", "judged", "others"
FEWEST_DOCUMENTS = 5


@dataclass(frozen=True)
class ArmData:
    """What the models of an arm are trained on."""

    name: str
    packed: Path
    documents: int
    text_bytes: int
    shared_frac: float  # of its bytes, in documents that all arms keep


@dataclass(frozen=True)
class Prepared:
    """The data of an ablation. `judged`: packed folders of documents to judge on, by what they are."""

    arms: tuple[ArmData, ...]
    judged: tuple[Path, ...]
    judged_on: str  # the documents that the verdict is about, as in `kept_by`
    sha256: str


def prepare(ablation: Ablation, arms: Sequence[Arm], tokens: int, progress: Progress, should_stop: Callable[[], bool]) -> Prepared:
    """Sort out, tokenise, pack and blend; `tokens` are those of one model."""
    shop = Workshop(ablation, ablation.output / DATA, progress, should_stop)
    reference = _reference(shop)
    identity = _identity(ablation, arms, reference, tokens)
    facts = _sorted_out(shop, arms, reference, tokens, identity)
    files = [shop.folder / DOCUMENTS / f"{name}.parquet" for name in (SHARED, *(f"own-{arm.name}" for arm in arms))]
    tokenizer = _tokenizer(shop, [file for file in files if file.exists()])
    packed = {name: folder for name in (SHARED, JUDGED, OTHERS, REFERENCE, *(f"own-{arm.name}" for arm in arms)) if (folder := _packed(shop, name, tokenizer))}
    judged = tuple(packed[name] for name in (REFERENCE, JUDGED, OTHERS) if name in packed)  # the verdict is about the first
    data = tuple(_arm_data(shop, arm, packed, judged[0], facts[arm.name]) for arm in arms)
    return Prepared(data, judged, REFERENCE if reference else ALL, identity)


def _reference(shop: Workshop) -> Arm | None:
    """The documents to judge on that the settings name, read by a job of their own."""
    names = shop.ablation.settings.judge.documents
    if not names:
        return None
    inputs = (names,) if isinstance(names, str) else tuple(names)
    return read_as_they_are(shop, REFERENCE, inputs, shop.folder / "reference")


def _identity(ablation: Ablation, arms: Sequence[Arm], reference: Arm | None, tokens: int) -> str:
    """What documents and settings the data is made of."""
    settings = ablation.settings
    judge = settings.judge
    tokenizer = hashlib.sha256(ablation.path_of(settings.tokenizer).read_bytes()).hexdigest() if settings.tokenizer else settings.vocab_size
    record = [
        [[arm.name, *arm.checksums] for arm in arms], reference.checksums if reference else None, judge.held_out, judge.bytes,
        tokenizer, settings.sequence_length, tokens,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _sorted_out(shop: Workshop, arms: Sequence[Arm], reference: Arm | None, tokens: int, identity: str) -> dict[str, dict]:
    """Write the documents' files, unless they are those already; returns figures of each arm."""
    done = shop.folder / DOCUMENTS / "facts.json"
    if done.exists() and (there := json.loads(done.read_text(encoding="utf-8")))["identity"] == identity:
        return there["arms"]
    for name in (DOCUMENTS, PACKED, "arms", "tokenizer.json"):
        path = shop.folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    judge = shop.ablation.settings.judge
    known = {arm.name: know(arm.files, judge.held_out) for arm in arms}
    sorting = sort_out(known)
    of_reference = know(reference.files, 0.0) if reference else None
    choice = _choice(known, sorting.in_all, of_reference, tokens, judge)
    write_documents({arm.name: arm.files for arm in arms}, sorting, choice, shop.folder / DOCUMENTS)
    if reference and of_reference is not None:
        write_reference(reference.files, shop.folder / DOCUMENTS / f"{REFERENCE}.parquet", _frac(judge.bytes, of_reference.bytes))
    facts = {name: _facts(arm, sorting.in_all, choice) for name, arm in known.items()}
    _check(facts, reference is not None, known, sorting.in_all)
    write_json(done, {"identity": identity, "arms": facts})
    return facts


def _choice(known: dict[str, Known], in_all: Callable, reference: Known | None, tokens: int, judge) -> Choice:
    wanted = max(tokens * LEAST_BYTES_PER_TOKEN, SMALLEST_SAMPLE_BYTES)
    fewest = min(int(arm.bytes[~arm.held_out].sum()) for arm in known.values())
    held_out = next(iter(known.values()))
    common = held_out.bytes[held_out.held_out & in_all(held_out.version)]
    excluded = [arm.text[arm.held_out] for arm in known.values()] + ([reference.text] if reference is not None else [])
    return Choice(judge.held_out, _frac(wanted, fewest), _frac(judge.bytes, common), np.unique(np.concatenate(excluded)))


def _frac(wanted: float, there) -> float:
    """The fraction of documents that has about `wanted` bytes; above 1 where all of them are needed."""
    total = float(np.sum(there))
    return wanted / total if total > wanted else 2.0


def _facts(arm: Known, in_all: Callable, choice: Choice) -> dict:
    chosen = arm.take(~arm.held_out & (arm.chance < choice.train_frac) & ~np.isin(arm.text, choice.excluded))
    size = int(chosen.bytes.sum())
    shared = int(chosen.bytes[in_all(chosen.version)].sum())
    return {"documents": len(chosen.bytes), "bytes": size, "shared_frac": shared / size if size else 0.0}


def _check(facts: dict[str, dict], has_reference: bool, known: dict[str, Known], in_all: Callable) -> None:
    for name, arm in facts.items():
        if not arm["documents"]:
            raise TrainError(f"arm {name} keeps no document to train on.")
    first = next(iter(known.values()))
    judged = int((first.held_out & in_all(first.version)).sum())
    if not has_reference and judged < FEWEST_DOCUMENTS:
        raise TrainError(
            f"only {judged} held-out documents are kept by all arms, which is too few to judge on. Raise judge: {{held_out: ...}}, "
            f"or name other texts with judge: {{documents: ...}}."
        )


def _tokenizer(shop: Workshop, files: Sequence[Path]) -> Path:
    """The tokenizer of all arms: the one named, else one trained on what all arms share, or on all where that is little."""
    path = shop.folder / "tokenizer.json"
    if path.exists():
        return path
    settings = shop.ablation.settings
    named = shop.ablation.path_of(settings.tokenizer) if settings.tokenizer else None
    sizes = [sum(batch["text"].nbytes for batch in read_tables([file])) for file in files]
    chosen = files[:1] if files[0].stem == SHARED and sizes[0] * 2 >= sum(sizes) else files
    fit_tokenizer(chosen, PackSettings(tokenizer=named, vocab_size=settings.vocab_size), path)
    return path


def _packed(shop: Workshop, name: str, tokenizer: Path) -> Path | None:
    """The packed documents of one file, all in the split `train`; None where there are none."""
    file = shop.folder / DOCUMENTS / f"{name}.parquet"
    if not file.exists() or not pq.ParquetFile(file).metadata.num_rows:
        return None
    settings = PackSettings(tokenizer=tokenizer, sequence_length=shop.ablation.settings.sequence_length, held_out=0.0, columns=("kept_by",))
    return read_as_they_are(shop, name, (str(file),), shop.folder / PACKED / name, settings).job.output / PACKED


def _arm_data(shop: Workshop, arm: Arm, packed: dict[str, Path], judged: Path, facts: dict) -> ArmData:
    train = [Rows(packed[name]) for name in (SHARED, f"own-{arm.name}") if name in packed]
    folder = shop.folder / "arms" / arm.name
    blend(folder, train, [Rows(judged)])
    return ArmData(arm.name, folder, facts["documents"], facts["bytes"], facts["shared_frac"])
