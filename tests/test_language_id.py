"""The kernels that identify languages against fastText itself, on models that ship and on others trained here."""

from __future__ import annotations

import functools

import fasttext
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from fasttext_files import SOFTMAX, write_model
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.language_id import word_memo
from curation.language_id.identifier import JUDGED_BYTES, Identifier
from curation.language_id.label_tree import huffman_tree
from curation.language_id.model_file import ModelFileError, read_header, read_model
from curation.language_id.models import VENDORED, check_model, label_script, load_model
from curation.language_id.through_fasttext import FastTextIdentifier
from curation.language_id.windows import windowed
from rules.text.kernels import kernel_texts

PIECES = [
    "the", "Der", "und", "комитет", "委员会将在下个月底发表报告", "報告書", "위원회는", "คณะกรรมการ", "रिपोर्ट", "تقريرها", "🎉👩‍👧", "é", "x" * 60,
    "Donaudampfschifffahrtsgesellschaft", "дозволительно-предупредительный" * 2, "</s>", "a</s>b", "__label__en", "__label__", "<", ">", "\u3000", "\u200b",
]  # fmt: skip
texts_of = st.lists(st.tuples(st.sampled_from(PIECES) | st.text(max_size=6), st.sampled_from([" ", "\n", "\t", "\x00", "\r\n", "", "\v\f"])), max_size=30)


def expected(model, text: str, k: int) -> list[tuple[str, float]]:
    """fastText's labels and scores of a text, in which no word is `</s>`; none where there is no word."""
    for white in "\n\t\v\f\r\x00":
        text = text.replace(white, " ")
    words = [word for word in text.split(" ") if word and word != "</s>"]
    return list(zip(*model.predict(" ".join(words), k))) if words else []


def check(ours, theirs, texts: list[str], k: int = 3) -> None:
    places, scores = ours.best(*kernel_texts(pa.array(texts, pa.large_string())), k)
    for text, row, found in zip(texts, places, scores):
        wanted = expected(theirs, text, k)
        assert (row >= 0).sum() == len(wanted)
        for place, score, (label, probability) in zip(row, found, wanted):
            assert score == pytest.approx(probability, abs=1e-4)
            tied = [other for other, close in wanted if abs(close - probability) < 1e-5]
            assert ours.labels[place] in tied or label == ours.labels[place]


LETTERS = {"aa": "abcdef", "bb": "efghij", "cyr": "абвгде", "han": "委员会将在下", "dev": "कखगघङच", "one": "z"}


@settings(max_examples=60, deadline=None)
@given(parts=st.lists(texts_of, min_size=1, max_size=4))
def test_labels_are_those_of_fasttext(parts):
    texts = ["".join(piece + white for piece, white in part) for part in parts]
    theirs, through = vendored()
    check(load_model("lid.176"), theirs, texts)
    check(through, theirs, texts)


@functools.cache
def vendored():
    return fasttext.load_model(str(VENDORED["lid.176"])), FastTextIdentifier(VENDORED["lid.176"])


@pytest.mark.parametrize(
    "kind",
    [
        {}, {"ngrams": (1, 2), "numbers": 16}, {"ngrams": (0, 0)}, {"kept": 60, "quantised": True}, {"kept": 0, "quantised": True, "norms": True},
        {"kept": 100, "quantised": True, "norms": True, "output_quantised": True, "numbers": 7, "ngrams": (3, 6)},
    ],
    ids=str,
)  # fmt: skip
def test_models_of_every_kind_that_kernels_read(kind, tmp_path):
    words = ["</s>", *dict.fromkeys(letters[:size] for letters in LETTERS.values() for size in (1, 2, 5)), "委" * 40]
    path, rng = tmp_path / "model", np.random.default_rng(3)
    write_model(path, words, ["one", "two", "three", "four", "five"], **kind)
    assert read_header(path).readable
    texts = [" ".join("".join(rng.choice(list(letters), rng.integers(1, 30))) for _ in range(6)) for letters in LETTERS.values() for _ in range(5)]
    check(Identifier(path), fasttext.load_model(str(path)), [*words, *texts, "", "zz", "委员会将在下" * 400], k=5)


