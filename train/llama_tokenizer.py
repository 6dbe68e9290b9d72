"""The tokenizer files of a Hugging Face folder, written and read.

Documents are trained with a begin token before their text, so the exported tokenizer puts it there (as Llama 3's does);
ids are otherwise those of the packed data. Read back, a begin token counts only if the tokenizer puts it before a text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, processors

from train.durable import write_json
from train.handoff import TOKENIZER_NAME
from train.model_path import read_optional_json

CONFIG, SPECIAL = "tokenizer_config.json", "special_tokens_map.json"


def write_tokenizer(folder: Path, tokenizer: Tokenizer, ids: dict[str, int | None], context: int) -> None:
    """tokenizer.json, tokenizer_config.json and special_tokens_map.json. `ids` are bos_id, eos_id and pad_id."""
    copy = Tokenizer.from_str(tokenizer.to_str())
    begin = ids["bos_id"]
    if begin is not None and (token := copy.id_to_token(begin)) is not None:
        copy.post_processor = _begins_with(token, begin)
    special = {f"{name[:3]}_token": copy.id_to_token(id) for name, id in ids.items() if id is not None}
    copy.save(str(folder / TOKENIZER_NAME))
    write_json(folder / SPECIAL, special)
    write_json(folder / CONFIG, {
        **special,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context,
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
    })  # fmt: skip


def _begins_with(token: str, id: int) -> processors.PostProcessor:
    return processors.TemplateProcessing(
        single=[token, "$A"], pair=[token, "$A", f"{token}:1", "$B:1"], special_tokens=[(token, id)]
    )


def read_token_ids(folder: Path, config: dict[str, Any], tokenizer: Tokenizer) -> dict[str, Any]:
    """bos_id, eos_id, pad_id and stop_ids of a model folder, from what its files say; None for what none says."""
    generation = read_optional_json(folder / "generation_config.json")
    stops: list[int] = []
    for record in (config, generation):
        found = record.get("eos_token_id")
        stops += found if isinstance(found, list) else [] if found is None else [found]
    named = read_optional_json(folder / CONFIG)
    eos = _id_of(named.get("eos_token"), tokenizer)
    eos = eos if eos is not None else next(iter(stops), None)
    pad = config.get("pad_token_id")
    bos = config.get("bos_token_id")
    bos = bos if bos is not None else _id_of(named.get("bos_token"), tokenizer)
    encoded = tokenizer.encode("a").ids
    begins = named.get("add_bos_token") is True or encoded[:1] == [bos]
    return {
        "bos_id": bos if begins else None,
        "eos_id": eos,
        "pad_id": pad if isinstance(pad, int) and pad >= 0 else _id_of(named.get("pad_token"), tokenizer),
        "stop_ids": tuple(sorted(set(stops) - {eos})),
    }


def _id_of(token: Any, tokenizer: Tokenizer) -> int | None:
    """The id of a token that a configuration names, as text or as a record with its content."""
    text = token.get("content") if isinstance(token, dict) else token
    return tokenizer.token_to_id(text) if isinstance(text, str) else None
