"""What the laws take on the command line: NAME=VALUE, PARAMS,TOKENS, targets. Mistakes are TrainErrors."""

from __future__ import annotations

from train.config import TrainError
from train.scaling.ladder import Target


def target_of(text: str) -> tuple[str, Target]:
    """`7e9,4e12` or `1e24`, with a name before `=` or the text itself."""
    name, _, sizes = text.rpartition("=")
    if "," in sizes:
        params, tokens = sizes_of(sizes)
        return name or text, Target(params, tokens, 6 * params * tokens)
    return name or text, Target(flops=_number(sizes, text))


def sizes_of(text: str) -> tuple[float, float]:
    parts = text.split(",")
    if len(parts) != 2:
        raise TrainError(f"{text!r}: expected PARAMS,TOKENS, such as 7e9,4e12.")
    return _number(parts[0], text), _number(parts[1], text)


def _number(text: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise TrainError(f"{whole!r}: {text!r} is no number above 0.")
    return value


def pairs_of(texts: tuple[str | None, ...]) -> dict[str, str]:
    for text in texts:
        if not text or "=" not in text:
            raise TrainError(f"{text!r}: expected NAME=VALUE.")
    return dict(text.split("=", 1) for text in texts if text)
