"""Back-translation: the reverse model, its translations, what becomes of them, and what a kill leaves of all that."""

import json
import os
import re
import signal
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchtune.analysis.cost import cost_record
from switchtune.config.run import RunConfig
from switchtune.config.training import BackTranslationSettings
from switchtune.corpus.read import Corpus, read_corpus
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.models.load import save_model
from switchtune.report.run_page import run_page
from switchtune.results.comparison import BackTranslationCost
from switchtune.runs import back_translation, trial
from switchtune.runs.back_translation import search, usable
from switchtune.runs.experiment import batch_preview, run_experiment
from switchtune.runs.folder import open_run
from switchtune.runs.plan import plan
from switchtune.runs.search import search as search_points
from switchtune.training.curve import Curve, read_metrics
from tests.miniature import ENGLISH, GERMAN, taught
from tests.runs.test_experiment import config_of
from tests.training.test_trainer import dying, killed

SENTENCES = ENGLISH[6:12]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("taught") / "model"
    save_model(taught(), folder, "de", "en")
    return folder


def configured(model: Path, folder: Path, *arms: object, source: Sequence[str] = (), **changes: object) -> RunConfig:
    """A run with further text of the target language, and of the source language where there is some."""
    monolingual = {"en": str(folder / "more.en")} | ({"de": str(folder / "more.de")} if source else {})
    (folder / "more.en").write_text("".join(f"{line}\n" for line in SENTENCES), encoding="utf-8")
    (folder / "more.de").write_text("".join(f"{line}\n" for line in source), encoding="utf-8")
    text = str(folder / "text.{de,en}")
    pair = {"source": "de", "target": "en", "train": text, "valid": text, "test": text, "monolingual": monolingual}
    training = {"updates": 9, "tokens_per_batch": 200, "dropout": 0.25, "checkpoint_every": 2}
    settings = {"pairs": [pair], "training": training, "back_translation": {"engine": "transformers"}}
    return config_of(model, folder, arms=arms, **{"baseline": "bt", **settings, **changes})


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.slow
def test_the_model_learns_from_its_own_translations_of_further_text(model: Path, tmp_path: Path) -> None:
    within = {"recipe": "bt", "name": "bt-within", "back_translation": {"within": True, "updates_share": 1 / 3}}
    config = configured(
        model, tmp_path, "standard", "bt", "csr+bt", within, source=GERMAN[12:], lexicon={"accept": True}
    )
    run, told = tmp_path / "run", list[str]()
    summary = run_experiment(config, run, on_event=lambda event: told.append(f"{event.subject}: {event.what}"))
    rows = {row.arm: row for row in summary.rows}
    assert [dict(row.stage_updates) for row in rows.values()] == [
        {"task": 9},
        {"mixture": 9},
        {"mixture": 9},
        {"mixture": 6},
    ]
    costs = {arm: row.back_translation for arm, row in rows.items()}
    assert costs["standard"] is None
    assert {arm: (cost.updates, cost.within) for arm, cost in costs.items() if cost is not None} == {
        "bt": (6, False),
        "csr+bt": (6, False),
        "bt-within": (3, True),
    }
    for arm in ("bt", "csr+bt", "bt-within"):
        reverse = run / f"de-en/{arm}/seed1/reverse"
        assert len(lines_of(reverse / "translated/de.txt")) == len(SENTENCES)
        (card,) = reverse.glob("*/model/README.md")
        assert "Not scored: it made the back-translations" in card.read_text(encoding="utf-8")
        stages = {entry["stage"] for entry in read_metrics(reverse / "metrics.jsonl")}
        assert stages == ({"mixture"} if arm == "csr+bt" else {"task"})
    assert any(said.startswith("en-de/csr+bt-reverse/seed1: de: asked for 100% of the words") for said in told)
    (record,) = [row for row in json.loads((run / "metrics.json").read_text())["rows"] if row["arm"] == "bt"]
    assert record["back_translation"]["updates"] == 6
    assert record["back_translation"]["sentences"] == len(SENTENCES)
    page = (run / "comparison.md").read_text(encoding="utf-8")
    assert "| +6; " in page
    assert "| 3; " in page
    assert "- bt-within: reverse model trained for 3 updates, taken out of the arm's own" in page
    report = unescape(run_page([run]).html)
    assert "Back-translation</th>" in report
    assert "bt-within: reverse model trained for 3 updates, taken out of the arm's own" in report
    stages = [(row["stage"], row["updates"]) for row in cost_record(open_run(run))["rows"] if row["arm"] == "csr+bt"]
    assert stages == [("reverse mixture", 6), ("mixture", 9)]
    (mixture,) = batch_preview(config, arm="bt", rows=len(SENTENCES), folder=run)
    translations = lines_of(run / "de-en/bt/seed1/reverse/translated/de.txt")
    examples = mixture.split("kind            backtranslated")[1:]
    assert [re.findall(r"source text     (.*)\n  target text     (.*)", each) for each in examples] == [
        [pair] for pair in zip(translations, SENTENCES, strict=True) if pair[0]
    ]


