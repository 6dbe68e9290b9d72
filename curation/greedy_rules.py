"""Rules that drop far more than rules do: a mistake of a preview (R120), a warning of a run.

A rule that drops more than a fifth has often met texts it was not made for. One that is right to says `expect_drop`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from curation.job import LoadedJob
from curation.preview import Preview
from rules.format.pack import SHIPPED
from rules.places import Problem, load
from rules.rule import Pack, Rule

EXPECT_DROP = 0.2  # a rule that drops more of a sample than this is a mistake unless it says so
MARGIN = 0.05  # that a proposed expect_drop lies above what was seen: other samples drop more
FEWEST = 20  # documents that a share of a run says anything about
TOLD = 3  # rules of a run that are told, the worst
OUT = "OUT"  # the run directory in what a report says, which may lie elsewhere when it is read


def greedy_rules(found: Preview, packs: Sequence[Pack], job: LoadedJob | None = None) -> list[Problem]:
    """R120: rules that drop more of the sample than they say they do, each at its place; a shipped one where `job` names its pack."""
    shares = {rule.name: rule for rule in found.rules}
    problems = []
    for pack in packs:
        for rule in pack.rules:
            seen = shares.get(f"{pack.name}/{rule.id}")
            limit = EXPECT_DROP if rule.expect_drop is None else rule.expect_drop
            if seen is None or rule.variant or rule.lines or rule.action != "drop" or seen.share <= limit or rule.place is None:
                continue
            message = f"{pack.name}/{rule.id} drops {seen.share:.1%} of the sample, more than {_told(pack, rule, seen.share, limit)}"
            problems.append(_at(pack, rule, message, job))
    return problems


def _is_shipped(rule: Rule) -> bool:
    return rule.place is not None and Path(rule.place.located.path).resolve().is_relative_to(SHIPPED)


def _told(pack: Pack, rule: Rule, share: float, limit: float) -> str:
    """The limit, and what to do."""
    if rule.expect_drop is not None and not _is_shipped(rule):
        return f"its expect_drop of {limit:g}"
    expected = f"expect_drop: {min(1.0, math.ceil(100 * share) / 100 + MARGIN):.2f}"
    why = f"{MARGIN:.0%} above what it drops here, as samples differ"
    if not _is_shipped(rule):
        return f"{limit:.0%}; if that is right, say {expected} ({why})"
    return (
        f"{limit:.0%}: the pack may not fit these texts; see what goes (--show 3), then change the rule in the job (set: {{{rule.id}: tag}}) or in a"
        f" pack of yours that extends {pack.name}: a threshold that fits, or, if it is right, {expected} ({why})"
    )


def _at(pack: Pack, rule: Rule, message: str, job: LoadedJob | None) -> Problem:
    assert rule.place is not None
    if _is_shipped(rule) and job is not None and pack in job.packs:
        return load(job.path).problem(("packs", job.packs.index(pack)), "R120", message)
    return rule.place.located.problem((*rule.place.at, "id"), "R120", message)


def of_run(warning: str, place: str) -> str:
    """A warning with the run directory as it is called now."""
    return warning.replace(f"gristmill inspect {OUT} ", f"gristmill inspect {place} ")


def greedy_warnings(rules: Mapping[str, Mapping[str, int]], documents: int, forms: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """The rules of a run that dropped more than they say they do, the worst first, a line each. `documents`: that rules saw;
    `forms`: as run.json has them."""
    if documents < FEWEST:
        return []
    shares = {
        name: counts["hits"] / documents for name, counts in rules.items()
        if name in forms and forms[name][0]["action"] == "drop" and not forms[name][0]["lines"]
    }  # fmt: skip
    limits = {name: EXPECT_DROP if (own := forms[name][0].get("expect_drop")) is None else own for name in shares}
    worst = sorted((name for name, share in shares.items() if share > limits[name]), key=lambda name: (-shares[name], name))
    lines = [
        f"{name} dropped {shares[name]:.0%} of {documents:,} documents, more than {limits[name]:.0%}: see which in the report, or"
        f" `gristmill inspect {OUT} --print read --rule {name}`"
        for name in worst[:TOLD]
    ]  # fmt: skip
    more = len(worst) - TOLD
    return [*lines, *([f"{more} more rule{'s' if more > 1 else ''} dropped more than expected: see Rules in the report"] if more > 0 else [])]