def test_all_documents_of_the_sample(shared_data):
    columns = [parquet.read_table(shared_data / folder, columns=["text"])["text"] for folder in ("sample", "web")]
    texts = pa.chunked_array([chunk for column in columns for chunk in column.chunks])[::3]
    model = fasttext.load_model(str(VENDORED["lid.176"]))
    theirs = model.f.multilinePredict([text.replace("\n", " ") + "\n" for text in texts.to_pylist()], 1, 0.0, "strict")
    places, scores = load_model("lid.176").best(*kernel_texts(texts))
    assert [load_model("lid.176").labels[place] for place in places[:, 0]] == [label for (label,) in theirs[0]]
    assert np.abs(scores[:, 0] - [score for (score,) in theirs[1]]).max() < 1e-4


def test_results_do_not_depend_on_what_the_memo_holds(monkeypatch):
    texts = pa.array([f"ein{n} Wort{n % 7} слово{n} {n * 'z'}" for n in range(80)])
    whole = load_model("lid.176").best(*kernel_texts(texts), 2)
    small = Identifier(VENDORED["lid.176"])
    small._local.memo = word_memo.empty_memo(4)  # which starts anew time after time
    for _ in range(2):
        places, scores = small.best(*kernel_texts(texts), 2)
        assert (places == whole[0]).all() and (scores == whole[1]).all()


def test_a_long_text_is_judged_by_its_start_and_cut_between_characters():
    start = "это русский текст " * (JUDGED_BYTES // 30)
    start += "x" * (JUDGED_BYTES - len(start.encode()) - 1) + "ж"  # a character over the edge
    one = load_model("lid.176").best(*kernel_texts(pa.array([start[:-1], start, start + " english text" * 200_000])))
    assert len(set(one[0][:, 0])) == len(set(one[1][:, 0])) == 1
    through = FastTextIdentifier(VENDORED["lid.176"]).best(*kernel_texts(pa.array([start, start + " english" * 9])))
    assert through[0][0, 0] == through[0][1, 0] == one[0][0, 0] and through[1][0, 0] == through[1][1, 0]


@pytest.mark.parametrize("kind", [{"loss": SOFTMAX}, {"word_ngrams": 2}, {"numbers": 20}], ids=str)
def test_what_kernels_do_not_read_goes_through_fasttext(kind, tmp_path):
    write_model(tmp_path / "other.bin", ["</s>", "abc"], ["one", "two", "three"], **kind)
    judge = load_model(str(tmp_path / "other.bin"))
    assert isinstance(judge, FastTextIdentifier)
    check(judge, fasttext.load_model(str(tmp_path / "other.bin")), ["abc def", "", "\x00 \n", "</s> </s> abba", "委员会"], k=2)


@pytest.mark.parametrize("kind", [{}, {"kept": 10, "quantised": True, "norms": True}, {"quantised": True, "output_quantised": True}], ids=str)
def test_a_cut_off_model_is_not_given_to_fasttext(kind, tmp_path):
    """It would take zeros for what is missing, and label every text by them."""
    path = tmp_path / "other.bin"
    write_model(path, ["</s>", "abc"], ["one", "two", "three"], loss=SOFTMAX, **kind)
    whole = path.read_bytes()
    check_model(str(path))
    for size in (0, 7, 40, 90, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelFileError, match="is cut off at byte"):
            check_model(str(path))
        with pytest.raises(ModelFileError, match="is cut off at byte"):
            FastTextIdentifier(path)


SETTINGS = {"loss": 8 + 6 * 4, "model": 8 + 7 * 4, "bucket": 8 + 8 * 4, "minn": 8 + 9 * 4, "dim": 8, "word_ngrams": 8 + 5 * 4, "words": 64 + 4}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("value", [-1, 99, 2**31 - 1])
@pytest.mark.parametrize("numbers", [10, 20])
def test_settings_that_do_not_fit_the_model_are_refused(setting, value, numbers, tmp_path):
    path = tmp_path / "other.bin"
    write_model(path, ["</s>", "abc"], ["one", "two", "three"], numbers=numbers)
    data = bytearray(path.read_bytes())
    data[SETTINGS[setting] : SETTINGS[setting] + 4] = value.to_bytes(4, "little", signed=True)
    path.write_bytes(data)
    with pytest.raises(ModelFileError):
        check_model(str(path))


@pytest.mark.parametrize("numbers", [10, 20])
@pytest.mark.parametrize("seen", [-1, 10**15, 2**63 - 1])
def test_counts_that_make_no_tree_of_labels_are_refused(numbers, seen, tmp_path):
    path = tmp_path / "other.bin"
    write_model(path, ["</s>", "abc"], ["one", "two", "three"], numbers=numbers)
    data = bytearray(path.read_bytes())
    place = data.index(b"__label__one\0") + len("__label__one") + 1
    data[place : place + 8] = seen.to_bytes(8, "little", signed=True)
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="label was seen"):
        check_model(str(path))


