"""What ablations found about a rule: records that stand under `evidence:` beside it in its pack.

A record says what training with the rule did against training without it, on how much, and which form of the rule it was:
after the rule was changed, the record speaks of an earlier form. Evidence never changes what a rule does, nor its hash.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from rules.format.from_data import SettingError

Verdict = Literal["better", "worse", "not distinguishable", "needs more tokens"]
SHOWN_DIGITS = 12


def _about(text: str, **default: Any) -> Any:
    return field(metadata={"about": text}, **default)


@dataclass(frozen=True)
class Evidence:
    """One ablation: models trained with the rule against models trained without it."""

    date: str = _about("the day it was measured, such as 2026-11-28")
    verdict: Verdict = _about("what training with the rule is, against training without it")
    difference: float = _about("loss with the rule minus loss without it: below 0, the rule helps")
    interval: tuple[float, float] = _about("its 95 % interval")
    on: str = _about("what the models were judged on")
    tokens: int = _about("tokens each model was trained on")
    seeds: int = _about("pairs of models")
    parameters: int = _about("parameters of a model")
    flops: float = _about("FLOPs of all models together")
    rule: str = _about("hash of the rule as it was measured")
    ablation: str = _about("hash of the ablation: settings and data")
    unit: str = _about("of difference and interval", default="bits per byte")

    def __post_init__(self) -> None:
        if not self.interval[0] <= self.interval[1]:
            raise SettingError("interval", f"an interval goes from its lower to its upper end, got {list(self.interval)}")


def told(evidence: Evidence, rule_sha256: str) -> str:
    """One line: `better: -0.0123 bits per byte [-0.0150, -0.0096], 3 seeds of 2,097,152 tokens, 2026-11-28`."""
    low, high = evidence.interval
    seeds = f"{evidence.seeds} seed{'s' if evidence.seeds > 1 else ''} of {evidence.tokens:,} tokens"
    form = "" if is_current(evidence, rule_sha256) else ", of an earlier form of the rule"
    return f"{evidence.verdict}: {evidence.difference:+.4f} {evidence.unit} [{low:+.4f}, {high:+.4f}] on {evidence.on}, {seeds}, {evidence.date}{form}"


def is_current(evidence: Evidence, rule_sha256: str) -> bool:
    """Was this form of the rule measured? Hashes may be written short."""
    return len(evidence.rule) >= SHOWN_DIGITS and rule_sha256.startswith(evidence.rule)


def evidence_yaml(evidence: Evidence, indent: str) -> str:
    """The record as an item of a YAML list, on a few lines, each after `indent`. Ends with a line feed."""
    low, high = evidence.interval
    lines = [
        f"- {{date: {evidence.date}, verdict: {evidence.verdict}, difference: {evidence.difference:.5f}, interval: [{low:.5f}, {high:.5f}],",
        f"   unit: {evidence.unit}, on: {_quoted(evidence.on)}, tokens: {evidence.tokens}, seeds: {evidence.seeds}, parameters: {evidence.parameters},",
        f'   flops: {evidence.flops:.4g}, rule: "{evidence.rule[:SHOWN_DIGITS]}", ablation: "{evidence.ablation[:SHOWN_DIGITS]}"}}',
    ]
    return "".join(f"{indent}{line}\n" for line in lines)


def _quoted(text: str) -> str:
    """`text` in YAML's double quotes."""
    return '"' + "".join(char if char.isprintable() and char not in '"\\' else f"\\U{ord(char):08x}" for char in text) + '"'
