"""The JSON Schemas: current, without anyOf, in agreement with what the readers take."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from curation.job import job_schema
from rules.format.pack import shipped_packs
from rules.format.schema import pack_schema
from rules.places import load

ROOT = Path(__file__).parents[1]
SCHEMAS = {"rules/pack.schema.json": pack_schema, "curation/job.schema.json": job_schema}


@pytest.mark.parametrize("path", SCHEMAS)
def test_the_shipped_schema_is_current(path):
    shipped = json.loads((ROOT / path).read_text())
    assert shipped == SCHEMAS[path](), f"run: gristmill schema {'pack' if 'pack' in path else 'job'} > {path}"


@pytest.mark.parametrize("path", SCHEMAS)
def test_it_is_a_schema_without_anyof(path):
    schema = SCHEMAS[path]()
    jsonschema.Draft7Validator.check_schema(schema)
    assert not any(word in json.dumps(schema) for word in ("anyOf", "oneOf"))


@pytest.mark.parametrize("name", sorted(shipped_packs()))
def test_shipped_packs_fit(name):
    jsonschema.validate(load(shipped_packs()[name]).data, pack_schema())


@pytest.mark.parametrize("path", sorted((ROOT / "curation").glob("*_project/job.yaml")), ids=lambda p: p.parent.name)
def test_shipped_jobs_fit(path):
    jsonschema.validate(load(path).data, job_schema())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{id: a, drop_when: {wrods: '< 1'}}", "'wrods' does not match"),
        ("{id: a, drop_wen: {words: '< 1'}}", "'drop_wen' was unexpected"),
        ("{id: a, action: dropp}", "is not one of"),
        ("{id: a, drop_when: {words: 1}}", "is not of type 'string', 'array'"),
        ("{why: a}", "'id' is a required property"),
        ("{id: a, within: {frist: 1}}", "'frist' was unexpected"),
    ],
)
def test_mistakes_are_mistakes_in_the_editor_too(text, message):
    data = {"pack": "p", "about": "x", "rules": [yaml.safe_load(text)]}
    with pytest.raises(jsonschema.ValidationError) as caught:
        jsonschema.validate(data, pack_schema())
    assert message in caught.value.message


def test_signals_and_list_signals_are_offered():
    rule = pack_schema()["properties"]["rules"]["items"]["properties"]
    assert "mean_word_chars" in rule["drop_when"]["properties"] and rule["drop_when"]["properties"]["words"]["description"]
    jsonschema.validate({"pack": "p", "about": "x", "rules": [{"id": "a", "drop_when": {"listed_words(bad)": "> 1"}}]}, pack_schema())
