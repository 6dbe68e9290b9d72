"""The settings of packing: read from YAML, refused by key where they make no sense."""

from __future__ import annotations

import pytest

from curation.stages.pack import PackSettings
from rules.places import Problems, SettingError, build, load


@pytest.mark.parametrize(
    ("key", "value"),
    [("vocab_size", 258), ("sequence_length", 7), ("window", 0), ("held_out", 1.0), ("held_out", -0.1), ("packing", "first_fit"),
     ("seed", -1), ("seed", 2**32), ("rows_per_file", 0), ("train_bytes", 0)],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused_by_key(key, value):
    with pytest.raises(SettingError, match=key) as caught:
        PackSettings(**{key: value})
    assert caught.value.key == key


def test_settings_read_from_yaml(tmp_path):
    path = tmp_path / "pack.yaml"
    path.write_text("tokenizer: mine/tokenizer.json\nsequence_length: 512\npacking: concat\nheld_out: 0.05\n")
    assert build(PackSettings, load(path)) == PackSettings("mine/tokenizer.json", sequence_length=512, packing="concat", held_out=0.05)
    path.write_text("sequence_lenght: 512\nheld_out: 2\npacking: first\n")
    with pytest.raises(Problems) as caught:
        build(PackSettings, load(path))
    assert any("pack.yaml:1:1" in str(problem) and "sequence_length" in str(problem) for problem in caught.value.problems)
