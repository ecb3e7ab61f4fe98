"""The parts of a comparison, and what a second call of it keeps or makes again."""

import json
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from switchtune.config.load import parse_config
from switchtune.config.run import RunConfig
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.lexicon.files import edits_path, read_lexicon
from switchtune.models.load import load_layout, load_model
from switchtune.run_dir import RunDir
from switchtune.runs import stages, translation, workers
from switchtune.runs.arms import Part, require_inputs
from switchtune.runs.experiment import batch_preview, experiment_of, run_experiment
from switchtune.runs.prepare import PairPreparation
from switchtune.runs.stage_examples import PairExamples
from switchtune.runs.tasks import MonolingualSentences, read_further, read_pair
from switchtune.runs.translation import TEST_SET
from switchtune.runs.trial import Data, TrialResult
from switchtune.training import distributed
from tests.miniature import ENGLISH, GERMAN

FEW = ("6 training pairs are too few to learn from", "6 test examples are too few")


def config_of(model: Path, folder: Path, **changes: object) -> RunConfig:
    for code, lines in {"de": GERMAN, "en": ENGLISH}.items():
        (folder / f"text.{code}").write_text("".join(f"{line}\n" for line in lines[:6]), encoding="utf-8")
    text = str(folder / "text.{de,en}")
    values: dict[str, object] = {
        "model": str(model),
        "pairs": [{"source": "de", "target": "en", "train": text, "valid": text, "test": text}],
        "jobs": 1,
        "training": {"updates": 4, "restore_share": 0.5, "tokens_per_batch": 200, "dropout": 0.25},
        "generation": {"beams": 1, "length_penalty": 0.8, "max_length": 12},
    }
    return parse_config(RunConfig, {**values, **changes})


