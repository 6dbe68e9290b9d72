"""A unit counts as done only under its key and with every output in place."""

from __future__ import annotations

from curation.manifest import Entry, Manifest, key_of


def test_done_only_under_its_key_and_with_its_outputs(tmp_path):
    manifest = Manifest(tmp_path)
    (tmp_path / "clean").mkdir()
    (tmp_path / "clean/0.parquet").write_bytes(b"12345")
    entry = Entry("pass0/00000", "key", {"clean/0.parquet": {"rows": 1, "bytes": 5, "sha256": "x"}}, {"read": {"in": 1}})
    manifest.record(entry)
    assert manifest.done("pass0/00000", "key") == entry
    assert manifest.done("pass0/00000", "other") is None
    assert manifest.done("pass0/00001", "key") is None
    (tmp_path / "clean/0.parquet").write_bytes(b"1234")
    assert manifest.done("pass0/00000", "key") is None
    (tmp_path / "clean/0.parquet").unlink()
    assert manifest.done("pass0/00000", "key") is None


def test_a_damaged_entry_is_not_done(tmp_path):
    manifest = Manifest(tmp_path)
    manifest.record(Entry("tokenizer", "key"))
    manifest.path("tokenizer").write_text('{"unit": "tok')
    assert manifest.done("tokenizer", "key") is None


def test_units_and_fingerprint(tmp_path):
    manifest = Manifest(tmp_path)
    for unit in ("pass0/00001", "barrier0", "pass0/00000"):
        manifest.record(Entry(unit, "k"))
    assert manifest.units() == ["barrier0", "pass0/00000", "pass0/00001"]
    one, two = (Entry("u", k, {"p": {"rows": 0, "bytes": 1, "sha256": s}}) for k, s in (("a", "x"), ("b", "x")))
    assert one.fingerprint == two.fingerprint != Entry("u", "a", {"p": {"rows": 0, "bytes": 1, "sha256": "y"}}).fingerprint


def test_key_depends_on_every_part():
    assert key_of("a", {"b": 1}) == key_of("a", {"b": 1})
    assert len({key_of("a", {"b": 1}), key_of("a", {"b": 2}), key_of("b", {"b": 1}), key_of("a")}) == 4
