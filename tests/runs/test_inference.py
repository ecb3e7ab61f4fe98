"""Cross-lingual NLI through the command line, with miniature models; what it refuses, and what it does not do twice."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from scipy.stats import binomtest
from transformers import BertConfig, BertForMaskedLM, BertTokenizer

from switchtune.config.inference import NliConfig
from switchtune.config.load import load_run_config, parse_config
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.lexicon.files import edits_path
from switchtune.models.card import front_matter
from switchtune.models.classifier import Classifier, open_classifier
from switchtune.models.load import save_model
from switchtune.report.run_page import run_page
from switchtune.runs import inference
from switchtune.runs.experiment import batch_preview, run_experiment
from switchtune.runs.run_files import read_run
from switchtune.runs.train import train_arm
from switchtune.scoring.significance import share_interval
from switchtune.training import distributed
from tests.miniature import ENGLISH, GERMAN, miniature
from tests.test_end_to_end import switchtune

HYPOTHESES = {
    "en": ("There is a dog.", "There is nobody.", "Maybe it rains."),
    "de": ("Da ist ein Hund.", "Da ist niemand.", "Vielleicht regnet es."),
}
LABELS = ("entailment", "contradiction", "neutral")


def write_set(path: Path, code: str, premises: tuple[str, ...]) -> None:
    rows = [
        f"{premise}\t{hypothesis}\t{label}\n"
        for premise in premises
        for hypothesis, label in zip(HYPOTHESES[code], LABELS, strict=True)
    ]
    path.write_text("".join(rows), encoding="utf-8")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nli")
    save_model(miniature(), folder / "model", "de", "en")
    write_set(folder / "train.tsv", "en", ENGLISH)
    write_set(folder / "valid.tsv", "en", ENGLISH[:4])
    write_set(folder / "test.en.tsv", "en", ENGLISH[4:8])
    write_set(folder / "test.de.tsv", "de", GERMAN[4:8])
    pairs = {"dog": "Hund", "man": "Mann", "child": "Kind", "woman": "Frau", "there": "da", "is": "ist", "the": "die"}
    lines = "".join(f"{english} {german}\n" for english, german in pairs.items())
    (folder / "en-de.txt").write_text(lines, encoding="utf-8")
    words = sorted({word.strip(".").lower() for line in (*ENGLISH, *GERMAN) for word in line.split()})
    (folder / "bert").mkdir()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *words]
    (folder / "bert/vocab.txt").write_text("".join(f"{word}\n" for word in vocabulary), encoding="utf-8")
    BertTokenizer.from_pretrained(folder / "bert").save_pretrained(folder / "bert")
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertForMaskedLM(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **size)).save_pretrained(
        folder / "bert"
    )
    return folder


def values_of(workplace: Path, **changes: object) -> dict[str, object]:
    values: dict[str, object] = {
        "task": "nli",
        "model": str(workplace / "model"),
        "languages": ["de"],
        "data": {
            "train": str(workplace / "train.tsv"),
            "valid": str(workplace / "valid.tsv"),
            "test": str(workplace / "test.*.tsv"),
        },
        "recipes": [
            "standard",
            "csr",
            {"recipe": "csr", "name": "csr-random", "switching": {"source": "random"}},
            {"recipe": "csr", "name": "csr-mask", "switching": {"source": "mask"}},
            "csr+",
            "random",
            {"recipe": "standard", "name": "bert", "model": str(workplace / "bert")},
            {"recipe": "csr+", "name": "bert+", "model": str(workplace / "bert"), "gloss": {"rate": 0.5}},
        ],
        "seeds": [1],
        "jobs": 1,
        "lexicon": {"dictionaries": {"de": str(workplace / "en-de.txt")}},
        "training": {
            "updates": 12,
            "restore_share": 0.34,
            "tokens_per_batch": 300,
            "max_tokens": 12,
            "lr": 1e-3,
        },
        "classification": {"batch": 12, "max_tokens": 60, "lr": 2e-3, "evaluate_every": 4, "patience": None},
    }
    return {**values, **changes}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_arms_are_trained_on_english_tested_in_german_and_compared(
    workplace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nli.yaml").write_text(yaml.safe_dump(values_of(workplace)), encoding="utf-8")
    out = tmp_path / "run"
    command = ("run", tmp_path / "nli.yaml", "--out", out)
    code, printed, progress = switchtune(capsys, monkeypatch, *command)
    assert code == 0, progress
    assert "csr against standard, in 1 language without training data" in printed
    assert "48 examples (entailment 16, neutral 16, contradiction 16)" in progress

    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    german = {row["arm"]: row for row in metrics["rows"] if row["pair"] == "de"}
    assert [row["pair"] for row in metrics["rows"]] == ["en"] * len(german) + ["de"] * len(german)
    assert {sum(row["updates"].values()) for row in german.values()} == {12}
    assert german["csr"]["updates"] == {"restore": 4, "classify": 8}
    assert german["csr+"]["updates"] == german["bert+"]["updates"] == {"classify": 12}
    assert german["csr+"]["switching"]["de"]["requested_rate"] == 1.0
    assert german["bert+"]["switching"]["de"]["requested_rate"] == 0.5
    assert german["standard"]["updates"] == german["bert"]["updates"] == {"classify": 12}
    assert german["csr"]["switching"]["de"]["replaced"] > 0
    assert set(german["csr-mask"]["switching"]) == {"mask"}
    found = {name: _right(out / name / "seed1/predictions.de.txt") for name in german}
    for name, row in german.items():
        assert [(score["value"], score["n"]) for score in row["accuracy"]] == [(sum(found[name]) / 12, 12)]
        assert tuple(row["score_interval"]) == share_interval(sum(found[name]), 12)
        assert row["chance"] == pytest.approx(1 / 3)
        if name == "standard":
            assert row["against_baseline"] is None
        else:
            comparison = row["against_baseline"]
            only = [right for right, other in zip(found[name], found["standard"], strict=True) if right != other]
            exact = binomtest(sum(only), len(only)).pvalue if only else 1
            assert comparison["p_value"] == pytest.approx(exact, abs=0.02)  # McNemar's
            assert sum(comparison["interval"]) == pytest.approx(2 * comparison["difference"])
    table = (out / "comparison.md").read_text(encoding="utf-8")
    assert "| arm | updates | en | de | mean | Δ standard | minutes |" in table
    assert "| csr | 4 + 8 |" in table
    corpora = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["corpora"]["nli"]
    assert {part: found["pairs"] for part, found in corpora.items()} == {"train": 48, "valid": 12, "en": 12, "de": 12}
    assert read_run(out).test_set("de") == corpora["de"]["fingerprint"]
    lexicon = next(out.glob("lexicon/en-de/*/lexicon.en-de.tsv")).read_text(encoding="utf-8")
    assert "dog\tHund" in lexicon
    page = run_page([out]).html
    for shown in ("<bdi>Hund</bdi></ins>", "English → German", "en, de: scores on the test set", "bert"):
        assert shown in page
    assert "No known configuration" not in page

    models = sorted(out.rglob("*.safetensors"))
    written = [path.stat().st_mtime_ns for path in models]
    code, again, _ = switchtune(capsys, monkeypatch, *command)
    assert (code, again) == (0, printed)
    assert [path.stat().st_mtime_ns for path in sorted(out.rglob("*.safetensors"))] == written


@pytest.mark.slow
def test_lines_of_the_cards_tell_a_label(
    workplace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arms = ["standard", {"recipe": "standard", "name": "bert", "model": str(workplace / "bert")}]
    config = parse_config(NliConfig, values_of(workplace, recipes=arms, training={"updates": 2}))
    run_experiment(config, tmp_path / "run")
    for arm in ("standard", "bert"):
        monkeypatch.chdir(tmp_path / f"run/{arm}/seed1/classify/model")
        card = Path("README.md").read_text(encoding="utf-8")
        head = front_matter(Path("README.md"))
        assert (head["language"], head["pipeline_tag"]) == (["en", "de"], "text-classification")
        tested = [result["dataset"]["type"] for result in head["model-index"][0]["results"]]
        assert tested == ["en", "de"]
        assert "| nli | test, de | `test.de.tsv` | 12 |" in card
        capsys.readouterr()
        exec(compile(card.partition("```python\n")[2].partition("```")[0], "card", "exec"), {})
        assert capsys.readouterr().out.strip() in LABELS


def _right(path: Path) -> list[bool]:
    labels = path.read_text(encoding="utf-8").split()
    return [one == other for one, other in zip(labels, LABELS * 4, strict=True)]


def test_seeds_are_averaged_and_each_has_its_test(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "START_METHOD", "fork")
    arms = ["standard", {"recipe": "random"}]
    config = parse_config(
        NliConfig,
        values_of(workplace, recipes=arms, seeds=[1, 2], training={"updates": 2}, also_tested=[], jobs=2),
    )
    summary = run_experiment(config, tmp_path / "run")
    assert read_run(tmp_path / "run").warnings == ()
    other = [row for row in summary.rows if row.arm == "random"]
    assert [len(row.scores["accuracy"]) for row in other] == [2, 2]
    assert [each.runs_a for row in other for each in row.comparisons] == [2, 2]
    assert "over test examples and seeds" in (tmp_path / "run/comparison.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_stopped_run_goes_on_with_what_is_done(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = parse_config(NliConfig, values_of(workplace, recipes=["csr"], baseline="csr"))
    whole = run_experiment(config, tmp_path / "whole")

    def fail(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(inference, "train_classifier", fail)
        with pytest.raises(KeyboardInterrupt):
            run_experiment(config, tmp_path / "stopped")
    restored = tmp_path / "stopped/csr/seed1/restore/model/model.safetensors"
    before = restored.stat().st_mtime_ns
    stopped = run_experiment(config, tmp_path / "stopped")
    assert restored.stat().st_mtime_ns == before
    assert [row.scores for row in stopped.rows] == [row.scores for row in whole.rows]
    # Edits of a lexicon are used, and what follows from it is made again.
    lexicon = next((tmp_path / "stopped").glob("lexicon/en-de/*/*.tsv"))
    edits_path(lexicon).write_text("dog\t*\t-\ndog\tHündchen\n", encoding="utf-8")
    run_experiment(config, tmp_path / "stopped")
    assert restored.stat().st_mtime_ns > before


def test_a_classifier_is_opened_once_for_all_languages(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def spy(path: str, *arguments: Any, **options: Any) -> Classifier:
        opened.append(Path(path).name)
        return open_classifier(path, *arguments, **options)

    monkeypatch.setattr(inference, "open_classifier", spy)
    config = parse_config(NliConfig, values_of(workplace, recipes=["standard"], training={"updates": 2}))
    first = run_experiment(config, tmp_path / "run")
    assert opened == ["model"] * 2  # to be trained, and to classify
    outputs = tmp_path / "run/standard/seed1/predictions.en.txt"
    outputs.write_text(outputs.read_text(encoding="utf-8").replace("neutral", "maybe") + "maybe\n", encoding="utf-8")
    kept = config.model_copy(update={"keep_changed": True})
    with pytest.raises(SwitchtuneError, match=r"predictions\.en\.txt: 13 lines, where the test set has 12"):
        run_experiment(kept, tmp_path / "run")
    outputs.write_text("maybe\n" * 12, encoding="utf-8")
    with pytest.raises(SwitchtuneError, match=r"predictions\.en\.txt: found the label 'maybe'; one of entailment"):
        run_experiment(kept, tmp_path / "run")
    again = run_experiment(config, tmp_path / "run")
    assert [row.scores for row in again.rows] == [row.scores for row in first.rows]
    assert len(opened) == 3


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_processes_train_one_arm_and_the_run_finds_it_finished(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "START_METHOD", "fork")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    config = parse_config(NliConfig, values_of(workplace, recipes=["csr"], baseline="csr"))
    with pytest.raises(UsageError, match="--pair en-de: cross-lingual inference has no pairs"):
        train_arm(config, tmp_path / "run", pair="en-de")
    trained = train_arm(config, tmp_path / "run", processes=2)
    torch.set_num_threads(threads)
    assert trained is not None
    assert trained.model == tmp_path / "run/csr/seed1/classify/model"
    record = trained.record()
    assert record["stage_updates"] == {"restore": 4, "classify": 8}
    assert [update for update, _ in record["valid_accuracy"]] == [4, 8, 12]
    written = [path.stat().st_mtime_ns for path in sorted((tmp_path / "run").rglob("*.safetensors"))]
    run_experiment(config, tmp_path / "run")
    assert [path.stat().st_mtime_ns for path in sorted((tmp_path / "run").rglob("*.safetensors"))] == written


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"languages": ["de", "tr"]}, "no dictionary for tr, and csr switches to all of languages"),
        ({"lexicon": {}}, "no dictionary for de"),
        ({"languages": ["de", "en"]}, "'en' appears twice"),
        ({"switching": {"source": "anti"}}, "dictionaries give translations of words"),
        ({"switching": {"unit": "piece"}, "recipes": ["standard", "csr"]}, "dictionaries give translations of words"),
        ({"recipes": ["standard", {"recipe": "csr", "gloss": {"k": 1}}]}, r"arms\.csr\.gloss: its recipe makes no"),
        (
            {"recipes": ["standard", {"recipe": "csr+", "mixture": {"gloss": 1}}]},
            "gloss is not a kind of examples for a",
        ),
        ({"recipes": ["standard", {"recipe": "csr+", "gloss": {"tag": True}}]}, "tag marks glosses"),
        ({"recipes": ["standard", {"recipe": "csr+", "monolingual": False}]}, "for translation, not for nli"),
        ({"recipes": ["standard", "csr+"], "lexicon": {}}, r"no dictionary for de, and csr\+ switches to all"),
        ({"recipes": ["standard", {"recipe": "csr+", "switching": {"rate": 0.5}}]}, r"csr\+.*does not use rate"),
        ({"baseline": "stand"}, "did you mean 'standard'"),
        ({"recipes": ["standard", "iaft"]}, "arms.1.*recipe"),
        ({"data": {"train": "a.tsv", "valid": "b.tsv", "test": "c.tsv"}}, "one asterisk is expected"),
    ],
)
def test_what_cannot_be_compared_is_refused(workplace: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_config(NliConfig, values_of(workplace, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipes": ["csr"], "baseline": "csr", "model": "bert"}, "is encoder-only and cannot restore"),
        ({"recipes": ["csr+"], "baseline": "csr+", "model": "bert", "gloss": {"unknown": "mask"}}, "Take keep or drop"),
        ({"lexicon": {"dictionaries": {"de": "missing.txt"}}}, "missing.txt: not found"),
        ({"languages": ["sw"], "recipes": ["standard"]}, "no tag for 'sw'|sw"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_trained(
    workplace: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    if "model" in changes:
        changes = {**changes, "model": str(workplace / "bert")}
    with pytest.raises(SwitchtuneError, match=message):
        run_experiment(parse_config(NliConfig, values_of(workplace, **changes)), tmp_path / "run")
    assert not list((tmp_path / "run").rglob("*.safetensors"))


def test_the_task_of_a_file_decides_its_settings(workplace: Path, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(values_of(workplace)), encoding="utf-8")
    assert isinstance(load_run_config(tmp_path / "a.yaml"), NliConfig)
    with pytest.raises(UsageError, match="task"):
        load_run_config(tmp_path / "a.yaml", ["task=translation"])


def test_a_preview_shows_inputs_in_the_language_switched_to_under_its_tag(workplace: Path) -> None:
    config = parse_config(NliConfig, values_of(workplace, gloss={"k": 1}))
    (mixture,) = batch_preview(config, arm="csr+", rows=2)
    assert mixture.startswith("stage 1: classify (48 examples an epoch)")
    assert "premise         A Hund runs across die meadow." in mixture
    assert "hypothesis      Da ist a Hund." in mixture
    task, _, switched = mixture.partition("kind            switched")
    assert "label           entailment" in switched and "de_DE" in switched and "en_XX" not in switched
    assert "de_DE" not in task and "Hund" not in task
    restore, _ = batch_preview(config, arm="csr", rows=1)
    assert restore.startswith("stage 1: restore (96 examples an epoch)") and "target text     A dog runs" in restore
    (encoder,) = batch_preview(config, arm="bert+", rows=1)
    assert "hypothesis" in encoder and "encoder input" not in encoder


EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("name", ["nli.yaml", "paper/xnli.yaml"])
def test_examples_have_a_dictionary_for_every_language(name: str) -> None:
    config = load_run_config(EXAMPLES / name)
    assert isinstance(config, NliConfig)
    assert set(config.lexicon.dictionaries) == set(config.languages)


def test_labels_of_another_system_stand_in_the_table(workplace: Path, tmp_path: Path) -> None:
    right = {code: (workplace / f"test.{code}.tsv").read_text().split("\n")[:-1] for code in ("en", "de")}
    files = {code: tmp_path / f"labels.{code}" for code in right}
    for code, file in files.items():
        file.write_text("".join(line.split("\t")[2].upper() + "\n" for line in right[code]))
    llm = {"name": "llm", "outputs": {code: str(file) for code, file in files.items()}}
    config = parse_config(NliConfig, values_of(workplace, recipes=["standard", llm], seeds=[1, 2]))
    told: list[str] = []
    summary = run_experiment(config, tmp_path / "run", on_event=lambda event: told.append(event.what))
    assert f"llm: {files['de']}: 12 labels" in told
    row = next(row for row in summary.rows if (row.pair, row.arm) == ("de", "llm"))
    assert ([score.value for score in row.scores["accuracy"]], row.minutes, row.stage_updates) == ([1.0], None, {})
    assert row.against_baseline is not None
    assert (row.against_baseline.runs_a, row.against_baseline.runs_b) == (2, 0)
    assert (
        f"- llm: outputs as they are in {files['en']}, {files['de']}." in (tmp_path / "run/comparison.md").read_text()
    )
    assert "outputs as they are in" in run_page([tmp_path / "run"]).html
    files["de"].write_text(files["de"].read_text().replace("NEUTRAL", "maybe", 1))
    with pytest.raises(
        SwitchtuneError, match=r"labels\.de:3: 'maybe' is not a label; entailment, neutral, contradiction or"
    ):
        run_experiment(config, tmp_path / "run")
    files["de"].write_text("0\n")
    with pytest.raises(SwitchtuneError, match=r"labels\.de: 1 lines, and the test set .* has 12 examples"):
        run_experiment(config, tmp_path / "run")


def test_labels_of_another_system_are_needed_for_all_languages(workplace: Path) -> None:
    with pytest.raises(UsageError, match=r"arms\.llm\.outputs: labels for all tested languages; none for de"):
        parse_config(NliConfig, values_of(workplace, recipes=["standard", {"name": "llm", "outputs": {"en": "x"}}]))
