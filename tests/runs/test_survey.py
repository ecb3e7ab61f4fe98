"""What data there is in a folder, as names of files and columns tell it, or the text."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from switchtune.errors import UsageError
from switchtune.runs.survey import FoundCorpus, pairs_of, survey
from tests.miniature import ENGLISH, GERMAN


def texts(folder: Path, *names: str) -> Path:
    """Files with German text, or English where that is in the name."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        english = any(part in name for part in ("en", "tgt"))
        path.write_text("".join(f"{line}\n" for line in (ENGLISH if english else GERMAN)), encoding="utf-8")
    return folder


def found_in(data: Path, asked: tuple[str, str] | None = None) -> list[tuple[str, tuple[str, str], str | None]]:
    corpora: Sequence[FoundCorpus] = survey(data, asked).corpora
    base = data if data.is_dir() else data.parent
    return [(each.location.removeprefix(f"{base}/"), each.languages, each.role) for each in corpora]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ("train.de", "train.en", "dev.de", "dev.en", "newstest.de", "newstest.en", "test.de", "test.en"),
            [
                ("dev.{de,en}", ("de", "en"), "valid"),
                ("newstest.{de,en}", ("de", "en"), None),
                ("test.{de,en}", ("de", "en"), "test"),
                ("train.{de,en}", ("de", "en"), "train"),
            ],
        ),
        (("de.txt", "en.txt"), [("{de,en}.txt", ("de", "en"), None)]),
        (("corpus_de.txt", "corpus_en.txt"), [("corpus_{de,en}.txt", ("de", "en"), None)]),
        (("data/all.deu_Latn", "data/all.eng_Latn"), [("data/all.{deu_Latn,eng_Latn}", ("de", "en"), None)]),
        (("train.src", "train.tgt"), [("train.{src,tgt}", ("de", "en"), "train")]),
    ],
)
def test_text_files_go_together_by_the_languages_in_their_names(
    tmp_path: Path, names: tuple[str, ...], expected: list[tuple[str, tuple[str, str], str]]
) -> None:
    assert found_in(texts(tmp_path, *names)) == expected


TSV = "".join(f"{german}\t{english}\n" for german, english in zip(GERMAN, ENGLISH, strict=True))
JSONL = "".join(
    json.dumps({"source": german, "target": english}) + "\n" for german, english in zip(GERMAN, ENGLISH, strict=True)
)
TMX = (
    '<tmx><body><tu><tuv xml:lang="de-DE"><seg>a</seg></tuv><tuv xml:lang="en-GB"><seg>b</seg></tuv></tu></body></tmx>'
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("all.tsv", f"German\tEnglish\n{TSV}"),
        ("all.tsv", TSV),  # by what is in it
        ("all.tsv", f"id\tde\ten\n{''.join(f'{number}<{line}' for number, line in enumerate(TSV.splitlines(True)))}"),
        ("train.csv", f"de,en\n{TSV.replace(chr(9), ',')}"),
        ("train.csv", f"de;en\n{TSV.replace(chr(9), ';')}\n"),
        ("all.jsonl", JSONL),
        ("all.jsonl", JSONL.replace("source", "de").replace("target", "en")),
        ("all.jsonl", json.dumps({"translation": {"de": "Hund", "en": "dog"}}) + "\n"),
        ("Books.de-en.jsonl", "{}\n"),
        ("all.tmx", TMX),
        ("de-en.zip", "PK"),
    ],
)
def test_tables_tell_their_languages(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content.replace("<", "\t") if name.endswith(".tsv") else content, encoding="utf-8")
    assert [languages for _, languages, _ in found_in(tmp_path)] == [("de", "en")]
    assert found_in(tmp_path / name) == found_in(tmp_path)


def test_what_is_no_corpus_is_named_and_monolingual_text_is_kept(tmp_path: Path) -> None:
    texts(tmp_path, "train.de", "train.en", "mono.en", ".hidden.de", "mine.yaml", "notes")
    (tmp_path / "odd.tsv").write_text("1\t2\n3\t4\n", encoding="utf-8")
    found = survey(tmp_path)
    assert found.monolingual == (("en", str(tmp_path / "mono.en")),)
    assert [line.split(": ")[0] for line in found.left_out] == [str(tmp_path / "notes"), str(tmp_path / "odd.tsv")]
    assert "name them, as in --langs de-en" in found.left_out[1]


def test_several_languages_and_none(tmp_path: Path) -> None:
    texts(tmp_path, "train.de", "train.en", "train.tr")
    with pytest.raises(UsageError, match=r"no parallel corpus is found(.|\n)*files of de, en, tr: --langs de-en says"):
        survey(tmp_path)
    assert found_in(tmp_path, ("tr", "en")) == [("train.{tr,en}", ("tr", "en"), "train")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty: no parallel corpus is found"):
        survey(tmp_path / "empty")


def test_corpora_as_configurations_name_them_and_no_training_set(tmp_path: Path) -> None:
    assert survey("hf:a/b:c:train", ("de", "en")).corpora[0].location == "hf:a/b:c:train"
    with pytest.raises(
        UsageError, match=r"embedded:kitchen:train: in which languages is it\? Give them, as in --langs"
    ):
        survey("embedded:kitchen:train")
    with pytest.raises(UsageError, match=r"nothing: not found"):
        survey(tmp_path / "nothing")
    with pytest.raises(UsageError, match=r"test\.\{de,en\} \(test\): which is to be trained on\?"):
        list(pairs_of(survey(texts(tmp_path, "test.de", "test.en"))))


def test_each_corpus_has_a_place_and_english_is_the_target(tmp_path: Path) -> None:
    texts(tmp_path, "a.de", "a.en", "dev.de", "dev.en", "train.small.de", "train.small.en", "train.de", "train.en")
    (tmp_path / "train.de").write_text("Hund\n" * 1000, encoding="utf-8")
    ((direction, taken, rest),) = pairs_of(survey(tmp_path))
    assert direction == ("de", "en")
    assert {role: Path(each.location).name for role, each in taken.items()} == {
        "train": "train.{de,en}",
        "valid": "dev.{de,en}",
    }
    assert sorted(Path(each.location).name for each in rest) == ["a.{de,en}", "train.small.{de,en}"]
    ((direction, _, _),) = pairs_of(survey(tmp_path, ("en", "de")), ("en", "de"))
    assert direction == ("en", "de")
