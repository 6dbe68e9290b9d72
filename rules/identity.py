"""What measured columns and edited texts depend on, as hashes: equal hashes mean that nothing needs measuring again.

Thresholds and actions of document rules are in none of them. A column depends on the line rules that acted before it
was measured, on the splitter, and on its word list; a text on the line rules of all packs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from rules.deciding import column_of
from rules.engine import WORDS, rules_with, signals_of
from rules.format.pack_files import FILE_SIGNALS, file_key
from rules.measures.token_signals import TOKEN_SIGNALS
from rules.measures.word_lists import parse_call
from rules.rule import ENGINE_SIGNALS, Pack


def column_identities(packs: Sequence[Pack]) -> dict[str, str]:
    """Column (as rules/engine.py names it) -> a hash of all that its values depend on, but for the texts."""
    found: dict[str, str] = {WORDS: _hash("words", packs[0].words if packs else "")}
    chain = ""
    for pack in packs:
        acting = [rule for rule in pack.rules if rule.acts_on_lines]
        lines = [pack.languages, pack.line_breaks, *(pack.files_sha256 if any(r.when for r in acting) else ()), [rule.measured() for rule in acting]]
        before, chain = chain, _chained(chain, pack)
        for rule in pack.rules:
            if rule.action != "off" and (rule.url is not None or (rule.acts_on_lines and not rule.lines)):
                found[column_of(pack, rule)] = _hash("rule", *([rule.measured()] if rule.url else [before, lines, rule.measured()]))
        for name in signals_of(pack):
            call = parse_call(name)
            words: list[Any] = [pack.words]
            if call and call[0] in FILE_SIGNALS:
                words = [pack.files[file_key(*call)].sha256, pack.languages, [[r.languages, r.except_languages] for r in rules_with(pack, name)]]
            elif call:
                words += [pack.lists[call[1]].sha256, pack.languages, [[r.languages, r.except_languages] for r in rules_with(pack, name)]]
            if name in TOKEN_SIGNALS and pack.tokenizer:
                words.append(pack.tokenizer.sha256)
            found[f"{pack.name}.{name}"] = _hash("signal", name, chain, *([pack.name] if name in ENGINE_SIGNALS else words))
    return found


def texts_identity(packs: Sequence[Pack]) -> str:
    """A hash of all that changes texts."""
    chain = ""
    for pack in packs:
        chain = _chained(chain, pack)
    return chain


def _chained(chain: str, pack: Pack) -> str:
    if not any(rule.acts_on_lines and rule.lines for rule in pack.rules):
        return chain
    return _hash("lines", chain, pack.name, pack.lines_sha256)


def _hash(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