def test_labels_that_are_no_text_are_refused_where_fasttext_would_run_them(tmp_path):
    path = tmp_path / "other.bin"
    write_model(path, ["</s>", "abc"], ["one", "two", "three"], numbers=20)
    path.write_bytes(path.read_bytes().replace(b"__label__two", b"__label__t\xff\xff"))
    with pytest.raises(ModelFileError, match="is no UTF-8"):
        check_model(str(path))


def test_a_file_that_is_no_model_or_is_cut_off(tmp_path):
    write_model(tmp_path / "whole", ["</s>", "abc"], ["one", "two"], kept=10, quantised=True, norms=True)
    whole = (tmp_path / "whole").read_bytes()
    for size in (0, 7, 40, 90, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut").write_bytes(whole[:size])
        with pytest.raises(ModelFileError, match="is cut off at byte"):
            read_model(tmp_path / "cut")
    (tmp_path / "text").write_text("no model, only text that is long enough to have a header of its own, which it has not")
    with pytest.raises(ModelFileError, match="is not a fastText model: it does not begin like one"):
        read_model(tmp_path / "text")
    (tmp_path / "wrong").write_bytes(whole.replace(b"abc\0", b"ab\0\0", 1))
    with pytest.raises(ModelFileError):
        read_model(tmp_path / "wrong")


@settings(max_examples=50, deadline=None)
@given(counts=st.lists(st.integers(1, 1000), min_size=2, max_size=40))
def test_the_tree_is_huffmans(counts):
    """Every label is reached once, and no tree has a shorter mean path."""
    counts = np.sort(counts)[::-1]
    children, depths = huffman_tree(counts), {}
    open_nodes = [(2 * len(counts) - 2, 0)]
    while open_nodes:
        node, depth = open_nodes.pop()
        if node < len(counts):
            depths[node] = depth
        else:
            open_nodes += [(int(child), depth + 1) for child in children[node - len(counts)]]
    assert sorted(depths) == list(range(len(counts)))
    best = 0
    heap = sorted(counts.tolist())
    while len(heap) > 1:
        pair = heap[0] + heap[1]
        best += pair
        heap = sorted([pair, *heap[2:]])
    assert sum(int(counts[label]) * depth for label, depth in depths.items()) == best


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(alphabet="aé委🎉 ", max_size=120), max_size=4), count=st.integers(1, 4), size=st.integers(4, 40))
def test_windows_are_parts_of_the_text(texts, count, size):
    offsets, data = windowed(*kernel_texts(pa.array(texts, pa.large_string())), count, size)
    for d, text in enumerate(texts):
        raw, found = text.encode(), bytes(data[offsets[d] : offsets[d + 1]]).decode()
        if len(raw) <= count * size:
            assert found == text
            continue
        parts, places = [], [(len(raw) - size) * k // max(count - 1, 1) for k in range(count)]
        for place in places:
            ends = [next(i for i in range(at, len(raw) + 1) if i == len(raw) or raw[i] & 0xC0 != 0x80) for at in (place, place + size)]
            parts.append(raw[ends[0] : ends[1]].decode())
        assert found == " ".join(parts)


def test_scripts_of_labels():
    assert [label_script(f"__label__{name}") for name in ("rus_Cyrl", "en", "zh-Hant", "pt_BR", "nb_NO")] == ["Cyrl", None, "Hant", None, None]
