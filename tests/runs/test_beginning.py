"""Configurations to begin with: they run, fit the corpus's size, and say what everything is."""

import re
from pathlib import Path

import pytest

from switchtune.runs.beginning import Fitting, _scalar, checked, configuration_text, found_pairs, remedy_of
from switchtune.runs.plan import Memory, Plan, Remedy, StagePlan
from switchtune.runs.survey import survey
from tests.miniature import miniature
from tests.runs.test_survey import texts


def test_a_configuration_of_what_is_there_is_valid_and_commented(tmp_path: Path) -> None:
    data = texts(tmp_path / "odd: #name", "train.de", "train.en", "dev.de", "dev.en", "mono.en", "mono.fr")
    (data / "more.en").write_text("A cat sleeps.\n", encoding="utf-8")
    (data / "mono.en").unlink()
    (pair,) = found_pairs(survey(data), None, tmp_path)
    text = configuration_text("some/model", [pair], miniature().layout)
    config = checked(text, "mine.yaml")
    (written,) = config.pairs
    assert (written.name, written.train) == ("de-en", str(data / "train.{de,en}"))
    assert (written.valid, written.taken, written.split.test) == (str(data / "dev.{de,en}"), ("test",), 1)
    assert written.monolingual == {"en": str(data / "more.en")}
    assert ([arm.name for arm in config.arms], config.seeds) == (["standard", "auto"], (1, 2, 3))
    assert (config.training.tokens_per_batch, config.training.keep) == (1024, "best")
    assert config.training.updates == 300
    assert re.search(r"\n  updates: 300 +# about \d+ times through 16 pairs\n", text)
    assert re.search(r"\n  - source: de +# German\n", text)
    assert (
        checked(
            configuration_text("m", [pair], None, {"accumulation": 4, "gradient_checkpointing": True}), ""
        ).training.accumulation
        == 4
    )


def test_monolingual_text_that_adds_nothing_is_left_out(tmp_path: Path) -> None:
    data = texts(tmp_path / "data", "train.de", "train.en", "mono.en", "mono.de")
    (data / "mono.de").write_text("Eine Katze schläft.\n", encoding="utf-8")
    (pair,) = found_pairs(survey(data), None, tmp_path)
    assert pair.monolingual == {"de": str(data / "mono.de")}
    assert pair.notes == (f"{data / 'mono.en'}: left out: all of it is in the training set",)


def test_text_that_looks_like_another_language_is_told(tmp_path: Path) -> None:
    data = texts(tmp_path / "data", "train.de", "train.en")
    (data / "train.de").rename(data / "train.it")
    (pair,) = found_pairs(survey(data), None, tmp_path)
    assert pair.notes == (f"{data / 'train.{it,en}'}: Italian by its name, but it looks like German",)


def test_larger_corpora_are_gone_through_less_often_and_never_for_less_than_they_need() -> None:
    sizes = (10, 2000, 2001, 50_000, 500_000, 3_000_000)
    fittings = [Fitting.to(size) for size in sizes]
    assert [each.epochs for each in fittings] == sorted((each.epochs for each in fittings), reverse=True)
    assert [each.tokens_per_batch for each in fittings] == sorted(each.tokens_per_batch for each in fittings)
    assert [len(each.seeds) for each in fittings] == [3, 3, 3, 2, 1, 1]
    assert (fittings[0].updates(0.1), fittings[-1].updates(1e6), fittings[3].updates(12.31)) == (300, 30_000, 300)
    assert fittings[3].updates(100.1) == 1100


@pytest.mark.parametrize(
    "value", ["a.tsv", "data/train.{de,en}", "{de,en}.txt", "a: b", "#x", "no", "12", 12, True, "'", "ü"]
)
def test_values_stand_in_yaml_as_they_are(value: object) -> None:
    from switchtune.config.load import parse_yaml

    assert parse_yaml(f"key: {_scalar(value)}  # comment", "") == {"key": value}


def test_the_first_remedy_that_is_enough_for_the_heaviest_stage_is_taken() -> None:
    def stage(peak: float, *remedies: Remedy) -> StagePlan:
        memory = Memory(0, 0, 0, 0, 0, 0, peak)
        batches: object = None
        return StagePlan("de-en", "csr", "task", 1, batches, memory, peak < 8, remedies, None, None, None)  # type: ignore[arg-type]

    small = Remedy(("training.accumulation=2",), 7, True)
    both = Remedy(("training.accumulation=8", "training.gradient_checkpointing=true"), 7, True)
    planned = Plan(
        "cpu", 8, 1, 1, None, (stage(9, small), stage(12, Remedy(small.settings, 9, False), both)), None, (), ()
    )
    assert remedy_of(planned) == {"accumulation": 8, "gradient_checkpointing": True}
    assert remedy_of(Plan("cpu", 8, 1, 1, None, (stage(7),), None, (), ())) == {}