def test_what_is_not_translated_yet_is_not_shown_in_silence(model: Path, tmp_path: Path) -> None:
    shown = "without the back-translations, which --out shows"
    (mixture,) = batch_preview(configured(model, tmp_path, "bt"), arm="bt", rows=1)
    assert mixture.startswith(f"stage 1: mixture (6 examples an epoch, {shown}")
    alone = {"recipe": "bt", "mixture": {"backtranslated": 1}}
    (mixture,) = batch_preview(configured(model, tmp_path, alone), arm="bt", rows=1)
    assert mixture.startswith(f"stage 1: mixture ({shown}")


def test_the_reverse_model_is_planned_with_its_arm(model: Path, tmp_path: Path) -> None:
    planned = plan(configured(model, tmp_path, "standard", "csr+bt", baseline="standard"))
    assert [(each.pair, each.arm, each.stage, each.updates) for each in planned.stages] == [
        ("de-en", "standard", "task", 9),
        ("en-de", "csr+bt-reverse", "mixture", 6),
        ("de-en", "csr+bt", "mixture", 9),
    ]
    assert any("making them is not counted" in assumed for assumed in planned.assumptions)


def test_a_search_tries_the_reverse_model_with_its_arm(model: Path, tmp_path: Path) -> None:
    config = configured(model, tmp_path, "bt", search={"lr": [1e-4, 1e-3]})
    found = search_points(config, tmp_path / "search")
    assert [each.point.lr for each in found.tried] == [1e-4, 1e-3]
    assert len(list((tmp_path / "search").glob("bt/*/reverse/translated/de.txt"))) == 2
    assert not list((tmp_path / "search").rglob("model.safetensors"))


def run_of_bt(config: RunConfig, folder: Path) -> list[str]:
    """Train, and return what was told."""
    told: list[str] = []
    run_experiment(config, folder, on_event=lambda event: told.append(f"{event.subject}: {event.what}"))
    return told


@pytest.mark.slow
def test_what_is_done_stays_and_what_has_other_inputs_is_made_again(model: Path, tmp_path: Path) -> None:
    config = configured(model, tmp_path, "bt")
    run = tmp_path / "run"
    trained = run / "de-en/bt/seed1"
    run_of_bt(config, run)
    reverse, translated = trained / "reverse/task/model/model.safetensors", trained / "reverse/translated/de.txt"
    forward = trained / "mixture/model/model.safetensors"
    before = [path.stat().st_mtime_ns for path in (reverse, translated, forward)]
    run_of_bt(config, run)
    assert [path.stat().st_mtime_ns for path in (reverse, translated, forward)] == before
    # Other text: the reverse model stands, its translations do not.
    (tmp_path / "more.en").write_text(f"{ENGLISH[12]}\n{ENGLISH[13]}\n", encoding="utf-8")
    told = run_of_bt(config, run)
    assert any("the inputs of the back-translations have changed" in said for said in told)
    assert reverse.stat().st_mtime_ns == before[0]
    assert len(lines_of(translated)) == 2
    (aside,) = (trained / "reverse").glob("translated.replaced-*")
    assert len(lines_of(aside / "de.txt")) == len(SENTENCES)
    assert forward.stat().st_mtime_ns > before[2]
    # Another search: the same.
    before = [path.stat().st_mtime_ns for path in (reverse, translated, forward)]
    searched = BackTranslationSettings(beams=2, engine="transformers")
    config = config.model_copy(update={"back_translation": searched})
    run_of_bt(config, run)
    after = [path.stat().st_mtime_ns for path in (reverse, translated, forward)]
    assert [new > old for new, old in zip(after, before, strict=True)] == [False, True, True]


