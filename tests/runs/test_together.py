"""Several directions in one model: what it is trained, validated and tested on, beside models of one pair each."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from switchtune.analysis.cost import cost_record
from switchtune.config.load import parse_config
from switchtune.config.run import RunConfig
from switchtune.config.together import group_name
from switchtune.corpus.read import describe
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.generation import translate
from switchtune.models.load import directions, load_model, save_model
from switchtune.results.matrix import matrix_of, matrix_table
from switchtune.runs.arms import require_inputs
from switchtune.runs.experiment import batch_preview, experiment_of, run_experiment, trial_to_look_at
from switchtune.runs.folder import Run
from switchtune.runs.plan import plan
from switchtune.runs.run_files import read_run
from switchtune.runs.stage_examples import tempered
from switchtune.runs.train import train_arm
from switchtune.runs.zeroshot import run_zeroshot
from switchtune.training import distributed
from switchtune.training.curve import read_metrics
from switchtune.training.loop import Loop
from tests.miniature import ENGLISH, GERMAN, lively

PARTS = {"train": slice(0, 8), "valid": slice(8, 11), "test": slice(11, 16)}
TRAINING = {"updates": 3, "restore_share": 0.34, "tokens_per_batch": 150, "dropout": 0.1, "lr": 1e-3}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved miniature whose outputs are not empty."""
    folder = tmp_path_factory.mktemp("model") / "model"
    save_model(lively("mbart"), folder, "de", "en")
    return folder


def write_texts(folder: Path) -> None:
    """German and English, and a made-up language in the place of Italian."""
    for name, lines in (("de", GERMAN), ("en", ENGLISH), ("it", [line.swapcase() for line in GERMAN])):
        for part, rows in PARTS.items():
            text = "".join(f"{line}\n" for line in lines[rows])
            (folder / f"{part}.{name}").write_text(text, encoding="utf-8")


def pair_of(folder: Path, name: str, **changes: object) -> dict[str, Any]:
    source, target = name.split("-")
    corpora = {part: f"{folder}/{part}.{{{source},{target}}}" for part in PARTS}
    return {"source": source, "target": target, **corpora, **changes}


def config_of(model: Path, folder: Path, **changes: object) -> RunConfig:
    write_texts(folder)
    values: dict[str, object] = {
        "model": str(model),
        "pairs": [pair_of(folder, name) for name in ("de-en", "it-en", "en-de")],
        "arms": ["standard", {"recipe": "standard", "name": "one", "together": True}],
        "jobs": 1,
        "training": TRAINING,
        "generation": {"beams": 1, "max_length": 12},
        "evaluation": {"resamples": 100},
        "lexicon": {"accept": True},
    }
    return parse_config(RunConfig, {**values, **changes})


def losses(folder: Path) -> list[dict[str, float]]:
    return [entry for entry in read_metrics(folder / "metrics.jsonl") if "valid_nll" in entry]