@pytest.mark.slow
def test_stages_begin_where_the_recipe_says(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []

    def spy(path: str, **options: object) -> object:
        loads.append((path, options["init"], options["dropout"], options["seed"]))
        return load_model(path, **options)

    monkeypatch.setattr(stages, "load_model", spy)
    config = config_of(model, tmp_path, recipes=["csr", "random"], baseline="csr", seeds=[5])
    run_experiment(config, tmp_path / "run")
    stage_1 = tmp_path / "run/de-en/csr/seed5/restore/model"
    assert loads == [
        (str(model), "pretrained", 0.25, 5),
        (str(stage_1), "pretrained", 0.25, 5),
        (str(model), "random", 0.25, 5),
    ]


@pytest.mark.slow
def test_a_damaged_model_is_made_again_before_anything_is_trained_from_it(model: Path, tmp_path: Path) -> None:
    config = config_of(model, tmp_path, recipes=["csr"], baseline="csr")
    run_experiment(config, tmp_path / "run")
    trained = tmp_path / "run/de-en/csr/seed1"
    weights, told = [trained / stage / "model/model.safetensors" for stage in ("restore", "task")], []
    before = [path.read_bytes() for path in weights]
    with weights[0].open("r+b") as stream:
        stream.seek(-1000, 2)
        stream.write(bytes(1000))
    shutil.rmtree(trained / "task")
    run_experiment(config, tmp_path / "run", on_event=lambda event: told.append(event.what))
    assert [path.read_bytes() for path in weights] == before
    assert [line for line in told if "restore/model: has changed since it was made" in line]
    assert list((trained / "restore").glob("model.changed-*"))


def test_edited_outputs_are_made_again_or_scored_as_they_are(model: Path, tmp_path: Path) -> None:
    config = config_of(model, tmp_path, recipes=["standard"])
    run_experiment(config, tmp_path / "run")
    outputs = tmp_path / "run/de-en/standard/seed1/hypotheses.txt"
    before = outputs.read_bytes()
    outputs.write_text("".join(f"{line}\n" for line in ENGLISH[:6]))
    kept = run_experiment(config.model_copy(update={"keep_changed": True}), tmp_path / "run")
    assert kept.rows[0].scores["BLEU"][0].value == pytest.approx(100)
    again = run_experiment(config, tmp_path / "run")
    assert outputs.read_bytes() == before
    assert again.rows[0].scores["BLEU"][0].value < 50
    outputs.write_text("one line\n")
    with pytest.raises(SwitchtuneError, match=r"hypotheses\.txt: 1 lines, where the test set has 6 sentences"):
        run_experiment(config.model_copy(update={"keep_changed": True}), tmp_path / "run")


def test_no_process_is_started_for_what_is_finished(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "START_METHOD", "fork")
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    config = config_of(model, tmp_path, recipes=["standard"], seeds=[1, 2, 3], jobs=2)
    run = tmp_path / "run"
    first = run_experiment(config, run)
    started = []

    def pool(processes: int, *arguments: Any, **options: Any) -> ProcessPoolExecutor:
        started.append(processes)
        return ProcessPoolExecutor(processes, *arguments, **options)

    monkeypatch.setattr(workers, "ProcessPoolExecutor", pool)
    told: list[str] = []
    again = run_experiment(config, run, on_event=lambda event: told.append(event.subject))
    assert (started, [row.scores for row in again.rows]) == ([], [row.scores for row in first.rows])
    (run / "de-en/standard/seed2/hypotheses.txt").unlink()
    again = run_experiment(config, run, on_event=lambda event: told.append(event.subject))
    assert (started, [row.scores for row in again.rows]) == ([1], [row.scores for row in first.rows])
    assert {name for name in told if "seed" in name} == {"de-en/standard/seed2"}


def test_figures_of_former_settings_are_not_taken_for_those_of_a_run_that_was_stopped(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    config = config_of(model, tmp_path, recipes=["standard", "csr"])
    run_experiment(config, run)
    (run / "analysis").mkdir()
    (run / "analysis/cost.json").write_text("{}")
    former = (run / "metrics.json").read_bytes()
    written = (run / "de-en/csr/seed1/hypotheses.txt").read_bytes()

    def stopped(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    changed, told = config_of(model, tmp_path, recipes=["standard", "csr"], switching={"rate": 0.5}), list[str]()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(stages, "train_stage", stopped)
        run_experiment(changed, run, on_event=lambda event: told.append(event.what))
    (aside,) = run.glob("results.replaced-*")
    assert [line for line in told if "former comparison" in line] == [
        f"not all is finished as configured: the former comparison is now in {aside}"
    ]
    assert (aside / "metrics.json").read_bytes() == former
    assert sorted(path.name for path in aside.iterdir()) == ["analysis", "comparison.md", "metrics.json"]
    assert not (run / "metrics.json").exists()
    # Nor are the later stage and the outputs of an arm whose first stage has other inputs now.
    trial = run / "de-en/csr/seed1"
    assert not (trial / "task/model").exists() and not (trial / "hypotheses.txt").exists()
    (task,) = trial.glob("task.replaced-*")
    assert (task / "hypotheses.txt").read_bytes() == written
    assert {path.name for path in trial.iterdir() if path.is_dir()} >= {"restore", "steps", task.name}
    assert (run / "de-en/standard/seed1/hypotheses.txt").exists()
    run_experiment(changed, run)
    assert (run / "metrics.json").exists()
    assert len(list(trial.glob("*.replaced-*"))) == 2


@pytest.mark.slow
def test_edits_of_a_lexicon_are_kept_and_trained_on(model: Path, tmp_path: Path) -> None:
    config = config_of(model, tmp_path, recipes=["standard", "csr"])
    run_experiment(config, tmp_path / "run")
    forward, backward = sorted((tmp_path / "run/lexicon").rglob("*.tsv"))
    stages = [
        tmp_path / f"run/de-en/{stage}/model/model.safetensors" for stage in ("standard/seed1/task", "csr/seed1/task")
    ]
    before = [path.stat().st_mtime_ns for path in stages]
    edits_path(forward).write_text("# mine\nZebra\tzebra\n", encoding="utf-8")
    backward.unlink()
    said = []
    run_experiment(config, tmp_path / "run", on_event=said.append)
    assert "zebra" in read_lexicon(forward).entries
    assert backward.exists()
    assert any("restore: its inputs have changed" in event.what for event in said)
    after = [path.stat().st_mtime_ns for path in stages]
    assert after[0] == before[0]
    assert after[1] > before[1]
    # They come along where other settings make another lexicon; the lexicon itself is not the place for them.
    other = config_of(model, tmp_path, recipes=["standard", "csr"], lexicon={**config.lexicon.model_dump(), "k": 1})
    run_experiment(other, tmp_path / "run")
    (new,) = set((tmp_path / "run/lexicon").rglob(forward.name)) - {forward}
    assert edits_path(new).read_text(encoding="utf-8") == "# mine\nZebra\tzebra\n"
    new.write_text(new.read_text(encoding="utf-8") + "Gnu\tgnu\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"edited by hand since it was built, .* in lexicon\.de-en\.edits\.tsv beside"):
        run_experiment(other, tmp_path / "run")


@pytest.mark.slow
def test_what_is_gone_is_made_again(model: Path, tmp_path: Path) -> None:
    config = config_of(model, tmp_path, recipes=["standard"])
    first = run_experiment(config, tmp_path / "run")
    trained = tmp_path / "run/de-en/standard/seed1/task/model/model.safetensors"
    weights = trained.read_bytes()
    trained.unlink()
    trained.parent.rename(tmp_path / "elsewhere")
    hypotheses = tmp_path / "run/de-en/standard/seed1/hypotheses.txt"
    hypotheses.unlink()
    again = run_experiment(config, tmp_path / "run")
    assert trained.read_bytes() == weights
    assert len(hypotheses.read_text(encoding="utf-8").splitlines()) == 6
    assert again.rows[0].scores["BLEU"][0].value == first.rows[0].scores["BLEU"][0].value


def test_settings_without_effect_on_the_weights_train_nothing_anew(model: Path, tmp_path: Path) -> None:
    config = config_of(model, tmp_path, recipes=["standard"])
    run_experiment(config, tmp_path / "run")
    folder = tmp_path / "run/de-en/standard/seed1/task/model"
    written = (folder / "model.safetensors").stat().st_mtime_ns
    changed = config_of(
        model,
        tmp_path,
        recipes=["standard"],
        training={**config.training.model_dump(), "evaluate_every": 1},
        generation={"beams": 3, "length_penalty": 0.7},
    )
    run_experiment(changed, tmp_path / "run")
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    # The model that people take away searches as the scores were made.
    generation = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    assert (generation["num_beams"], generation["length_penalty"]) == (3, 0.7)


def test_rows_compare_every_arm_with_the_baseline_over_seeds(model: Path, tmp_path: Path) -> None:
    config = config_of(model, tmp_path, recipes=["csr", "standard", "random"], seeds=[1, 2])
    wrong = [line.replace("a", "o") for line in ENGLISH[:6]]
    outputs = {"standard": [wrong, wrong], "csr": [list(ENGLISH[:6])] * 2, "random": [wrong, list(ENGLISH[:6])]}
    results = [
        TrialResult(("de-en",), arm, seed, {"task": trained(seed)}, {"de-en": system})
        for arm, systems in outputs.items()
        for seed, system in enumerate(systems, start=1)
    ]
    text, _, _ = read_pair(config, config.pairs[0], tmp_path / "corpus")
    summary = experiment_of(config).summary({"de-en": Data(text, text, {TEST_SET: text})}, results)
    rows = {row.arm: row for row in summary.rows}
    assert list(rows) == ["csr", "standard", "random"]
    assert rows["standard"].against_baseline is None
    assert [score.value for score in rows["csr"].scores["BLEU"]] == pytest.approx([100, 100])
    assert rows["random"].scores["BLEU"][0].value < rows["random"].scores["BLEU"][1].value
    for arm in ("csr", "random"):
        comparison = rows[arm].against_baseline
        assert comparison is not None
        assert comparison.value_a == pytest.approx(rows["standard"].scores["BLEU"][0].value)
        assert comparison.value_b == pytest.approx(sum(score.value for score in rows[arm].scores["BLEU"]) / 2)
    assert rows["csr"].minutes == 1.5
    assert rows["csr"].valid_nll == ((0, 3.5), (4, 1.5))  # update 1 and 2 were measured for one seed each


def trained(seed: int) -> dict[str, object]:
    """What a stage reports."""
    curve = ((0, 2.0 + seed), (seed, 1.0), (4, 1.0 * seed))
    return {
        "training": {"updates": 4, "valid_nll": curve, "seconds": 60.0 * seed, "truncated": 0},
        "rates": {},
    }


def test_each_corpus_stands_in_the_manifest(model: Path, tmp_path: Path) -> None:
    run_experiment(config_of(model, tmp_path, recipes=["standard"]), tmp_path / "run")
    corpora = json.loads((tmp_path / "run/manifest.json").read_text(encoding="utf-8"))["corpora"]
    assert {part: found["pairs"] for part, found in corpora["de-en"].items()} == {"train": 6, "valid": 6, "test": 6}


def test_a_tracker_that_is_not_there_is_refused_before_anything_is_read(model: Path, tmp_path: Path) -> None:
    config = config_of(model, tmp_path, training={"report_to": ["wandbb"]})
    with pytest.raises(UsageError, match="'wandbb' is not a tracker that is installed"):
        run_experiment(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "lexicon",
    [
        {"method": "mixed", "dictionaries": ["{folder}/text.de", "none.de-en.txt"]},
        {"method": "vecmap", "embeddings": ["{folder}/text.de", "none.vec"]},
        {"block": {"words": "none.txt"}},
    ],
)
def test_files_that_are_missing_are_named_before_anything_is_read_or_made(
    model: Path, tmp_path: Path, lexicon: dict[str, object]
) -> None:
    settings = json.loads(json.dumps(lexicon).replace("{folder}", str(tmp_path)))
    with pytest.raises(UsageError, match=r"(?s)none\.[a-z.-]+: not found.*The lexicon's settings name it"):
        run_experiment(config_of(model, tmp_path, lexicon=settings), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    only = config_of(model, tmp_path, recipes=["standard"], lexicon=settings)
    # Nothing is switched, so none of them is read.
    require_inputs(only, only.arms)


def test_the_corpus_of_the_lexicon_has_columns_of_its_own(model: Path, tmp_path: Path) -> None:
    rows = [f"{one}\t{other}\n" for one, other in zip(GERMAN, ENGLISH, strict=True)]
    for name, head in (("pairs", "quelle\tziel\n"), ("more", "source_text\ttarget_text\n")):
        (tmp_path / f"{name}.tsv").write_text("".join([head, *rows]), encoding="utf-8")
    pair = {"source": "de", "target": "en", "columns": ["quelle", "ziel"]}
    pair |= {part: str(tmp_path / "pairs.tsv") for part in ("train", "valid", "test")}
    layout, run = load_layout(str(model)), RunDir(tmp_path / "run")
    for lexicon in (
        {"corpus": str(tmp_path / "more.tsv"), "columns": ["source_text", "target_text"]},
        {"corpus": str(tmp_path / "text.{de,en}")},  # has no columns
    ):
        config = config_of(
            model, tmp_path, pairs=[pair], recipes=["csr"], baseline="csr", lexicon={"accept": True, **lexicon}
        )
        train, valid, _ = read_pair(config, config.pairs[0], tmp_path / "corpus")
        (arm,) = config.arms
        corpora, further = (train, valid), dict[str, MonolingualSentences]()
        preparation = PairPreparation(config, config.pairs[0], corpora, further, layout, run, lambda event: None)
        made = preparation.lexicons(arm)
        assert len(made) == 2 and all(path.exists() for path in made)


def test_too_little_to_learn_from_or_to_compare_on_is_told_before_anything_is_trained(
    model: Path, tmp_path: Path
) -> None:
    told: list[str] = []
    config = config_of(model, tmp_path, recipes=["standard", "random"])
    summary = run_experiment(config, tmp_path / "run", on_event=lambda event: told.append(event.what))
    few = [next(place for place, said in enumerate(told) if said.startswith(start)) for start in FEW]
    assert max(few) < told.index("task")
    (compared,) = (row.against_baseline for row in summary.rows if row.comparisons)
    assert compared is not None
    assert compared.answer == "not comparable"
    assert "6 test examples are too few" in (tmp_path / "run/comparison.md").read_text(encoding="utf-8")


def test_outputs_are_as_many_as_the_lines_of_the_test_set(model: Path, tmp_path: Path) -> None:
    config = config_of(model, tmp_path, recipes=["standard"])
    lines = {"de": [GERMAN[0], "", GERMAN[1], "", ""], "en": [ENGLISH[0], "", ENGLISH[1], "Lost.", ""]}
    for code, side in lines.items():
        (tmp_path / f"test.{code}").write_text("".join(f"{line}\n" for line in side), encoding="utf-8")
    pair = config.pairs[0].model_copy(update={"test": str(tmp_path / "test.{de,en}")})
    told: list[str] = []
    config = config.model_copy(update={"pairs": (pair,)})
    summary = run_experiment(config, tmp_path / "run", on_event=lambda event: told.append(event.what))
    outputs = (tmp_path / "run/de-en/standard/seed1/hypotheses.txt").read_text(encoding="utf-8").split("\n")
    assert len(outputs) == 6 and {outputs[place] for place in (1, 3, 4)} == {""}
    assert [line for line in told if "with an empty side, kept in place: 3" in line]
    assert summary.rows[0].scores["BLEU"][0].n == 5


def test_characters_counted_for_want_of_words_are_told_at_the_top(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translation, "lacks_words", lambda language: f"BLEU of {language} counts characters")
    told: list[str] = []
    config = config_of(model, tmp_path, recipes=["standard"])
    summary = run_experiment(config, tmp_path / "run", on_event=lambda event: told.append(event.what))
    assert "BLEU of en counts characters" in told
    assert summary.remarks == ("BLEU of en counts characters",)
    page = (tmp_path / "run/comparison.md").read_text(encoding="utf-8")
    assert page.index("BLEU of en counts characters") < page.index("## de-en")


def test_mixtures_train_on_further_text_which_the_other_arms_do_not_read(model: Path, tmp_path: Path) -> None:
    further = tmp_path / "more.en"
    further.write_text(
        "".join(f"{line}\n" for line in (ENGLISH[0].upper(), *ENGLISH[6:10], ENGLISH[6])), encoding="utf-8"
    )
    config = config_of(model, tmp_path, arms=["standard", "csr", "csr+", "denoise"])
    pair = config.pairs[0].model_copy(update={"monolingual": {"en": str(further)}})
    config, told = config.model_copy(update={"pairs": (pair,)}), []
    summary = run_experiment(config, tmp_path / "run", on_event=lambda event: told.append(event.what))
    assert [row.arm for row in summary.rows] == ["standard", "csr", "csr+", "denoise"]
    assert summary.rows[2].stage_updates == {"mixture": 4}
    assert (
        f"{further}: 4 further sentences in en (left out: 1 in a validation or test set, 1 repeated or in the training "
        "pairs)"
    ) in told
    manifest = json.loads((tmp_path / "run/manifest.json").read_text(encoding="utf-8"))
    assert manifest["monolingual"]["de-en.en"]["sentences"] == 4
    stages = {"standard": "task", "csr": "task", "csr+": "mixture", "denoise": "mixture"}
    weights = {
        arm: tmp_path / f"run/de-en/{arm}/seed1/{stage}/model/model.safetensors" for arm, stage in stages.items()
    }
    before = {arm: path.stat().st_mtime_ns for arm, path in weights.items()}
    further.write_text("".join(f"{line}\n" for line in ENGLISH[6:9]), encoding="utf-8")
    run_experiment(config, tmp_path / "run")
    assert {arm for arm, path in weights.items() if path.stat().st_mtime_ns > before[arm]} == {"csr+", "denoise"}


def test_further_text_that_is_tested_is_refused(model: Path, tmp_path: Path) -> None:
    config = config_of(model, tmp_path, arms=["standard", "csr+"])
    tested = {"monolingual": {"en": str(tmp_path / "text.en")}}
    config = config.model_copy(update={"pairs": (config.pairs[0].model_copy(update=tested),)})
    with pytest.raises(SwitchtuneError, match=r"text\.en: all of its 6 lines appear in the training, valid"):
        run_experiment(config, tmp_path / "run")


def further_text(folder: Path, config: RunConfig, content: str) -> dict[str, MonolingualSentences]:
    (folder / "more.en").write_text(content, encoding="utf-8")
    pair = config.pairs[0].model_copy(update={"monolingual": {"en": str(folder / "more.en")}})
    train, _, _ = read_pair(config, pair, folder / "corpora")
    return read_further(config, pair, train, folder / "corpora")


def test_what_any_pair_or_collection_is_tested_on_is_held_out(model: Path, tmp_path: Path) -> None:
    for code, lines in {"de": GERMAN, "en": ENGLISH}.items():
        (tmp_path / f"news.{code}").write_text(lines[7] + "\n", encoding="utf-8")
    for code, lines in {"fr": GERMAN, "en": ENGLISH}.items():
        (tmp_path / f"other.{code}").write_text(lines[8] + "\n", encoding="utf-8")
    text, other = str(tmp_path / "text.{de,en}"), str(tmp_path / "other.{fr,en}")
    pairs = [
        {"source": "de", "target": "en", "train": text, "valid": text, "test": text},
        {"source": "fr", "target": "en", "train": other, "valid": other, "test": other},
    ]
    config = config_of(model, tmp_path, pairs=pairs, zeroshot={"multiway": {"news": str(tmp_path / "news.*")}})
    spaced = ENGLISH[7].replace(" ", "  ")
    further = further_text(tmp_path, config, "\n".join([spaced, ENGLISH[8], ENGLISH[9]]))
    assert further["en"].sentences == (ENGLISH[9],)
    assert further["en"].held_out == 2


def test_a_table_is_no_text(model: Path, tmp_path: Path) -> None:
    table = "".join(f"{german}\t{english}\n" for german, english in zip(GERMAN, ENGLISH, strict=True))
    with pytest.raises(SwitchtuneError, match=r"more\.en: most lines have tabs, as in a table"):
        further_text(tmp_path, config_of(model, tmp_path), table)


def test_further_text_in_another_language_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "more.en").write_text("\n".join(GERMAN[6:]), encoding="utf-8")
    config = config_of(model, tmp_path, arms=["standard", "csr+"])
    pair = config.pairs[0].model_copy(update={"monolingual": {"en": str(tmp_path / "more.en")}})
    config = config.model_copy(update={"pairs": (pair,)})
    with pytest.raises(SwitchtuneError, match=r"more\.en: 0% of its first 10 sentences are in English \(en\)"):
        run_experiment(config, tmp_path / "run")


def test_further_text_that_no_arm_uses_is_told(model: Path, tmp_path: Path) -> None:
    (tmp_path / "more.en").write_text("\n".join(ENGLISH[6:]), encoding="utf-8")
    config, told = config_of(model, tmp_path, arms=["standard"]), list[str]()
    pair = config.pairs[0].model_copy(update={"monolingual": {"en": str(tmp_path / "more.en")}})
    experiment = experiment_of(config.model_copy(update={"pairs": (pair,)}))
    data = experiment.read(pair, tmp_path / "corpora")
    experiment.prepare(pair, config.arms, data, RunDir(tmp_path), lambda event: told.append(event.what))
    assert f"{tmp_path / 'more.en'}: 10 further sentences in en; no arm uses them" in told


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "summarization", "arms": ["standard", "denoise"]}, r"arms\.denoise: its recipe is for translation"),
        ({"switching": {"unit": "piece"}}, r"arms\.csr\+: glosses are made of words, and switching\.unit is piece"),
        (
            {"pairs": [{"source": "de", "target": "en", "monolingual": {"fr": "x"}}]},
            "fr is neither de nor en",
        ),
        ({"gloss": {"unknown": "guess"}}, "unknown"),
        (
            {"arms": ["standard", {"recipe": "csr", "gloss": {"k": 1}}]},
            r"arms\.csr\.gloss: its recipe makes no",
        ),
        ({"arms": ["standard", {"recipe": "csr+", "switching": {"rate": 0.5}}]}, "its recipe does not use rate"),
        (
            {"arms": ["standard", {"recipe": "csr+", "switching": {"source": "random"}}]},
            "its recipe does not use source: random",
        ),
        *(
            ({"arms": ["standard", {"recipe": recipe, "name": "own", **own}]}, message)
            for recipe, own, message in (
                ("csr", {"mixture": {"task": 1}}, r"arms\.own\.mixture: its recipe has no mixture; .* csr\+, denoise"),
                ("csr", {"monolingual": False}, r"arms\.own\.monolingual: its recipe has no mixture"),
                (
                    "csr+",
                    {"mixture": {"task": 0, "gloss": 0.0}},
                    "mixture: all shares are 0 at the beginning",
                ),
                ("csr+", {"mixture": {"task": [1, 0], "gloss": 0}}, "all shares are 0 at the end of the stage"),
                (
                    "csr+",
                    {"mixture": {"backtranslated": 1}},
                    "its recipe trains no model that translates back",
                ),
                ("bt", {"monolingual": False}, r"arms\.own\.monolingual: its recipe translates that text back"),
                ("csr+", {"mixture": {"task": -1}}, r"mixture\.task: expected a share from 0 to 1, .*; found -1"),
                ("csr+", {"mixture": {"gloss": [1, 0, 1]}}, r"mixture\.gloss: expected a share .*found \[1, 0, 1\]"),
                ("csr+", {"mixture": {"glos": 1}}, r"mixture\.glos: Input should be 'task', 'restore', 'gloss'"),
                (
                    "denoise",
                    {"mixture": {"dictionary": 1}, "switching": {"unit": "piece"}},
                    r"arms\.own: glosses are made of words",
                ),
            )
        ),
    ],
)
def test_mixtures_that_cannot_be_made_are_refused(
    model: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    pairs = changes.get("pairs")
    if isinstance(pairs, list):
        changes = {"pairs": [{"train": "a", "valid": "a", "test": "a", **pairs[0]}]}
    with pytest.raises(UsageError, match=message):
        config_of(model, tmp_path, **{"arms": ["standard", "csr+"], **changes})


@pytest.mark.slow
def test_arms_with_mixtures_of_their_own(model: Path, tmp_path: Path) -> None:
    (tmp_path / "more.en").write_text("".join(f"{line}\n" for line in ENGLISH[6:10]), encoding="utf-8")
    text = str(tmp_path / "text.{de,en}")
    pair = {"source": "de", "target": "en", "train": text, "valid": text, "test": text}
    pair["monolingual"] = {"en": str(tmp_path / "more.en")}  # type: ignore[assignment]
    mixtures = {
        "plus": {"task": 0.4, "gloss": [0.4, 0.1], "dictionary": 0.1, "denoise": 0},
        "restoring": {"task": 0.4, "gloss": 0.4, "restore": 0.2},
    }
    arms = [{"recipe": "csr+", "name": name, "mixture": mixture} for name, mixture in mixtures.items()]
    arms += [{"recipe": "csr+", "name": "pairs-only", "monolingual": False}]  # type: ignore[dict-item]
    config = config_of(model, tmp_path, arms=["standard", *arms], pairs=[pair])
    assert config.arms[1].kinds == {"task", "gloss", "dictionary"}
    summary = run_experiment(config, tmp_path / "run")
    assert set(summary.rows[2].rates) == {"de", "en", "en (gloss)"}
    experiment, folder = experiment_of(config), tmp_path / "run/corpora"
    data, layout = experiment.read(config.pairs[0], folder), load_layout(str(model))
    paths = tuple((tmp_path / "run/lexicon/de-en").rglob("lexicon.??-??.tsv"))
    lexicons = tuple(sorted(paths, key=lambda path: path.name))
    counts = {}
    for arm in config.arms[1:]:
        part = Part(config.pairs[0], lexicons)
        made = PairExamples("translation", part, arm, 1, data, layout)
        counts[arm.name] = {kind: made.of_kind(kind).train.count for kind in arm.recipe.stages[0].mixture}
    assert counts["pairs-only"] == {"task": 6, "gloss": 6}
    assert counts["restoring"] == {"task": 6, "gloss": 10, "restore": 12}
    assert counts["plus"] == {"task": 6, "gloss": 10, "dictionary": len(read_lexicon(lexicons[0]))}
    # What an edit by hand says of a word counts more than what the word is aligned to.
    alignments = tuple(sorted((tmp_path / "run/lexicon/de-en").rglob("*.npz")))
    word, *_ = ENGLISH[0].lower().split()
    edits_path(lexicons[1]).write_text(f"{word}\t*\t-\n{word}\tmine\n", encoding="utf-8")
    part = Part(config.pairs[0], lexicons, alignments)
    glosses = PairExamples("translation", part, config.arms[1], 1, data, layout).of_kind("gloss").train
    assert "mine" in glosses.make(0, 0).source.lower().split()


def test_each_kind_of_a_mixture_is_shown(model: Path, tmp_path: Path) -> None:
    (tmp_path / "more.en").write_text("\n".join(ENGLISH[6:]), encoding="utf-8")
    mixed = {"recipe": "denoise", "mixture": {"task": 0.5, "denoise": 0.25, "dictionary": 0.25}}
    config = config_of(model, tmp_path, arms=["standard", mixed])
    pair = config.pairs[0].model_copy(update={"monolingual": {"en": str(tmp_path / "more.en")}})
    (mixture,) = batch_preview(config.model_copy(update={"pairs": (pair,)}), rows=1)
    assert mixture.startswith("stage 1: mixture (12 examples an epoch)")
    kinds = [line.split() for line in mixture.splitlines() if "kind" in line]
    assert kinds == [["kind", "task"], ["kind", "dictionary"], ["kind", "denoise"]]
