"""Signals of tokens: numbers of the tokenizer that the pack names (`tokenizer: PATH`), or that its job packs with.

What spells a special token is ordinary text, and none is added. `chars_per_token` is what NeMo Curator calls fertility;
elsewhere fertility is the other way around and of words.
"""

from __future__ import annotations

from rules.measures.signal import Signal, number, ratio

TOKENS = "tokens"  # the count that is no signal of texts alone

TOKEN_SIGNALS = {
    signal.name: signal
    for signal in (
        Signal("token_count", "tokens of the pack's tokenizer, special tokens not counted", "tokens", "NeMo Curator, TokenCountFilter", (TOKENS,), number),
        Signal("token_fertility", "tokens of the pack's tokenizer / words", "ratio", "fertility, arXiv:2012.15613", (TOKENS, "words"), ratio),
        Signal("chars_per_token", "characters / tokens of the pack's tokenizer", "ratio", "NeMo Curator, TokenizerFertilityFilter", ("chars", TOKENS), ratio),
    )
}
TOKEN_MEANINGS = {name: f"{one.meaning} ({one.unit}; {one.source})" for name, one in TOKEN_SIGNALS.items()}