@pytest.mark.slow
def test_one_model_for_three_stands_beside_three_models(model: Path, tmp_path: Path) -> None:
    config, run = config_of(model, tmp_path), tmp_path / "run"
    summary = run_experiment(config, run)
    rows = {(row.pair, row.arm): row for row in summary.rows}
    assert list(rows) == [(pair, arm) for pair in ("de-en", "it-en", "en-de") for arm in ("standard", "one")]
    assert {arm: row.stage_updates for (_, arm), row in rows.items()} == {"standard": {"task": 3}, "one": {"task": 9}}
    assert "one: one model learned de-en, it-en, en-de" in summary.remarks[-1]
    group = run / "de-en+it-en+en-de/one/seed1"
    # Each test set is translated from its own language into its own.
    loaded = load_model(str(group / "task/model"))
    for name, lines in {"de-en": GERMAN, "it-en": [line.swapcase() for line in GERMAN], "en-de": ENGLISH}.items():
        source, _, target = name.partition("-")
        written = (group / f"hypotheses.{name}.txt").read_text(encoding="utf-8").splitlines()
        assert written == translate(loaded, lines[PARTS["test"]], source, target, config.generation)
        assert any(written)
    assert directions(loaded.layout) == (("de_DE", "en_XX"), ("it_IT", "en_XX"), ("en_XX", "de_DE"))
    # The loss of each direction beside that of all, which has all tokens alike.
    first, *_, last = losses(group)
    names = {f"valid_nll {name}" for name in ("de-en", "it-en", "en-de")}
    assert names < first.keys()
    assert min(first[name] for name in names) < first["valid_nll"] < max(first[name] for name in names)
    for name in ("de-en", "en-de"):
        assert rows[name, "one"].valid_nll[-1] == (9, last[f"valid_nll {name}"])
    assert first["valid_nll de-en"] == pytest.approx(losses(run / "de-en/standard/seed1")[0]["valid_nll"], rel=1e-5)
    record = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["rows"]
    assert [row.get("together") for row in record[:2]] == [None, ["de-en", "it-en", "en-de"]]
    # Whoever reads the folder finds the model's training for each of its pairs, and what it cost once.
    read = read_run(run)
    assert (read.missing, read.warnings) == ((), ())
    assert [each.name for each in read.trainings if each.arm == "one"] == ["de-en+it-en+en-de/one/seed1"] * 3
    costs = [row["updates"] for row in cost_record(Run(run, config))["rows"] if row["arm"] == "one"]
    assert costs == [9]
    # Nothing is done twice.
    weights = [path.stat().st_mtime_ns for path in sorted(run.rglob("model.safetensors"))]
    assert len(weights) == 4
    assert run_experiment(config, run).rows == summary.rows
    assert [path.stat().st_mtime_ns for path in sorted(run.rglob("model.safetensors"))] == weights


def test_shares_go_by_size_and_temperature() -> None:
    assert tempered([7], 3) == [1]
    assert tempered([100, 900], 1) == pytest.approx([0.1, 0.9])
    assert tempered([100, 900], 2) == pytest.approx([0.25, 0.75])
    assert tempered([0, 5], 2) == [0, 1]


@pytest.mark.slow
def test_directions_between_its_languages_are_tested_zero_shot(model: Path, tmp_path: Path) -> None:
    arms = ["standard", {"recipe": "csr", "name": "csr"}]
    pairs = [pair_of(tmp_path, name) for name in ("de-en", "en-it")]
    zeroshot = {"tests": {"German-it": f"{tmp_path}/test.{{de,it}}"}, "limit": 4}
    config = config_of(model, tmp_path, pairs=pairs, arms=arms, together=True, zeroshot=zeroshot)
    assert config.zeroshot.tests.keys() == {"de-it"}
    (matrix,) = run_zeroshot(config, tmp_path / "run")
    assert (matrix.trained, matrix.tested) == (("de-en+en-it",), ("de-en", "en-it", "de-it"))
    assert [cell.supervised for cell in matrix.cells] == [True, True, False]
    assert matrix.cells[2].in_language is not None
    file = tmp_path / "run/zeroshot/own-tests/de-en+en-it.csr.seed1.de-it.txt"
    trained = load_model(str(tmp_path / "run/de-en+en-it/csr/seed1/task/model"))
    written = translate(trained, list(GERMAN[11:15]), "de", "it", config.generation)
    assert file.read_text(encoding="utf-8").splitlines() == written
    heads, rows = matrix_table(matrix)
    assert (heads[1], rows[2][0]) == ("de→en, en→it", "de→it")
    restored = {
        json.dumps(line) for block in batch_preview(config, arm="csr", rows=2)[:1] for line in block.split("\n")
    }
    assert sum("kind " in line for line in restored) == 2
    (record,) = json.loads((tmp_path / "run/zeroshot.json").read_text(encoding="utf-8"))["matrices"]
    assert matrix_table(matrix_of(record)) == (heads, rows)
    assert rows[2][1].endswith("%]")


