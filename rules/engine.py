"""Apply packs to a batch of texts: measure, then decide. The only code that does; run, check, diff and examples call it.

In a pack: line rules in file order, then signals once on the result, then document rules. Packs act in the order
given, each on the text as the one before left it. Every rule is evaluated on every document and every hit is
recorded; the first `drop` hit in that order is the reason. Packs share signals: only a text that a line rule changed is
measured again (rules/measures/shared_signals.py).

Measuring (`measure_packs`) is all the work; deciding (`rules/deciding.py`) compares columns with thresholds. What was
measured can be kept and decided again: `known` columns are not measured.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rules.deciding import Decision, column_of, decide, language_codes, scope_of
from rules.format.pack_files import FILE_SIGNALS, PackFile, file_key, measure_file
from rules.line_rules.line_edits import EDIT_ROWS, taken
from rules.line_rules.lines import apply_line_rules
from rules.measures.shared_signals import SharedSignals
from rules.measures.signals import SIGNALS
from rules.measures.token_signals import TOKEN_SIGNALS, TOKENS
from rules.measures.tokenizers import TokenizerFile
from rules.measures.word_lists import list_signal, parse_call
from rules.rule import ENGINE_SIGNALS, Pack, Rule
from rules.text.buffers import large_strings, string_buffers
from rules.text.kept_memory import keep_freed_memory
from rules.urls import url_matches

Columns = dict[str, np.ndarray]
WORDS = "words"  # a column that every batch has: words of each text before any edit, as the first pack splits them

PIECE_BYTES = 1 << 24


@dataclass
class Measured:
    """What packs found in `n` texts, before anything is decided."""

    texts: pa.LargeStringArray  # [n] after all edits
    columns: Columns  # float64 [n] each: pack.signal, and pack.matching_lines(rule) and pack.url_matches(rule)
    edits: pa.Table  # row, rule (full name), line, before, after
    seconds: dict[str, float] = field(default_factory=dict)  # where the time went: rule, or "pack (signals)"


@dataclass
class Applied:
    """What packs found in `n` documents and decided about them."""

    texts: pa.LargeStringArray  # [n] after all edits
    dropped: np.ndarray  # bool [n]
    reasons: pa.StringArray  # [n] full name of the first rule that dropped it; null when kept
    hits: pa.ListArray  # [n] of deciding.HIT_FIELDS: every rule that hit, in job order
    signals: pa.Table  # [n] float64, one column `pack.signal` each
    edits: pa.Table  # row, rule (full name), line, before, after
    rule_hits: dict[str, np.ndarray]  # full name -> bool [n], rules that drop or tag a document
    seconds: dict[str, float] = field(default_factory=dict)


def apply(
    packs: Sequence[Pack],
    texts: pa.Array | pa.ChunkedArray,
    langs: Sequence[str | None] | pa.Array | pa.ChunkedArray | None = None,
    urls: pa.Array | pa.ChunkedArray | None = None,
    known: Mapping[str, np.ndarray] | None = None,
) -> Applied:
    """Apply `packs` to `texts` ([n]).

    `langs` ([n] codes as rules.languages.normalise gives them) limits rules by language; packs and rules that name
    languages act on a text without one, and without `langs` on every text. `urls` ([n]): without them no URL rule hits. `known`: see `measure_packs`."""
    langs = language_codes(langs)
    found = measure_packs(packs, texts, langs, urls, known)
    return joined(found, decide(packs, found.columns, len(found.texts), langs))


def joined(found: Measured, decision: Decision) -> Applied:
    table = pa.table({name: pa.array(values, pa.float64()) for name, values in found.columns.items()})
    seconds = {name: found.seconds.get(name, 0.0) + decision.seconds.get(name, 0.0) for name in {**found.seconds, **decision.seconds}}
    return Applied(found.texts, decision.dropped, decision.reasons, decision.hits, table, found.edits, decision.rule_hits, seconds)


def measure_packs(
    packs: Sequence[Pack],
    texts: pa.Array | pa.ChunkedArray,
    langs: Sequence[str | None] | pa.Array | pa.ChunkedArray | None = None,
    urls: pa.Array | pa.ChunkedArray | None = None,
    known: Mapping[str, np.ndarray] | None = None,
    threads: int = 1,
) -> Measured:
    """Everything that `decide` needs about `texts`, and the texts after all edits. `known` columns are taken as they are.

    A big batch is measured piece by piece: what a piece needs beside its texts stays in the processor's caches. With
    more `threads` the pieces are smaller, and `seconds` are those of all threads together."""
    keep_freed_memory()
    texts, langs, known = large_strings(texts), language_codes(langs), known or {}
    bounds = piece_bounds(texts, PIECE_BYTES if threads == 1 else max(PIECE_BYTES // 16, min(PIECE_BYTES, texts.nbytes // (4 * threads))))
    if len(bounds) == 1:
        return _Measuring(list(packs), texts, langs, urls, known).measured()

    def piece(begin: int, end: int) -> Measured:
        part = {n: v[begin:end] for n, v in known.items()}
        return _Measuring(list(packs), texts[begin:end], _part(langs, begin, end), _part(urls, begin, end), part).measured()

    if threads == 1:
        return _together([piece(begin, end) for begin, end in bounds])
    with ThreadPoolExecutor(threads) as pool:
        return _together(list(pool.map(piece, *zip(*bounds))))


def piece_bounds(texts: pa.LargeStringArray, size: int = PIECE_BYTES) -> list[tuple[int, int]]:
    """First and last row (not included) of consecutive pieces of at most `size` bytes and one text; at least one piece."""
    offsets, _ = string_buffers(texts)
    marks = np.arange(offsets[0] + size, offsets[-1], size)
    bounds = sorted({0, *np.searchsorted(offsets[:-1], marks).tolist(), len(texts)})  # np.unique would load masked arrays first
    return list(zip(bounds[:-1], bounds[1:])) or [(0, 0)]


def _part(values: pa.Array | pa.ChunkedArray | None, begin: int, end: int) -> pa.Array | pa.ChunkedArray | None:
    return None if values is None else values[begin:end]


def _together(pieces: list[Measured]) -> Measured:
    """What was found in consecutive pieces, as of one batch."""
    columns = {name: np.concatenate([piece.columns[name] for piece in pieces]) for name in pieces[0].columns}
    seconds = {name: sum(piece.seconds.get(name, 0.0) for piece in pieces) for name in dict.fromkeys(n for piece in pieces for n in piece.seconds)}
    edits, first = [], 0
    for piece in pieces:
        edits.append(piece.edits.set_column(0, "row", pc.add(piece.edits["row"], first)))
        first += len(piece.texts)
    return Measured(pa.concat_arrays([piece.texts for piece in pieces]), columns, pa.concat_tables(edits), seconds)


@dataclass
class _Measuring:
    """The state of one piece of a batch while pack after pack measures and edits it."""

    packs: list[Pack]
    texts: pa.LargeStringArray
    langs: pa.Array | pa.ChunkedArray | None
    urls: pa.Array | pa.ChunkedArray | None
    known: Mapping[str, np.ndarray]
    columns: Columns = field(default_factory=dict)
    edits: list[pa.Table] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    shared: dict[str, SharedSignals] = field(default_factory=dict)  # splitter -> signals
    by_file: dict[tuple[PackFile, bytes], Columns] = field(default_factory=dict)  # and scope -> signals of the texts as they are
    tokens: dict[TokenizerFile, np.ndarray] = field(default_factory=dict)  # of the texts as they are now

    def measured(self) -> Measured:
        """Let all packs act."""
        self.count_words()
        for position in range(len(self.packs)):
            self.measure_pack(position)
        edits = pa.concat_tables([EDIT_ROWS.set(1, pa.field("rule", pa.string())).empty_table(), *self.edits])
        if len(self.edits) > 1:  # one pack gives its edits in order
            edits = edits.sort_by([("row", "ascending")])
        return Measured(self.texts, self.columns, edits, self.seconds)

    def count_words(self) -> None:
        if not self.packs:
            return
        began = time.thread_time()
        if WORDS not in self.known and not any(rule.acts_on_lines and rule.lines for rule in self.packs[0].rules):
            self.columns[WORDS] = self.signal(0, WORDS)  # with all that the first pack needs of the same texts
        elif WORDS not in self.known:
            signals = self.shared.setdefault(self.packs[0].words, SharedSignals())
            signals.measure(self.texts, [WORDS], self.packs[0].words)
            self.columns[WORDS] = signals.values[WORDS]
        else:
            self.columns[WORDS] = self.known[WORDS]
        self.spend(f"{self.packs[0].name} (signals)", began)

    def measure_pack(self, position: int) -> None:
        pack = self.packs[position]
        engine_signals = self.edit_lines(pack)
        for rule in pack.rules:
            if rule.action != "off" and rule.url is not None:
                self.match_urls(pack, rule)
        began = time.thread_time()
        for name in signals_of(pack):
            column = f"{pack.name}.{name}"
            if name in engine_signals:
                self.columns[column] = engine_signals[name]
            else:
                self.columns[column] = self.known[column] if column in self.known else self.signal(position, name)
        self.spend(f"{pack.name} (signals)", began)

    def spend(self, name: str, began: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + time.thread_time() - began

    def edit_lines(self, pack: Pack) -> Columns:
        """Let the pack's line rules act; what they did as signals."""
        nothing = {name: np.zeros(len(self.texts)) for name in ENGINE_SIGNALS}
        acting = {number: rule for number, rule in enumerate(pack.rules) if rule.acts_on_lines}
        patterns = {number: column_of(pack, rule) for number, rule in acting.items() if not rule.lines}
        if not acting or (len(patterns) == len(acting) and all(column in self.known for column in patterns.values())):
            self.columns |= {column: self.known[column] for column in patterns.values()}
            return nothing
        began = time.thread_time()
        scopes = {number: scope_of(pack, rule, self.langs, len(self.texts)) for number, rule in acting.items()}
        result = apply_line_rules(pack, self.texts, scopes)
        self.columns |= {column: result.matches[number].astype(np.float64) for number, column in patterns.items()}
        if result.texts is not self.texts:
            self.texts = result.texts
            self.by_file.clear()
            self.tokens.clear()
            for signals in self.shared.values():
                signals.forget(result.edits["row"].to_numpy(), len(self.texts))
        if len(result.edits):
            self.edits.append(_named(result.edits, pack))
        for number, seconds in result.seconds.items():
            name = f"{pack.name}/{pack.rules[number].id}"
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        self.spend(f"{pack.name} (lines)", began + sum(result.seconds.values()))  # what they share: finding, joining
        return result.signals

    def match_urls(self, pack: Pack, rule: Rule) -> None:
        column, began = column_of(pack, rule), time.thread_time()
        if column in self.known:
            self.columns[column] = self.known[column]
        elif self.urls is None or rule.url is None:
            self.columns[column] = np.zeros(len(self.texts))
        else:
            self.columns[column] = url_matches(rule.url, self.urls).astype(np.float64)
        self.spend(f"{pack.name}/{rule.id}", began)

    def signal(self, position: int, name: str) -> np.ndarray:
        """One signal, measured together with all others that this and the next packs need of the same texts."""
        pack = self.packs[position]
        call = parse_call(name)
        if call:
            return self.scoped_signal(pack, name, *call)
        if name in TOKEN_SIGNALS:
            return self.token_signal(position, name)
        signals = self.shared.setdefault(pack.words, SharedSignals())
        if not signals.has(name):
            signals.measure(self.texts, [name, *self.wanted(position)], pack.words)
        return signals.values[name]

    def scoped_signal(self, pack: Pack, name: str, kind: str, source: str) -> np.ndarray:
        """A signal of a word list or a file, measured only where a rule may ask for it (they are often for one language); else NaN."""
        scope = np.zeros(len(self.texts), bool)
        for rule in rules_with(pack, name):
            scope |= scope_of(pack, rule, self.langs, len(self.texts))
        values = np.full(len(self.texts), np.nan)
        if scope.any():
            texts = self.texts if scope.all() else self.texts.filter(pa.array(scope))
            if kind in FILE_SIGNALS:
                values[scope] = self.file_signals(pack.files[file_key(kind, source)], texts, scope)[kind]
            else:
                values[scope] = list_signal(kind, texts, pack.lists[source], pack.words)
        return values

    def file_signals(self, file: PackFile, texts: pa.LargeStringArray, scope: np.ndarray) -> Columns:
        """All signals of a file, which cost as much as one."""
        key = (file, scope.tobytes())
        if key not in self.by_file:
            self.by_file[key] = measure_file(file, texts)
        return self.by_file[key]

    def token_signal(self, position: int, name: str) -> np.ndarray:
        """A signal of tokens. They are counted once for the packs with the same tokenizer, until a line rule changes texts."""
        tokenizer, signal = self.packs[position].tokenizer, TOKEN_SIGNALS[name]
        assert tokenizer is not None, "a pack is not read without the tokenizer that it needs"
        if tokenizer not in self.tokens:
            self.tokens[tokenizer] = tokenizer.counter()(self.texts)
        others = {count: self.signal(position, count) for count in signal.counts if count != TOKENS}
        return signal.value({TOKENS: self.tokens[tokenizer], **others})

    def wanted(self, position: int) -> list[str]:
        """Names of the signals that this and the next packs need of the same texts, with the same words."""
        words, names = self.packs[position].words, []
        for i, pack in enumerate(self.packs[position:]):
            if i and any(rule.acts_on_lines and rule.lines for rule in pack.rules):
                break  # it may see other texts
            if pack.words == words:
                names += [n for n in signals_of(pack) if n in SIGNALS and f"{pack.name}.{n}" not in self.known]
        return list(dict.fromkeys(names))


def signals_of(pack: Pack) -> list[str]:
    """Names of the signals that the pack's active document rules look at, in order."""
    names = [c.signal for rule in pack.rules if rule.action != "off" for c in rule.drop_when]
    return list(dict.fromkeys(names))


def rules_with(pack: Pack, signal: str) -> list[Rule]:
    """The pack's active rules that look at a signal."""
    return [rule for rule in pack.rules if rule.action != "off" and any(c.signal == signal for c in rule.drop_when)]


def _named(edits: pa.Table, pack: Pack) -> pa.Table:
    return edits.set_column(1, "rule", taken([f"{pack.name}/{rule.id}" for rule in pack.rules], edits["rule"].to_numpy()))
