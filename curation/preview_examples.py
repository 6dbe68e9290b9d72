"""What a preview shows of each rule that hits: documents that it hits, or lines that it takes, chosen with a seed."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.document import numbered_edits
from curation.outcome import Outcome
from rules.visible import excerpt, visible

TEXT_CHARACTERS = 400  # kept of a text
SHOWN_CHARACTERS = 100  # printed of it
_TRIED = 50  # lines looked at for each that is shown: many are equal


class RuleExamples:
    """Up to `show` examples of each rule. Batches may come in any number; none of their texts is held but those shown."""

    def __init__(self, show: int, seed: int = 0):
        self.show = show
        self._random = np.random.default_rng(seed)
        self._found: dict[str, list[tuple[float, dict[str, Any]]]] = defaultdict(list)

    def add(self, documents: pa.Table, outcome: Outcome) -> None:
        """What the rules did to a batch; the texts are those that came."""
        if self.show and outcome.signals is not None and outcome.edits is not None:
            self._add_documents(documents, outcome.signals["hits"].combine_chunks())
            self._add_lines(numbered_edits(outcome.edits).combine_chunks())

    def of(self, rule: str) -> list[dict[str, Any]]:
        """Examples of a rule: id and text, then of a line rule line and after (None: gone), else how the rule was met."""
        return [example for _, example in self._found.get(rule, [])]

    def _add_documents(self, documents: pa.Table, hits: pa.ListArray) -> None:
        flat, rows = hits.flatten(), pc.list_parent_indices(hits)
        for rule, chosen, draws in self._chosen(flat.field("rule").dictionary_encode(), self.show):
            told = flat.take(chosen).to_pylist()
            ids, texts = (documents[name].take(rows.take(chosen)).to_pylist() for name in ("id", "text"))
            self._keep(rule, draws, [{"id": id_, "text": text[:TEXT_CHARACTERS], **_met(hit)} for id_, text, hit in zip(ids, texts, told)], "id")

    def _add_lines(self, edits: pa.Table) -> None:
        if not len(edits):
            return
        for rule, chosen, draws in self._chosen(edits["rule"].chunk(0), _TRIED * self.show):
            rows = edits.take(chosen).to_pylist()
            self._keep(rule, draws, [{"id": row["id"], "line": row["line"], "text": row["before"][:TEXT_CHARACTERS], "after": None if row["after"] is None else row["after"][:TEXT_CHARACTERS]} for row in rows], "text")

    def _chosen(self, rules: pa.DictionaryArray, count: int) -> list[tuple[str, pa.Array, np.ndarray]]:
        """By rule, the places of up to `count` of its hits with the lowest random numbers, and these numbers."""
        codes = rules.indices.to_numpy(zero_copy_only=False)
        draws = self._random.random(len(codes))
        found = []
        for code, rule in enumerate(rules.dictionary.to_pylist()):
            places = np.flatnonzero(codes == code)
            places = places[np.argsort(draws[places], kind="stable")[:count]]
            found.append((rule, pa.array(places), draws[places]))
        return found

    def _keep(self, rule: str, draws: np.ndarray, examples: list[dict[str, Any]], distinct: str) -> None:
        """The lowest of those there were and these, no two with the same value of `distinct`."""
        merged: dict[str, tuple[float, dict[str, Any]]] = {}
        for draw, example in sorted([*self._found[rule], *zip(draws.tolist(), examples)], key=lambda item: item[0]):
            merged.setdefault(example[distinct], (draw, example))
        self._found[rule] = list(merged.values())[: self.show]


def _met(hit: dict[str, Any]) -> dict[str, Any]:
    return {name: hit[name] for name in ("signal", "value", "comparison", "threshold")}


def example_lines(rule: str, examples: list[dict[str, Any]]) -> list[str]:
    """The examples of a rule to read."""
    lines = [visible(rule)]
    for one in examples:
        if "line" in one:
            lines.append(f"  {visible(one['id'])}, line {one['line']:,}")
            lines += [f"    - {excerpt(one['text'], SHOWN_CHARACTERS)}"] + ([] if one["after"] is None else [f"    + {excerpt(one['after'], SHOWN_CHARACTERS)}"])
        else:
            lines.append(f"  {visible(one['id'])}: {excerpt(one['text'], SHOWN_CHARACTERS)}")
            lines.append(f"    {one['signal']} is {one['value']:.6g}, rule says {one['comparison']} {one['threshold']:g}")
    return [*lines, ""]
