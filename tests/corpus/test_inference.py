"""Premises, hypotheses and labels from every format; what is left out is counted, what makes no sense is refused."""

import json
import lzma
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from switchtune.corpus.columns import CorpusError
from switchtune.corpus.inference import LABELS, read_nli
from switchtune.corpus.lines import LONGEST_LINE

ROWS = (("A dog runs.", "An animal moves.", 0), ("A man sits.", "He stands.", 2), ("It rains.", "It is cold.", 1))
NAMES = ("premise", "hypothesis", "label")


def write(path: Path, kind: str) -> None:
    named = [(first, second, LABELS[label]) for first, second, label in ROWS]
    tables = {
        "plain.tsv": [*named],
        "wide.tsv": [(*row, "snli", "") for row in named],
        "later.tsv": [(*row, "snli", "government" * (number > 0)) for number, row in enumerate(named)],
        "numbers.tsv": [*ROWS],
        "glue.tsv": [("index", "sentence1", "sentence2", "label"), *(("1", *row) for row in named)],
        "header.tsv": [("gold_label", "sentence1", "sentence2"), *((row[2], row[0], row[1]) for row in named)],
    }
    if kind in tables:
        path.write_text("".join("\t".join(map(str, row)) + "\n" for row in tables[kind]), encoding="utf-8")
    elif kind.endswith(".csv"):
        head = [",".join(NAMES)] if kind == "some.csv" else []
        lines = [*head, *(f'"{first}","{second}",{label}' for first, second, label in ROWS)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    elif kind in ("some.jsonl", "snli.jsonl"):
        names = NAMES if kind == "some.jsonl" else ("sentence1", "sentence2", "gold_label")
        path.write_text(
            "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in ROWS), encoding="utf-8"
        )
    else:
        parquet.write_table(pa.table(dict(zip(NAMES, zip(*ROWS, strict=True), strict=True))), path)


@pytest.mark.parametrize(
    "kind",
    [
        *("plain.tsv", "wide.tsv", "later.tsv", "numbers.tsv", "glue.tsv", "header.tsv", "some.csv", "plain.csv"),
        *("some.jsonl", "snli.jsonl", "some.parquet"),
    ],
)
def test_every_format_gives_the_same_examples(kind: str, tmp_path: Path) -> None:
    write(tmp_path / kind, kind)
    read = read_nli(str(tmp_path / kind), "en")
    assert list(zip(read.premises, read.hypotheses, read.labels, strict=True)) == list(ROWS)
    assert "3 examples (entailment 1, neutral 1, contradiction 1)" in read.describe()
    in_order = "they are taken for premise, hypothesis and label, by their order alone"
    assert (in_order in read.describe()) == (kind in ("plain.tsv", "wide.tsv", "later.tsv", "numbers.tsv", "plain.csv"))
    corpus = read.corpus()
    assert (corpus.source_language, corpus.target_language) == ("en", "en")
    assert [tuple(pair) for pair in corpus] == [row[:2] for row in ROWS]


def test_the_asterisk_is_the_languages_code_and_columns_may_be_named(tmp_path: Path) -> None:
    with lzma.open(tmp_path / "test.de.tsv.xz", "wt", encoding="utf-8") as stream:
        stream.write("1\tentailment\tEin Hund.\tEin Tier.\n")
    read = read_nli(str(tmp_path / "test.*.tsv.xz"), "de", columns=("3", "4", "2"))
    assert (read.language, read.premises, read.hypotheses, read.labels) == ("de", ("Ein Hund.",), ("Ein Tier.",), (0,))


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    lines = ["a\tb\t-", "a\t\tneutral", "a\tb\tneutral", "c\td\t-1", "e\tf\tcontradictory"]
    (tmp_path / "some.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    read = read_nli(str(tmp_path / "some.tsv"), "en")
    assert (read.premises, read.labels, read.not_labelled, read.empty) == (("a", "e"), (1, 2), 2, 1)
    assert "2 without a label left out; 1 with an empty side left out" in read.describe()


@pytest.mark.parametrize(
    ("name", "text", "labels"),
    [
        # As XNLI has its machine-translated training sets, with quotes that open nothing.
        ("multinli.train.de.tsv", 'premise\thypo\tlabel\nEr sagte "ja.\tEr sprach.\tcontradictory\n', (2,)),
        # As XNLI has its own sets: labels before texts, and columns between them.
        (
            "xnli.dev.tsv",
            "language\tgold_label\tsentence1_tokenized\tsentence1\tsentence2\tmatch\n"
            "de\tneutral\tx y\tx y\tz\tTrue\nde\tcontradiction\tx\tx\tz\tTrue\n",
            (1, 2),
        ),
        # As SNLI and MNLI have theirs: "-" where annotators do not agree, and their five labels after it.
        (
            "snli.txt.jsonl",
            '{"gold_label": "-", "annotator_labels": ["neutral", "entailment"], "sentence1": "a", "sentence2": "b"}\n'
            '{"gold_label": "entailment", "annotator_labels": [], "sentence1": "a", "sentence2": "b"}\n',
            (0,),
        ),
        ("anli.jsonl", '{"context": "a", "hypothesis": "b", "label": "c"}\n', (2,)),
        ("upper.tsv", "a\tb\tENTAILMENT\nc\td\tNeutral \n", (0, 1)),
        # As pandas writes whole numbers beside missing ones.
        ("pandas.csv", "premise,hypothesis,label\na,b,2.0\nc,d,\ne,f,0.0\n", (2, 0)),
        (
            "missing.jsonl",
            '{"premise": "a", "hypothesis": "b", "label": null}\n{"premise": "a", "hypothesis": "b", "label": 1}\n',
            (1,),
        ),
        ("marked.csv", "\ufeffpremise,hypothesis,label\r\na,b,1\r\n", (1,)),
        ("Header.tsv", "Premise\tHypothesis\tLabel\na\tb\tentailment\n", (0,)),
    ],
)
def test_labels_as_files_of_others_have_them(name: str, text: str, labels: tuple[int, ...], tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(text.encode())
    assert read_nli(str(tmp_path / name), "de").labels == labels


def test_a_limit_takes_examples_from_the_whole_file(tmp_path: Path) -> None:
    lines = [f"p{number}\th\t{LABELS[number // 10]}\n" for number in range(30)]
    (tmp_path / "sorted.tsv").write_text("".join(lines), encoding="utf-8")
    read = read_nli(str(tmp_path / "sorted.tsv"), "en", limit=6)
    assert [read.labels.count(label) for label in range(3)] == [2, 2, 2]
    assert (read.premises[0], read.premises[-1]) == ("p0", "p29")
    assert read.fingerprint() != read_nli(str(tmp_path / "sorted.tsv"), "en").fingerprint()


def test_a_data_set_of_the_hub_may_number_its_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        premise=datasets.Value("string"), hypothesis=datasets.Value("string"), label=datasets.ClassLabel(names=LABELS)
    )
    made = datasets.Dataset.from_list([dict(zip(NAMES, row, strict=True)) for row in ROWS], features=features)
    asked = []

    def load_dataset(*arguments: Any, **options: Any) -> Any:
        asked.append((*arguments, options["split"]))
        return made

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    read = read_nli("hf:facebook/xnli:*:test", "de")
    assert list(zip(read.premises, read.hypotheses, read.labels, strict=True)) == list(ROWS)
    assert set(asked) == {("facebook/xnli", "de", "test")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tb\tneutral\nc\td\tyes\n", r"row 2 has the label 'yes', in column '3'; expected entailment, neutral"),
        ("a\tb\t-\n", "no example is left"),
        ("a\tb\n", "no column '3'"),
        ("a" * (LONGEST_LINE + 1), "some.tsv:1: the line has over"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "some.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(CorpusError, match=message):
        read_nli(str(tmp_path / "some.tsv"), "en")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "test.de.tsv").write_text("a\tb\tneutral\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"test\.tr\.tsv: not found .* did you mean 'test\.de\.tsv'|D"):
        read_nli(str(tmp_path / "test.*.tsv"), "tr")


def test_the_real_sets_are_read(shared_data: Path) -> None:
    for language in ("en", "zh"):
        test = read_nli(str(shared_data / "nli/test.*.tsv.xz"), language)
        assert [test.labels.count(label) for label in range(3)] == [1670] * 3