@pytest.mark.slow
def test_restoring_and_glossing_are_done_in_all_languages_at_once(model: Path, tmp_path: Path) -> None:
    arms = ["standard", "csr", "csr+"]
    config = config_of(model, tmp_path, arms=arms, together=[["de-en", "it-en"], ["en-de"]])
    restore, task = batch_preview(config, arm="csr", rows=1)
    assert [line.split(maxsplit=1)[1] for line in restore.split("\n") if "kind " in line] == [
        "restore, de-en",
        "restore, it-en",
    ]
    # Both sides of both pairs.
    assert restore.startswith("stage 1: restore (32 examples an epoch)")
    assert task.startswith("stage 2: task (16 examples an epoch)")
    (mixture,) = batch_preview(config, arm="csr+", rows=1)
    parts = mixture.split("kind ")[1:]
    names = ("task, de-en", "task, it-en", "gloss, de-en", "gloss, it-en")
    assert [part.strip().split("\n")[0] for part in parts] == list(names)
    for part, name in zip(parts, names, strict=True):
        encoder, labels = (line for line in part.split("\n") if "encoder input" in line or "labels" in line)
        assert encoder.split()[-1] == {"de": "de_DE", "it": "it_IT"}[name.split()[1][:2]]
        assert labels.split()[-1] == "en_XX"


@pytest.mark.slow
def test_each_direction_has_terms_in_the_language_that_it_translates_into(model: Path, tmp_path: Path) -> None:
    arms = ["standard", {"recipe": "standard", "name": "one", "terms": {"share": 0.3, "tag": "##", "base_forms": 0}}]
    config = config_of(model, tmp_path, arms=arms, together=True)
    with trial_to_look_at(config, config.arms[1], None, lambda event: None) as (experiment, trial, data, _):
        examples = experiment.examples(trial, data, load_model(str(model)).layout)
        made = examples.ingredients(trial.arm.recipe.stages[0])
    of_terms = {each.pair: each.made.train for each in made if each.kind == "terms"}
    assert list(of_terms) == ["de-en", "it-en", "en-de"]
    for pair, train in of_terms.items():
        texts = [train.make(1, index) for index in range(train.count)]
        terms = [(term.strip(), text.target) for text in texts for term in text.source.split("##")[1::2]]
        assert {f"{text.source_language}-{text.target_language}" for text in texts} == {pair}
        assert len(terms) >= len(texts)
        assert all(term.lower() in target.lower() for term, target in terms)


def test_each_pair_is_glossed_by_its_own_dictionaries(model: Path, tmp_path: Path) -> None:
    words = {"de": "Hund Wiese läuft über Ein die".split(), "it": "cANE wIESE LÄUFT ÜBER eIN DIE".split()}
    for code, translations in words.items():
        entries = zip("dog meadow runs across A the".split(), translations, strict=True)
        (tmp_path / f"en-{code}.txt").write_text("".join(f"{' '.join(entry)}\n" for entry in entries), encoding="utf-8")
    pairs = [pair_of(tmp_path, f"{code}-en", dictionaries=str(tmp_path / f"en-{code}.txt")) for code in words]
    lexicon = {"method": "dictionary", "accept": True}
    config = config_of(model, tmp_path, pairs=pairs, arms=["standard", "csr+"], together=True, lexicon=lexicon)
    assert {str(tmp_path / f"en-{code}.txt") for code in words} <= set(config.inputs)
    (mixture,) = batch_preview(config, arm="csr+", rows=1)
    glosses = [part.lower() for part in mixture.split("kind ") if part.strip().startswith("gloss")]
    assert len(glosses) == 2
    for gloss, found in zip(glosses, (("hund", "wiese"), ("cane", "wiese")), strict=True):
        assert all(word in gloss for word in found)
    pairs[1]["dictionaries"] = "nowhere.txt"
    config = config_of(model, tmp_path, pairs=pairs, arms=["standard", "csr+"], together=True, lexicon=lexicon)
    with pytest.raises(SwitchtuneError, match=r"nowhere\.txt"):
        require_inputs(config, config.arms)


