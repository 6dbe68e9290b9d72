"""Line rules as a plain loop over the lines of one text, each line shown to RE2 by itself: the definition."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from rules.rule import Comparison, Rule


def split(text: str, breaks: str) -> list[tuple[str, str]]:
    """(line, separator) pairs, by the definition of str.split or str.splitlines."""
    if breaks == "unicode":
        return [(line, whole[len(line) :]) for line, whole in zip(text.splitlines(), text.splitlines(keepends=True))]
    parts = text.split("\n")
    return [(line, "\n") for line in parts[:-1]] + [(parts[-1], "")]


def measured(name: str, line: str) -> int:
    words = line.split()
    return {"line_words": len(words), "line_chars": len(line), "line_longest_word_chars": max(map(len, words), default=0)}[name]


def compare(value: float, comparison: Comparison) -> bool:
    return {"<": value < comparison.threshold, ">": value > comparison.threshold}[comparison.operator]


def search(pattern: str, line: str) -> bool:
    return pc.match_substring_regex(pa.array([line]), pattern)[0].as_py()


def substitute(pattern: str, replacement: str, line: str) -> str:
    return pc.replace_substring_regex(pa.array([line]), pattern, replacement)[0].as_py()


def meets(rule: Rule, line: str, number: int, total: int) -> bool:
    """Does line `number` (from 1) of `total` meet the rule?"""
    if rule.within and (number if rule.within[0] == "first" else total + 1 - number) > rule.within[1]:
        return False
    if rule.match and not search(rule.match, line):
        return False
    return all(any(compare(measured(condition.signal, line), c) for c in condition.any_of) for condition in rule.when)


def plain(rules: list[Rule], text: str, breaks: str, in_scope: list[bool]) -> tuple[str, list[tuple], dict[int, int], int]:
    """The text afterwards, edits (line, rule, before, after), matches of rules without `lines`, and lines before."""
    lines = [[number, line, separator] for number, (line, separator) in enumerate(split(text, breaks), 1)]
    total, edits, matches = len(lines), [], {}
    for index, rule in enumerate(rules):
        kept = []
        for entry in lines:
            number, line, _ = entry
            hit = in_scope[index] and meets(rule, line, number, total)
            if rule.lines is None:
                matches[index] = matches.get(index, 0) + hit
            elif hit and rule.lines == "drop":
                edits.append((number, index, line, None))
                continue
            elif hit:
                entry[1] = substitute(rule.match, rule.with_, line)
                edits += [(number, index, line, entry[1])] if entry[1] != line else []
            kept.append(entry)
        lines = kept
    if edits and lines and lines[-1][0] != total:
        lines[-1][2] = ""
    after = "".join(line + separator for _, line, separator in lines) if edits else text
    counted = {index: matches.get(index, 0) for index, rule in enumerate(rules) if rule.lines is None}
    return after, sorted(edits, key=lambda edit: edit[:2]), counted, total