@pytest.mark.slow
def test_translations_that_somebody_changed_are_made_again(model: Path, tmp_path: Path) -> None:
    config, run = configured(model, tmp_path, "bt"), tmp_path / "run"
    run_of_bt(config, run)
    translated = run / "de-en/bt/seed1/reverse/translated/de.txt"
    before = translated.read_bytes()
    translated.write_text("Ein Hund.\n" * len(SENTENCES), encoding="utf-8")
    (run / "de-en/bt/seed1/steps/mixture.json").unlink()
    told = run_of_bt(config, run)
    assert any("de.txt: has changed since it was made, and is made again" in said for said in told)
    assert translated.read_bytes() == before


def one_by_one(sentences: Sequence[str]) -> list[list[str]]:
    return [[sentence] for sentence in sentences]


@pytest.mark.slow
def test_a_kill_while_it_translates_costs_no_translation(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(back_translation, "windows", one_by_one)
    config = configured(model, tmp_path, "bt")
    run_of_bt(config, tmp_path / "undisturbed")
    name = "de-en/bt/seed1"
    with monkeypatch.context() as patch:
        patch.setattr(back_translation, "translate", dying(back_translation.translate, call=4))
        killed(lambda: run_of_bt(config, tmp_path / "run"))
    assert len(lines_of(tmp_path / "run" / name / "reverse/translated/de.txt")) == 3
    asked: list[str] = []
    translate = back_translation.translate

    def spy(model: Any, sentences: Sequence[str], *others: Any, **options: Any) -> list[str]:
        asked.extend(sentences)
        return translate(model, sentences, *others, **options)

    monkeypatch.setattr(back_translation, "translate", spy)
    run_of_bt(config, tmp_path / "run")
    assert asked == list(SENTENCES[3:])
    for file in ("reverse/translated/de.txt", "mixture/model/model.safetensors", "hypotheses.txt"):
        same = [(tmp_path / run / name / file).read_bytes() for run in ("undisturbed", "run")]
        assert same[0] == same[1], file
    assert not list((tmp_path / "run" / name / "reverse/translated").glob(".*"))


@pytest.mark.slow
def test_a_reverse_model_that_was_killed_goes_on_where_it_was(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(model, tmp_path, "bt")
    run_of_bt(config, tmp_path / "undisturbed")
    name = "de-en/bt/seed1"

    def dying_at_update_5(curve: Curve, entry: dict[str, Any]) -> None:
        if entry["update"] == 5:
            os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(Curve, "add", dying_at_update_5)
        killed(lambda: run_of_bt(config, tmp_path / "run"))
    assert not (tmp_path / "run" / name / "reverse/translated").exists()
    run_of_bt(config, tmp_path / "run")
    report = json.loads((tmp_path / "run" / name / "reverse/steps/task.json").read_text())["result"]
    assert report["training"]["resumed_from"] == 4
    model_file = "model/model.safetensors"
    for file in (f"reverse/task/{model_file}", "reverse/translated/de.txt", f"mixture/{model_file}"):
        same = [(tmp_path / run / name / file).read_bytes() for run in ("undisturbed", "run")]
        assert same[0] == same[1], file


def test_back_translations_of_no_use_end_the_training_with_the_reasons(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(back_translation, "translate", lambda model, lines, *_, **__: ["", *lines[1:]])
    with pytest.raises(SwitchtuneError, match=r"none of the 6 .* \(1 empty, 5 copies of the sentence\).*updates_share"):
        run_of_bt(configured(model, tmp_path, "bt"), tmp_path / "run")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Sources have half the characters of their targets."""
    path = tmp_path_factory.mktemp("corpus") / "train.tsv"
    path.write_text("aaaaa\tbbbbbbbbbb\naaaaaaaaaa\tbbbbbbbbbbbbbbbbbbbb\n", encoding="utf-8")
    return read_corpus(path, "de", "en", cache_dir=path.parent)


def test_translations_that_cannot_be_trained_on_are_counted_by_the_reason(corpus: Corpus) -> None:
    sentence = "b" * 40
    most = int(back_translation.LONGEST * 0.5 * 40) + back_translation.LONGEST_EXTRA
    translations = ["a" * most, "a" * (most + 1), " \t", f"  {sentence.upper()} ", "a"]
    kept, dropped = usable(translations, [sentence] * 5, corpus)
    assert kept == [("a" * most, sentence), ("a", sentence)]
    assert dropped == {"empty": 1, "copies of the sentence": 1, "far too long": 1}


@given(st.lists(st.tuples(st.text(max_size=80), st.text(min_size=1, max_size=20))))
def test_every_translation_is_kept_with_its_sentence_or_counted(corpus: Corpus, pairs: list[tuple[str, str]]) -> None:
    kept, dropped = usable([pair[0] for pair in pairs], [pair[1] for pair in pairs], corpus)
    assert len(kept) + sum(dropped.values()) == len(pairs)
    remaining = iter(pairs)
    assert all(pair in remaining for pair in kept)  # in their order


@pytest.mark.parametrize(
    ("device", "installed", "engine"),
    [("cpu", object(), "ct2"), ("cpu", None, "transformers"), ("cuda", object(), "transformers")],
)
def test_the_engine_is_ctranslate2_where_it_is_installed_and_there_is_no_gpu(
    device: str, installed: object, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(back_translation, "find_spec", lambda name: installed)
    monkeypatch.setattr(back_translation, "group_device", lambda: device)
    assert search(BackTranslationSettings(), 512).engine == engine
    assert search(BackTranslationSettings(engine="transformers", beams=3), 512).beams == 3


@pytest.mark.parametrize(
    ("arms", "changes", "message"),
    [
        (["bt"], {}, r"arms\.bt: .* pairs gives de-en none: add monolingual: \{en: FILE\}"),
        (["csr+bt"], {"de": "more.de"}, r"arms\.csr\+bt: .* pairs gives de-en none"),
        ([{"recipe": "csr+", "back_translation": {"beams": 2}}], {"en": "more.en"}, "trains no reverse model; use bt"),
        (
            [{"recipe": "bt", "back_translation": {"within": True, "updates_share": 1.0}}],
            {"en": "more.en"},
            r"arms\.bt\.back_translation: updates_share: with within: true the arm has no updates left",
        ),
    ],
)
def test_what_cannot_be_translated_back_is_refused_before_anything_is_read(
    model: Path, tmp_path: Path, arms: list[object], changes: dict[str, str], message: str
) -> None:
    pair = {"source": "de", "target": "en", "train": "a", "valid": "a", "test": "a", "monolingual": changes}
    with pytest.raises(UsageError, match=message):
        config_of(model, tmp_path, arms=["standard", *arms], pairs=[pair])


def test_the_reverse_of_a_pair_has_its_columns_the_other_way_round(model: Path, tmp_path: Path) -> None:
    (pair,) = configured(model, tmp_path, "bt").pairs
    pair = pair.model_copy(update={"columns": ("german", "english")})
    assert (pair.reverse.name, pair.reverse.columns) == ("en-de", ("english", "german"))
    assert pair.reverse.reverse == pair


def test_the_cost_is_told_in_a_cell_and_in_a_sentence() -> None:
    cost = BackTranslationCost(1200, False, 2.04, 0.5, 1000, {"empty": 3, "far too long": 0})
    assert cost.cell() == "+1,200; 2.5 min"
    assert (
        "1,000 sentences translated by it (0.5 minutes), without those that cannot be used: 3 empty" in cost.describe()
    )
    assert "far too long" not in cost.describe()


def test_as_much_is_read_of_the_outputs_as_their_number_makes_likely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "LARGEST", 10)
    (tmp_path / "de.txt").write_text("so many words\n" * 3, encoding="utf-8")
    assert trial.read_hypotheses(tmp_path / "de.txt", 3) == ["so many words"] * 3
    with pytest.raises(SwitchtuneError, match="42 bytes, where at most 10 are expected"):
        trial.read_hypotheses(tmp_path / "de.txt")