@pytest.mark.slow
def test_a_stopped_training_of_a_group_ends_in_the_same_weights(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = {**TRAINING, "updates": 4, "checkpoint_every": 2, "evaluate_every": 2}
    config = config_of(model, tmp_path, arms=["standard", "csr"], together=True, training=training)
    whole = train_arm(config, tmp_path / "whole", arm="csr")
    after_update = Loop._after_update

    def stopped(self: Loop) -> bool:
        done = after_update(self)
        if self.update == 5:
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Loop, "_after_update", stopped)
        train_arm(config, tmp_path / "run", arm="csr")
    told: list[str] = []
    again = train_arm(config, tmp_path / "run", arm="csr", on_event=lambda event: told.append(event.what))
    assert whole is not None
    assert again is not None
    assert any("goes on from update 4" in line for line in told)
    assert again.model == tmp_path / "run/de-en+it-en+en-de/csr/seed1/task/model"
    weights = "model.safetensors"
    assert (again.model / weights).read_bytes() == (whole.model / weights).read_bytes()
    assert again.result.outputs == whole.result.outputs
    assert again.record()["pair"] == "de-en+it-en+en-de"
    curves = [losses(each.model.parents[1]) for each in (whole, again)]
    assert [{**entry, "seconds": 0, "memory_gb": 0} for entry in curves[0]] == [
        {**entry, "seconds": 0, "memory_gb": 0} for entry in curves[1]
    ]


@pytest.mark.slow
def test_two_processes_train_a_group_as_one(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "START_METHOD", "fork")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    training = {**TRAINING, "dropout": 0.0, "attention_dropout": 0.0, "evaluate_every": 2, "accumulation": 2}
    config = config_of(model, tmp_path, arms=["standard", "csr"], together=True, training=training)
    curves = []
    for folder, processes in ((tmp_path / "one", None), (tmp_path / "two", 2)):
        trained = train_arm(config, folder, arm="csr", processes=processes)
        assert trained is not None
        curves.append(losses(trained.model.parents[1]))
    torch.set_num_threads(threads)
    measured = [[{key: each[key] for key in each if "valid_nll" in key} for each in curve] for curve in curves]
    assert len(measured[0]) == 7
    for one, two in zip(*measured, strict=True):
        assert len(one) == 4
        assert two == pytest.approx(one, rel=1e-4)


@pytest.mark.slow
def test_one_reverse_model_translates_back_for_all_pairs(model: Path, tmp_path: Path) -> None:
    texts = {"en": ENGLISH, "de": GERMAN}
    write_texts(tmp_path)
    for code, lines in texts.items():
        # The validation and test sets are left out of it.
        (tmp_path / f"more.{code}").write_text("".join(f"So {line}\n" for line in lines), encoding="utf-8")
    pairs = [
        pair_of(tmp_path, name, monolingual={name[-2:]: str(tmp_path / f"more.{name[-2:]}")})
        for name in ("de-en", "en-de")
    ]
    config = config_of(model, tmp_path, pairs=pairs, arms=["standard", "bt"], together=True)
    summary = run_experiment(config, tmp_path / "run")
    reverse = tmp_path / "run/de-en+en-de/bt/seed1/reverse"
    assert sorted(path.parent.name for path in reverse.glob("*/??.txt")) == ["translated.de-en", "translated.en-de"]
    cost = summary.rows[1].back_translation
    assert cost is not None
    assert (cost.updates, cost.sentences) == (4, 32)
    written = [path.stat().st_mtime_ns for path in sorted(reverse.rglob("*.*"))]
    (mixture,) = batch_preview(config, arm="bt", rows=1, folder=tmp_path / "run")
    assert "kind            backtranslated, en-de" in mixture
    run_experiment(config, tmp_path / "run")
    assert [path.stat().st_mtime_ns for path in sorted(reverse.rglob("*.*"))] == written


