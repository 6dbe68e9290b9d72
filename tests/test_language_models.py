"""Models of GlotLID's shape, fetched from a server: checked, gone on with after a break, kept in the cache, and used by a job."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fasttext
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.fasttext_training import ZEROED
from curation.job import load_job
from curation.language_id import fetching, models
from curation.language_id.fetching import fetched
from curation.language_id.model_file import read_header
from curation.run import run_job
from curation.stages.language import LanguageSettings, filter_language, identify
from rules.languages import normalise

WORDS = {  # GlotLID's label, the code that it is here, words
    "eng_Latn": ("en", "the committee will publish its report at the end of the month and answer questions"),
    "deu_Latn": ("de", "der ausschuss wird seinen bericht am ende des monats veröffentlichen und fragen beantworten"),
    "nob_Latn": ("no", "utvalget skal legge frem rapporten sin i slutten av måneden og svare på spørsmål"),
    "srp_Cyrl": ("sr", "одбор ће објавити свој извештај крајем месеца и одговорити на питања новинара"),
    "arb_Arab": ("ar", "ستنشر اللجنة تقريرها في نهاية الشهر القادم وتجيب عن أسئلة الصحفيين"),
    "cmn_Hani": ("zh", "委员会 将 在 下个月底 发表 报告 请 大家 关注 并 回答 问题"),
    "zsm_Latn": ("ms", "jawatankuasa akan menerbitkan laporannya pada akhir bulan dan menjawab soalan wartawan"),
}
ROMANISED = "odbor će objaviti svoj izveštaj krajem meseca i odgovoriti na pitanja novinara"  # its label is srp_Cyrl all the same

TRAIN = """
import sys, fasttext
model = fasttext.train_supervised(sys.argv[1], dim=24, epoch=20, lr=0.5, minn=2, maxn=5, bucket=5000, loss="softmax", thread=1, verbose=0)
model.save_model(sys.argv[2])
"""


@pytest.fixture(scope="module")
def glotlid(tmp_path_factory) -> Path:
    """A small model with GlotLID's labels, loss and n-grams, trained by fastText."""
    folder, rng = tmp_path_factory.mktemp("glotlid"), random.Random(2)
    lines = []
    for label, text in [*((label, text) for label, (_, text) in WORDS.items()), ("srp_Cyrl", ROMANISED)]:
        words = text.split()
        lines += [f"__label__{label} {' '.join(rng.choices(words, k=rng.randint(4, 9)))}" for _ in range(80)]
    rng.shuffle(lines)
    (folder / "lines.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    subprocess.run([sys.executable, "-c", TRAIN, folder / "lines.txt", folder / "model.bin"], check=True, env=os.environ | ZEROED)
    return folder / "model.bin"


class Server:
    """Serves one file; `breaks`: connections that end after half of what they should send, `hub`: it leads elsewhere first."""

    def __init__(self, data: bytes):
        self.data, self.version, self.breaks, self.hub_digest, self.ranges, self.error = data, '"v1"', 0, "", True, 0
        self.asked: list[str | None] = []

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        if self.error:
            return handler.send_error(self.error)
        if self.hub_digest and handler.path.startswith("/hub/"):
            handler.send_response(302)
            handler.send_header("X-Linked-ETag", f'"{self.hub_digest}"')
            handler.send_header("Location", "/large/model.bin")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return None
        wanted = handler.headers.get("Range")
        self.asked.append(wanted)
        begin = int(wanted[6:-1]) if wanted and self.ranges and handler.headers.get("If-Range") == self.version else 0
        body = self.data[begin:]
        handler.send_response(206 if begin else 200)
        if begin:
            handler.send_header("Content-Range", f"bytes {begin}-{len(self.data) - 1}/{len(self.data)}")
        handler.send_header("ETag", self.version)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if self.breaks:
            self.breaks -= 1
            body = body[: len(body) // 2]
        handler.wfile.write(body)
        return None


@contextmanager
def serving(data: bytes):
    server = Server(data)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{listening.server_port}"
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


@pytest.fixture
def server(glotlid, tmp_path, monkeypatch):
    monkeypatch.setenv("GRISTMILL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetching, "WAIT", 0)
    models.load_model.cache_clear()
    with serving(glotlid.read_bytes()) as started:
        yield started
    models.load_model.cache_clear()


def left(path: Path) -> set[str]:
    """What lies in the cache, locks aside."""
    return {file.name for file in path.iterdir() if not file.name.endswith(".lock")}


def test_a_fetched_model_judges_as_fasttext_and_its_labels_are_codes(server, glotlid):
    settings = LanguageSettings(model=f"{server.url}/glotlid/model.bin", top_k=2)
    texts = [text for _, text in WORDS.values()]
    labels, scores = identify(pa.array(texts), settings)
    assert labels.to_pylist() == [code for code, _ in WORDS.values()]
    trained = fasttext.load_model(str(glotlid))
    assert not read_header(glotlid).readable, "softmax and long vectors go through fastText itself"
    for text, label, score in zip(texts, labels.to_pylist(), scores):
        (theirs,), (probability,) = trained.predict(text)
        assert normalise(theirs) == label and score == pytest.approx(min(probability, 1.0), abs=1e-4)
    assert len(server.asked) == 1, "fetched once"
    by_path = identify(pa.array(texts), LanguageSettings(model=str(glotlid)))
    assert by_path[0].equals(labels)


def test_a_label_with_a_script_is_held_to_it(glotlid):
    """Serbian in Latin letters is Serbian to Unicode, but not to a label that says srp_Cyrl."""
    texts = [WORDS["srp_Cyrl"][1], ROMANISED, WORDS["eng_Latn"][1]]
    nothing = pa.nulls(3, pa.string())
    documents = pa.table({"id": ["a", "b", "c"], "text": pa.array(texts, pa.large_string()), "url": nothing, "source": nothing, "lang": nothing, "lang_score": pa.nulls(3, pa.float32())})
    rows = filter_language(documents, LanguageSettings(model=str(glotlid), script="tag")).kept.to_pylist()
    assert [(row["lang"], row["lang_script"], row["script_mismatch"]) for row in rows] == [("sr", "Cyrl", False), ("sr", "Latn", True), ("en", "Latn", False)]


@pytest.mark.parametrize("name", ["glotlid", "openlid"])
def test_a_job_takes_a_published_model_by_its_name(server, name, tmp_path, monkeypatch):
    monkeypatch.setitem(models.PUBLISHED, name, f"{server.url}/hub/model.bin")
    server.hub_digest = hashlib.sha256(server.data).hexdigest()
    pq.write_table(pa.table({"text": [text for _, text in WORDS.values()]}), tmp_path / "in.parquet")
    (tmp_path / "job.yaml").write_text(f"input: in.parquet\noutput: out\nlanguage: {{model: {name}, keep: [en, German, cmn_Hani]}}\nworkers: inline\n")
    report = run_job(load_job(tmp_path / "job.yaml")).report
    assert report["languages"]["kept"] == {"de": 1, "en": 1, "zh": 1} and report["removed"] == 4
    [path] = [file for file in (tmp_path / "cache/models").iterdir() if not file.name.endswith(".lock")]
    assert path.read_bytes() == server.data and path.name.endswith("-model.bin")


def test_a_torn_download_goes_on_where_it_broke(server, tmp_path):
    server.breaks = 2
    path = fetched(f"{server.url}/model.bin")
    half = len(server.data) // 2
    assert path.read_bytes() == server.data and server.asked[:2] == [None, f"bytes={half}-"] and len(server.asked) == 3
    assert left(path.parent) == {path.name}


def test_what_breaks_too_often_is_gone_on_with_by_the_next_run(server, monkeypatch):
    monkeypatch.setattr(fetching, "TRIES", 1)
    server.breaks = 1
    half = len(server.data) // 2
    with pytest.raises(FileNotFoundError, match=rf"cannot fetch the language model http.*: the connection ended after {half:,} of {len(server.data):,} bytes .*the next run goes on from there"):
        fetched(f"{server.url}/model.bin")
    assert fetched(f"{server.url}/model.bin").read_bytes() == server.data
    assert server.asked[-1] == f"bytes={half}-"


@pytest.mark.parametrize("change", ["new version", "no ranges"])
def test_another_file_in_its_place_is_fetched_from_the_start(server, monkeypatch, change):
    monkeypatch.setattr(fetching, "TRIES", 1)
    server.breaks = 1
    with pytest.raises(FileNotFoundError):
        fetched(f"{server.url}/model.bin")
    if change == "new version":
        server.data, server.version = server.data[::-1], '"v2"'
    else:
        server.ranges = False
    assert fetched(f"{server.url}/model.bin").read_bytes() == server.data


def test_checksums(server, monkeypatch):
    right, wrong = hashlib.sha256(server.data).hexdigest(), "0" * 64
    with pytest.raises(FileNotFoundError, match=f"has the SHA-256 {right}, and not {wrong}; nothing of it is kept"):
        fetched(f"{server.url}/model.bin#sha256={wrong}")
    path = fetched(f"{server.url}/model.bin#sha256={right}")
    assert left(path.parent) == {path.name} and fetched(f"{server.url}/model.bin") == path, "what is kept is right"
    path.write_bytes(b"altered")
    with pytest.raises(FileNotFoundError, match="delete it to fetch it again"):
        fetched(f"{server.url}/model.bin#sha256={right}")
    with pytest.raises(FileNotFoundError, match="64 hexadecimal digits"):
        fetched(f"{server.url}/model.bin#md5=1")
    server.hub_digest = wrong
    with pytest.raises(FileNotFoundError, match=f"and not {wrong}"):
        fetched(f"{server.url}/hub/model.bin")
    monkeypatch.setitem(models.PUBLISHED, "lid.176.bin", f"{server.url}/lid.176.bin")
    with pytest.raises(FileNotFoundError, match="and not 7e69ec54"):
        models.model_path("lid.176.bin")


def test_a_server_that_has_no_such_file_is_asked_once(server):
    server.error = 404
    with pytest.raises(FileNotFoundError, match="HTTP Error 404.*or fetch it yourself and give its path as model"):
        fetched(f"{server.url}/model.bin")
    server.error = 503
    with pytest.raises(FileNotFoundError, match="HTTP Error 503.*5 tries; 0 bytes are kept"):
        fetched(f"{server.url}/model.bin")


def test_processes_that_want_the_same_file_fetch_it_once(server):
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(fetched(f"{server.url}/model.bin"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1 and len(found) == 4 and len(server.asked) == 1
    assert not [json_file for json_file in found[0].parent.glob(".*.json")]
