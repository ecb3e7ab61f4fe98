"""Validation and test sets that are taken out of the training corpus."""

import json
from pathlib import Path

import pytest

from switchtune.config.load import parse_config
from switchtune.config.run import TAKEN, PairSettings, RunConfig
from switchtune.corpus.embedded import embedded_sentences
from switchtune.errors import SwitchtuneError
from switchtune.runs.splits import located
from switchtune.runs.tasks import read_pair

PAIRS = embedded_sentences("news", "train", ("de", "en"), 200)


def pair_of(train: Path, **settings: object) -> PairSettings:
    return parse_config(PairSettings, {"source": "de", "target": "en", "train": str(train), **settings})


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "all.tsv"
    lines = [f"{german}\t{english}\tbook {row // 10}" for row, (german, english) in enumerate(PAIRS)]
    path.write_text("\n".join(["German\tEnglish\tbook", *lines, lines[0], "\tnothing\t", ""]), encoding="utf-8")
    return path


def test_sets_are_taken_out_once_and_found_in_the_folder(table: Path, tmp_path: Path) -> None:
    pair = pair_of(table, split={"valid": 10, "test": 20})
    told: list[str] = []
    found = located(pair, tmp_path / "corpus", told.append)
    assert located(pair, tmp_path / "corpus") == found and pair.taken == ("valid", "test")
    assert (
        "valid 10 pairs, test 20 pairs; train keeps 170" in told[0] and str(tmp_path / "corpus/split.de-en") in told[0]
    )
    config = parse_config(RunConfig, {"model": "none", "pairs": [pair.model_dump(mode="json")]})
    sets = [set(corpus) for corpus in read_pair(config, pair, tmp_path / "corpus")]
    assert [len(pairs) for pairs in sets] == [170, 10, 20] and set.union(*sets) == set(PAIRS)
    with Path(found.test).open(encoding="utf-8") as lines:
        assert {tuple(json.loads(line).items()) for line in lines} == {
            (("German", german), ("English", english)) for german, english in sets[2]
        }
    other = located(pair_of(table, split={"valid": 10, "test": 20, "seed": 2}), tmp_path / "corpus")
    assert Path(other.test).read_bytes() != Path(found.test).read_bytes()


def test_documents_stay_whole_and_a_set_may_have_its_own_file(table: Path, tmp_path: Path) -> None:
    pair = pair_of(table, valid="valid.tsv", test=25, document="book")
    assert (pair.valid, pair.test, pair.split.test, pair.taken) == ("valid.tsv", TAKEN, 25, ("test",))
    told: list[str] = []
    found = located(pair, tmp_path / "corpus", told.append)
    assert "whole documents" in told[0] and "test 20 pairs" in told[0] and found.valid == "valid.tsv"
    with Path(found.test).open(encoding="utf-8") as lines:
        books = [[*PAIRS].index(tuple(json.loads(line).values())) // 10 for line in lines]
    assert len(set(books)) == 2 and all(books.count(book) == 10 for book in books)


def test_what_cannot_be_taken_is_refused(table: Path, tmp_path: Path) -> None:
    with pytest.raises(SwitchtuneError, match=r"200 different pairs, from which 1,000 for valid and 1,000 for test"):
        located(pair_of(table), tmp_path / "corpus")
    with pytest.raises(SwitchtuneError, match="no document is small enough for test"):
        located(pair_of(table, valid=50, test=5, document="book"), tmp_path / "corpus")
    with pytest.raises(SwitchtuneError, match=r"valid: 'valid.tsv', and split.valid: 5"):
        pair_of(table, valid="valid.tsv", split={"valid": 5})
    with pytest.raises(SwitchtuneError, match="plain text has none"):
        (tmp_path / "a.de").write_text("a\n", encoding="utf-8")
        (tmp_path / "a.en").write_text("b\n", encoding="utf-8")
        located(pair_of(tmp_path / "a.{de,en}", valid=1, test=1, document="book"), tmp_path / "corpus")