def test_what_another_pair_is_tested_on_is_not_trained_on(model: Path, tmp_path: Path) -> None:
    write_texts(tmp_path)
    pairs = [pair_of(tmp_path, "de-en"), pair_of(tmp_path, "it-en")]
    lines = {code: [*lines[:8], lines[12]] for code, lines in (("it", GERMAN), ("en", ENGLISH))}
    for code, text in lines.items():
        (tmp_path / f"leaking.{code}").write_text("".join(f"{line.upper()}\n" for line in text), encoding="utf-8")
    pairs[1]["train"] = f"{tmp_path}/leaking.{{it,en}}"
    pairs[1]["test"] = pairs[1]["valid"]
    one, together = (config_of(model, tmp_path, pairs=pairs, together=value) for value in (False, True))
    one = one.model_copy(update={"arm_settings": one.arm_settings[:1]})
    read = [experiment_of(config).read(config.pairs[1], tmp_path / "cache").train for config in (one, together)]
    assert list(map(len, read)) == [9, 8]
    assert "1 pairs left out because a side is in a validation or test set of another pair" in describe(read[1])
    pairs[1]["train"] = f"{tmp_path}/test.{{it,en}}"
    config = config_of(model, tmp_path, pairs=pairs, together=True)
    with pytest.raises(SwitchtuneError, match=r"it-en: all of its 5 training pairs .* stand in validation"):
        experiment_of(config).read(config.pairs[1], tmp_path / "cache")


def test_a_plan_has_one_training_for_several_pairs(tmp_path: Path, model: Path) -> None:
    arms = ["standard", {"recipe": "csr", "together": [["de-en", "it-en"]]}]
    planned = plan(config_of(model, tmp_path, arms=arms), gpu_memory=10)
    stages = [(stage.pair, stage.arm, stage.stage, stage.updates) for stage in planned.stages]
    assert stages == [
        ("de-en", "standard", "task", 3),
        ("de-en+it-en", "csr", "restore", 2),
        ("de-en+it-en", "csr", "task", 4),
        ("it-en", "standard", "task", 3),
        ("en-de", "standard", "task", 3),
        ("en-de", "csr", "restore", 1),
        ("en-de", "csr", "task", 2),
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"together": [["de-en", "de-en"]]}, "together: 'de-en' appears twice"),
        ({"together": [["de-en", "it-en"], ["it-en", "en-de"]]}, "together: 'it-en' appears twice"),
        ({"together": [["de-en", "it-de"]]}, "together: 'it-de' is none of the pairs"),
        ({"together": [[]]}, "together: a group without pairs"),
        ({"together": ["de-en", "it-en"]}, r"together\.groups: expected true, false or lists of pairs"),
        ({"together": {"groups": True, "temperature": 0}}, r"together\.temperature"),
        ({"arms": ["standard", {"recipe": "csr", "together": "yes"}]}, r"arms\.csr\.together: groups: expected true"),
        ({"arms": ["standard", "auto"], "together": True}, r"arms\.auto: recipe: auto chooses for each pair, and one"),
        ({"zeroshot": {"tests": {"deit": "x"}}}, "'deit': two languages are expected, as in de-tr"),
    ],
)
def test_groups_that_cannot_be_are_refused(
    model: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        config_of(model, tmp_path, **changes)


def test_pairs_without_a_common_language_are_no_group(model: Path, tmp_path: Path) -> None:
    names = ("de-en", "it-en", "zh-ja")
    pairs = [pair_of(tmp_path, name) for name in names]
    with pytest.raises(UsageError, match="together: zh-ja shares no language with de-en"):
        config_of(model, tmp_path, pairs=pairs, together=True)
    # By way of a third pair they do.
    config_of(model, tmp_path, pairs=[*pairs, pair_of(tmp_path, "en-zh")], together=True)


def test_a_language_that_the_model_lacks_is_told_before_anything_is_read(model: Path, tmp_path: Path) -> None:
    pairs = [pair_of(tmp_path, "de-en"), pair_of(tmp_path, "sw-en")]
    with pytest.raises(SwitchtuneError, match="This mbart model has no tag for 'sw'"):
        run_experiment(config_of(model, tmp_path, pairs=pairs, together=True), tmp_path / "run")


@pytest.mark.parametrize(
    "names", [["de-en"], ["de-en", "tr-en"], [f"{code}-en" for code in "abcdefghijklmnopqrstuvwxyz"]]
)
def test_a_folder_is_named_by_its_pairs(names: list[str]) -> None:
    name = group_name(names)
    assert len(name) <= 100
    assert name.startswith("+".join(names[:1]))
    assert name != group_name(names[::-1]) or len(names) == 1
