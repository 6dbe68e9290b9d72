"""Looking at clusters, and asking for near duplicates of a text."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from datasketch import MinHash, MinHashLSH
from test_duplicates import clusters, copies, run, table

from curation.cluster_cli import duplicates
from curation.cluster_view import cluster_lines, clusters_of, difference
from curation.explain import fate_text, fates, story, story_lines
from curation.near_query import near_query, near_settings
from curation.run_directory import RunDirectoryError
from curation.stages.near import near_keys


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    rows = copies()
    rows.append({"id": "esc\x1b[31m", "text": rows[0]["text"] + "\n[red]bold\x1b]0;title\x07 line of the copy"})
    return run(tmp_path_factory.mktemp("clusters"), rows, "exact: {}\nnear: {}\nworkers: inline")


def ask(*arguments: object, text: bytes | None = None):
    return CliRunner().invoke(duplicates, [str(argument) for argument in arguments], input=text)


def test_a_cluster_is_shown_with_what_differs(finished):
    near = next(cluster for cluster in clusters(finished, "near") if any("esc" in name for name in cluster[1]))
    result = ask(finished, "esc\x1b[31m")
    assert result.exit_code == 0 and "\x1b]0" not in result.output and "<U+001B>]0;title" in result.output
    assert "[red]bold" in result.output and f"near: {len(near[1])} documents" in result.output
    data = json.loads(ask(finished, "esc\x1b[31m", "--json").output)
    (found,) = [cluster for cluster in data["clusters"] if cluster["stage"] == "near"]
    assert {member["id"] for member in found["members"]} == near[1] and found["kept_id"] == near[0]
    assert found["members"][0]["kept"] and found["members"][1]["text"]


def test_every_member_leads_to_its_cluster(finished):
    for stage in ("exact", "near"):
        for kept, members in clusters(finished, stage):
            for name in members:
                found = [cluster for cluster in clusters_of(finished, name) if cluster["stage"] == stage]
                assert [(c["kept_id"], {m["id"] for m in c["members"]}) for c in found] == [(kept, set(members))]
                assert cluster_lines(found)


def test_who_was_kept_and_removed_later_is_followed_to_the_one_that_stayed(tmp_path):
    text = copies()[0]["text"]
    rows = [{"id": "first", "text": text}, {"id": "same", "text": text.upper()}, {"id": "longer", "text": text + "\nOne more line."}]
    output = run(tmp_path, rows, "exact: {}\nnear: {}\nworkers: inline")
    chain = [{"id": "first", "fate": "near/duplicate"}, {"id": "longer", "fate": "kept"}]
    assert fates(output, ["first", "other"]) == {"first": chain, "other": [{"id": "other", "fate": "not in this run"}]}
    told = "(later removed by near/duplicate in favour of longer, which stayed)"
    assert story(output, "same")["kept_chain"] == chain and any(told in line for line in story_lines(story(output, "same")))
    assert f"first was kept {told}" in ask(output, "same").output
    assert "longer was kept\n" in ask(output, "first").output
    answer = ask(output, "--query", "-", text=text.encode()).output
    assert f"same  removed by exact in favour of first {told}" in answer and "longer  stayed\n" in answer
    assert fate_text([]) == fate_text(chain[1:]) == "" and fate_text([{"id": "x\x1b", "fate": "lang\x1b"}]).isprintable()


def test_differences():
    assert difference("a\nb\nc", "a\nx\nc")[1:] == [("same", "       a"), ("gone", "      -b"), ("new", "      +x"), ("same", "       c")]
    assert difference("a", "a") == [("same", "      the same lines")]
    assert len(difference("", "\n".join(map(str, range(99))))) == 41


def test_a_query_finds_what_an_index_of_datasketch_finds(finished):
    how = near_settings(finished)
    bands, rows = how.band_shape
    texts = {row["id"]: row["text"] for folder in ("clean", "removed") for row in table(finished, folder)}
    signatures, _ = near_keys(pa.chunked_array([list(texts.values())], pa.large_string()), how)
    index = MinHashLSH(num_perm=how.hashes, params=(bands, rows))
    for name, signature in zip(texts, signatures, strict=True):
        index.insert(name, MinHash(num_perm=how.hashes, hashvalues=signature, scheme="affine64"))
    for name in list(texts)[::4]:
        query = texts[name] + "\nOne more line that is new."
        signature, _ = near_keys(pa.chunked_array([[query]], pa.large_string()), how)
        expected = index.query(MinHash(num_perm=how.hashes, hashvalues=signature[0], scheme="affine64"))
        found = near_query(finished, query, most=100)
        assert {row["id"] for row in found} == set(expected) and all(row["meets"] for row in found)
        assert [row["jaccard"] for row in found] == sorted((row["jaccard"] for row in found), reverse=True)
    assert len(near_query(finished, query, threshold=0.0, most=1000)) == len(texts)


def test_the_query_command(finished, tmp_path):
    kept = table(finished, "clean")[0]
    (tmp_path / "new.txt").write_text(kept["text"])
    result = ask(finished, "--query", tmp_path / "new.txt")
    assert result.exit_code == 0 and f"1.000  {kept['id']}  stayed" in result.output
    removed = next(row for row in table(finished, "removed") if row["stage"] == "near")
    result = ask(finished, "--query", "-", "--json", text=removed["text"].encode())
    row = next(row for row in json.loads(result.output)["documents"] if row["id"] == removed["id"])
    assert (row["removed_by"], row["kept_id"]) == ("near", removed["kept_id"])


def test_mistakes_are_told(finished, tmp_path):
    with pytest.raises(RunDirectoryError, match="'nobody' is not in"):
        clusters_of(finished, "nobody")
    alone = {row["id"] for row in table(finished, "clean")} - {row["id"] for row in table(finished, "clusters")}
    with pytest.raises(RunDirectoryError, match="has no duplicates"):
        clusters_of(finished, alone.pop())
    other = run(tmp_path / "x", copies()[:3], "exact: {}")
    with pytest.raises(RunDirectoryError, match="no `near`"):
        near_query(other, "text")
    for arguments in ((finished,), (finished, "a", "--query", "-"), (finished, "a", "--threshold", "0.5"), (tmp_path, "a")):
        assert ask(*arguments).exit_code == 2


def test_where_long_lines_differ_is_shown():
    kept, other = f"same\n{'a word ' * 100}of the kept\nend", f"same\n{'a word ' * 100}of the other\nend"
    shown = [text.strip() for kind, text in difference(kept, other) if kind in ("gone", "new")]
    assert [text[:2] for text in shown] == ["-…", "+…"] and shown[0].endswith("word of the kept") and shown[1].endswith("word of the other")
    assert [text for kind, text in difference("a\nb", "a\nc") if kind in ("gone", "new")] == ["      -b", "      +c"]
