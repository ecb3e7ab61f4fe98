"""Training without a single pair: glosses by a dictionary, then back-translations, round after round."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from switchtune.config.run import RunConfig
from switchtune.errors import UsageError
from switchtune.lexicon.files import read_lexicon
from switchtune.models.load import save_model
from switchtune.recipes import RECIPES
from switchtune.run_dir import RunDir
from switchtune.runs import translation
from switchtune.runs.experiment import batch_preview, experiment_of, run_experiment
from switchtune.runs.plan import plan
from switchtune.runs.tasks import read_further, read_pair
from switchtune.training.curve import read_metrics
from tests.miniature import ENGLISH, GERMAN, taught
from tests.runs.test_experiment import config_of

DICTIONARY = "der\tthe\ndie\tthe\neine\ta\nein\ta\nHund\tdog\nKatze\tcat\nund\tand\nim\tin\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("taught") / "model"
    save_model(taught(), folder, "de", "en")
    return folder


def values_of(folder: Path, **changes: Any) -> dict[str, Any]:
    for code, lines in {"de": GERMAN, "en": ENGLISH}.items():
        (folder / f"more.{code}").write_text("".join(f"{line}\n" for line in lines[6:]), encoding="utf-8")
    (folder / "words.tsv").write_text(DICTIONARY, encoding="utf-8")
    text = str(folder / "text.{de,en}")
    monolingual = {code: str(folder / f"more.{code}") for code in ("de", "en")}
    pair = {"source": "de", "target": "en", "train": "none", "valid": text, "test": text, "monolingual": monolingual}
    values: dict[str, Any] = {
        "pairs": [pair],
        "arms": ["glosses", "unsupervised"],
        "baseline": "glosses",
        "lexicon": {"method": "dictionary", "dictionaries": [str(folder / "words.tsv")], "accept": True},
        "training": {"updates": 9, "tokens_per_batch": 200, "checkpoint_every": 2},
        "back_translation": {"engine": "transformers"},
    }
    return {**values, **changes}


def configured(model: Path, folder: Path, **changes: Any) -> RunConfig:
    return config_of(model, folder, **values_of(folder, **changes))


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.slow
def test_models_of_both_directions_learn_from_text_and_a_dictionary_alone(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, run, told = configured(model, tmp_path), tmp_path / "run", list[str]()
    summary = run_experiment(config, run, on_event=lambda event: told.append(event.what))
    assert [dict(row.stage_updates) for row in summary.rows] == [{"task": 9}, {"mixture": 9}]
    assert [line for line in told if line.startswith("no pairs to train on (train: none)")]
    assert not [line for line in told if "no arm uses them" in line or "training pairs are too few" in line]
    # The lexicon has those words of the dictionary that the text has.
    (path,) = run.glob("lexicon/de-en/dictionary-*/lexicon.en-de.tsv")
    assert {each.word for each in read_lexicon(path).find("dog").translations} == {"Hund"}  # type: ignore[union-attr]
    # The reverse model translates the target's text; what it learned from is that of the source.
    trial = run / "de-en/unsupervised/seed1"
    translations = lines_of(trial / "reverse/translated/de.txt")
    assert len(translations) == len(set(ENGLISH[6:]) - set(ENGLISH[:6]))
    cost = summary.rows[1].back_translation
    assert cost is not None
    assert (cost.updates, cost.sentences) == (6, len(translations))
    assert [entry["update"] for entry in read_metrics(trial / "reverse/metrics.jsonl") if "valid_nll" in entry] == [
        0,
        6,
    ]
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["corpora"]["de-en"]["train"] == {
        **manifest["corpora"]["de-en"]["train"],
        "origin": "none",
        "pairs": 0,
    }
    # What is finished is looked through without reading the text again for each training.
    read = Mock(wraps=read_further)
    monkeypatch.setattr(translation, "read_further", read)
    again = run_experiment(config, run)
    assert read.call_count == 1
    assert [row.scores for row in again.rows] == [row.scores for row in summary.rows]


@pytest.mark.slow
def test_with_more_rounds_the_reverse_model_has_a_reverse_model(model: Path, tmp_path: Path) -> None:
    back = {"engine": "transformers", "rounds": 2, "updates_share": 0.5, "within": True}
    training = {"updates": 8, "tokens_per_batch": 200}
    arms = {"arms": ["unsupervised"], "baseline": "unsupervised"}
    run = tmp_path / "run"
    (row,) = run_experiment(configured(model, tmp_path, **arms, back_translation=back, training=training), run).rows
    assert row.stage_updates == {"mixture": 4}
    assert row.back_translation is not None
    assert row.back_translation.updates == 4
    # What translates for the forward model learned from translations of the source's text, by a third model.
    trial = run / "de-en/unsupervised/seed1"
    folders = (trial / "reverse", trial / "reverse/reverse")
    assert [[path.name for path in each.glob("translated/??.txt")] for each in folders] == [["de.txt"], ["en.txt"]]
    curves = [read_metrics(each / "metrics.jsonl") for each in folders]
    stages = [{entry["stage"]: entry["update"] for entry in curve} for curve in curves]
    assert stages == [{"mixture": 2}, {"task": 2}]
    assert not (folders[1] / "reverse").exists()


def test_each_round_has_its_share_of_the_updates_of_the_next(tmp_path: Path) -> None:
    back = {"rounds": 3, "updates_share": 0.5}
    arm = configured(tmp_path, tmp_path, back_translation=back, training={"updates": 800}).arms[1]
    chain = [arm]
    while (reverse := chain[-1].reverse) is not None:
        chain.append(reverse)
    assert [sum(each.stage_updates) for each in chain] == [800, 400, 200, 100]
    assert [each.recipe for each in chain] == [RECIPES["unsupervised"]] * 3 + [RECIPES["glosses"]]
    back["within"] = True
    arm = configured(tmp_path, tmp_path, back_translation=back, training={"updates": 800}).arms[1]
    assert sum(arm.stage_updates) == 400


def test_an_example_is_a_gloss_and_nothing_of_the_validation_pairs(model: Path, tmp_path: Path) -> None:
    config = configured(model, tmp_path)
    (block,) = batch_preview(config, arm="glosses", rows=3)
    assert all(sentence not in block for sentence in ENGLISH[:6])
    assert block.count("source text") == 3
    (block,) = batch_preview(config, arm="unsupervised")
    assert block.startswith("stage 1: mixture (10 examples an epoch, without the back-translations")
    train, valid, _ = read_pair(config, config.pairs[0], tmp_path)
    assert (len(train), train.sources(), train.reversed().targets()) == (0, [], [])
    assert train.fingerprint() != valid.fingerprint()
    assert train.fingerprint() == read_pair(config, config.pairs[0], tmp_path)[0].fingerprint()


def test_in_one_model_with_pairs_a_direction_without_them_learns_from_glosses(model: Path, tmp_path: Path) -> None:
    values = values_of(tmp_path)
    (unpaired,) = values["pairs"]
    paired = {"source": "en", "target": "de", "train": str(tmp_path / "more.{de,en}")}
    paired |= {"valid": unpaired["valid"], "test": unpaired["test"]}
    dictionary = (tmp_path / "words.tsv").rename(tmp_path / "lexicon.de-en.tsv")
    values |= {"pairs": [paired, unpaired], "together": True, "arms": ["standard", "csr+", "csr"]}
    values["lexicon"] |= {"dictionaries": [str(dictionary)]}
    config = config_of(model, tmp_path, **values | {"baseline": "standard"})
    (task,) = batch_preview(config, arm="standard", rows=1)
    (mixture,) = batch_preview(config, arm="csr+", rows=1)
    restored, _ = batch_preview(config, arm="csr", rows=1)
    assert re.findall(r"[a-z]+, (?:de-en|en-de)", mixture) == ["task, en-de", "gloss, en-de", "gloss, de-en"]
    pairs = len(read_pair(config, config.pairs[0], tmp_path)[0])
    assert task.startswith(f"stage 1: task ({pairs} examples")
    assert restored.startswith(f"stage 1: restore ({2 * pairs} examples")


def test_a_run_without_pairs_is_planned_by_the_lengths_of_the_validation_pairs(model: Path, tmp_path: Path) -> None:
    planned = plan(configured(model, tmp_path, back_translation={"rounds": 2}))
    assert [(stage.arm, stage.stage) for stage in planned.stages] == [
        ("glosses", "task"),
        ("unsupervised-reverse-reverse", "task"),
        ("unsupervised-reverse", "mixture"),
        ("unsupervised", "mixture"),
    ]


def pair_of(folder: Path, **changes: Any) -> list[dict[str, Any]]:
    (pair,) = values_of(folder)["pairs"]
    return [{**pair, **changes}]


@pytest.mark.parametrize("recipe", ["standard", "csr", "csr+", "denoise", "bt", "csr+bt", "iaft", "random"])
def test_recipes_that_need_pairs_are_refused(recipe: str, tmp_path: Path) -> None:
    refused: Sequence[str] = [recipe]
    with pytest.raises(UsageError, match=r"no pairs to train on \(train: none\), and its recipe trains on them"):
        configured(tmp_path, tmp_path, arms=refused, baseline=recipe)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lexicon": {"method": "align"}}, "its lexicon is made from pairs .align"),
        ({"lexicon": {"method": "mixed", "parts": {"align": 1}}}, "its lexicon is made from pairs .align"),
        ({"switching": {"source": "anti"}}, "its lexicon is made from pairs .align, for switching.source: anti"),
        ({"task": "summarization"}, "monolingual text is for"),
    ],
)
def test_what_is_made_from_pairs_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        configured(tmp_path, tmp_path, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"monolingual": {}}, r"add monolingual: \{de: FILE, en: FILE\}"),
        ({"monolingual": {"en": "more.en"}}, r"add monolingual: \{de: FILE\}"),
        ({"limit": 5}, "limit: there are no training pairs"),
    ],
)
def test_text_of_both_languages_is_needed(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        configured(tmp_path, tmp_path, pairs=pair_of(tmp_path, **changes))


def test_several_rounds_need_text_of_the_source_language(tmp_path: Path) -> None:
    text = str(tmp_path / "text.{de,en}")
    pairs = pair_of(tmp_path, train=text, monolingual={"en": str(tmp_path / "more.en")})
    with pytest.raises(UsageError, match=r"text in the source language is translated too.*\{de: FILE\}"):
        configured(tmp_path, tmp_path, pairs=pairs, arms=["bt"], baseline="bt", back_translation={"rounds": 2})


def test_text_that_the_lexicon_is_made_of_counts_as_used(model: Path, tmp_path: Path) -> None:
    config, told = configured(model, tmp_path, arms=["glosses"]), list[str]()
    experiment, run = experiment_of(config), RunDir(tmp_path / "run")
    data = experiment.read(config.pairs[0], run.path)
    experiment.prepare(config.pairs[0], config.arms, data, run, lambda event: told.append(event.what))
    assert len([line for line in told if "further sentences in" in line]) == 2
    assert not [line for line in told if "no arm uses them" in line]
