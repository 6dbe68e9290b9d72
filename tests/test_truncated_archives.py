"""The web archives of other tools' test suites, whole and cut off anywhere: all counts add up, and what others read is read."""

from __future__ import annotations

import random
from pathlib import Path

import fastwarc
import pytest

from curation.archive_headers import WARC
from curation.formats import file_codec
from curation.frames import FrameReader
from curation.inputs import list_inputs, plan_shards
from curation.readers import ReadSettings, read_shard
from curation.streams import DecodedStream

SHARED = Path(__file__).parents[2] / "shared" / "data" / "warc"
FILES = sorted(SHARED.glob("*")) if SHARED.is_dir() else []
CUTS = 20
pytestmark = pytest.mark.skipif(not FILES, reason=f"the test suites of other tools are not in {SHARED}")


def cuts(path: Path) -> list[int]:
    """Where the file is cut off; the last is its end."""
    size, rng = path.stat().st_size, random.Random(path.name)
    return [*sorted(rng.randrange(size) for _ in range(CUTS)), size]


def by_warcio(path: Path) -> dict[str, bytes]:
    """Record id -> bytes of every record that is as long as it says."""
    from warcio.archiveiterator import ArchiveIterator

    found: dict[str, bytes] = {}
    with path.open("rb") as file:
        try:
            for record in ArchiveIterator(file, no_record_parse=True):
                block = record.raw_stream.read()
                if str(len(block)) == record.rec_headers.get_header("Content-Length"):
                    found[record.rec_headers.get_header("WARC-Record-ID")] = block
        except Exception:  # it may fail as it likes; what it read until then counts
            pass
    return found


def by_fastwarc(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        for record in fastwarc.ArchiveIterator(str(path), parse_http=False, quirks_mode=True):
            block = record.reader.read()
            if len(block) == record.content_length:
                found[record.headers.get("WARC-Record-ID")] = block
    except Exception:
        pass
    return found


def by_us(path: Path) -> dict[str, bytes]:
    with path.open("rb") as raw:
        codec = file_codec(raw, path.name, lambda head: True)
        frames = FrameReader(DecodedStream(raw, codec), WARC, 1 << 28)
        return {frame.fields.get("warc-record-id", ""): frame.block for frame in frames if not frame.cause}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_cut_anywhere(path, tmp_path):
    data, cut = path.read_bytes(), tmp_path / path.name
    for size in cuts(path):
        cut.write_bytes(data[:size])
        try:
            (shard,) = plan_shards(list_inputs([str(cut)], tmp_path))
        except ValueError as error:
            assert size < 100 and "in no known format" in str(error)  # of its first bytes alone, nobody can tell
            continue
        records = documents = 0
        numbers: list[int] = []
        for batch in read_shard(shard, ReadSettings()):
            records, documents = records + batch.records, documents + len(batch.documents)
            numbers += batch.quarantined["record"].to_pylist()
            batch.documents.validate(full=True)
        assert len(set(numbers)) == len(numbers) and documents <= records and (records or not size)
        if size and ".arc" not in path.name:
            theirs, ours = (by_warcio(cut), by_fastwarc(cut)), by_us(cut)
            both = {name for name in theirs[0].keys() & theirs[1].keys() if theirs[0][name] == theirs[1][name]}
            # A record whose length is too small by a byte or two is read whole by us, and without its end by the others.
            assert {name for name in both if name not in ours or not ours[name].startswith(theirs[0][name])} == set(), size
