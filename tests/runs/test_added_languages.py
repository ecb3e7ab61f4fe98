"""Runs of a language that no model family knows, from the text to its translation."""

import json
from pathlib import Path

import pytest

from switchtune.config.load import load_config, parse_config
from switchtune.config.pretrain import FamilyName
from switchtune.config.run import RunConfig
from switchtune.config.training import LoraSettings
from switchtune.errors import SwitchtuneError
from switchtune.events import Event
from switchtune.generation import translate
from switchtune.lexicon.files import read_lexicon
from switchtune.models.load import load_layout, load_model, save_model
from switchtune.models.rows import added_rows, row_matrices
from switchtune.runs.experiment import batch_preview, run_experiment
from switchtune.runs.folder import open_run
from switchtune.runs.plan import plan
from switchtune.runs.search import search
from switchtune.runs.train import train_arm
from switchtune.runs.zeroshot import run_zeroshot
from tests.miniature import ENGLISH, GERMAN, miniature

SORBIAN = tuple(line.translate(str.maketrans("owkzTA", "ówčžŁǍ")).replace("ing", "ińg") for line in ENGLISH)
"""A language of our own making: English with letters that the miniatures lack."""
TAGS: dict[FamilyName, str] = {"nllb": "hsb_Latn", "mbart": "hsb_XX"}


def config_of(family: FamilyName, folder: Path, **changes: object) -> RunConfig:
    save_model(miniature(family), folder / "model", "de", "en")
    for part, rows in {"train": slice(0, 16), "valid": slice(0, 4), "test": slice(10, 16)}.items():
        for code, lines in {"de": GERMAN, "hsb": SORBIAN}.items():
            (folder / f"{part}.{code}").write_text("".join(f"{line}\n" for line in lines[rows]), encoding="utf-8")
    values: dict[str, object] = {
        "model": {"name": str(folder / "model"), "add": [{"code": "hsb_Latn", "like": "en"}], "trim": "on"},
        "pairs": [
            {"source": "de", "target": "Upper Sorbian"}
            | {part: str(folder / f"{part}.{{de,hsb}}") for part in ("train", "valid", "test")}
        ],
        "jobs": 1,
        "lexicon": {"accept": True},
        "training": {"updates": 6, "restore_share": 0.5, "tokens_per_batch": 200, "max_tokens": 60, "lr": 1e-3},
        "generation": {"beams": 1, "max_length": 8},
    }
    return parse_config(RunConfig, {**values, **changes})


@pytest.mark.slow
@pytest.mark.parametrize("family", TAGS)
def test_from_the_corpus_to_translated_text(family: FamilyName, tmp_path: Path) -> None:
    config, out, said = config_of(family, tmp_path), tmp_path / "run", list[Event]()
    (pair,) = config.pairs
    assert pair.name == "de-hsb"
    summary = run_experiment(config, out, on_event=said.append)
    assert [row.arm for row in summary.rows] == ["standard", "csr"]
    told = [event.what for event in said if event.subject == "model"]
    assert TAGS[family] in told[0] and "characters become pieces" in told[0]
    start = load_layout(open_run(out).start)  # trimmed, with what was added
    assert start.code("hsb") == TAGS[family]
    pieces = {piece for line in start.segmented(SORBIAN) for piece in line}
    assert {"ó", "č", "Ł"} <= pieces <= start.tokenizer.get_vocab().keys()

    (lexicon,) = out.glob("lexicon/de-hsb/*/lexicon.de-hsb.tsv")
    assert read_lexicon(lexicon).target_language == "hsb"
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    rows = {row["arm"]: row for row in metrics["rows"]}
    assert rows["csr"]["in_language"][0]["metric"] == "in-script"
    assert (
        "German → Upper Sorbian" in (out / "comparison.md").read_text()
        or "de-hsb" in (out / "comparison.md").read_text()
    )

    model = load_model(str(out / "de-hsb/csr/seed1/task/model"))
    assert len(translate(model, [GERMAN[0]], "de", "hsb", config.generation)) == 1
    config_again = (out / "config.resolved.yaml").read_text(encoding="utf-8")
    assert "code: hsb" in config_again and str(tmp_path / "model") in config_again

    # Done is done: nothing is made again.
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    run_experiment(config, out)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")} == before


def test_the_first_batches_and_the_plan_have_the_language(tmp_path: Path) -> None:
    config = config_of("nllb", tmp_path)
    blocks = batch_preview(config, arm="csr", rows=2)
    assert "hsb_Latn" in blocks[0] and "hsb_Latn" in blocks[1]
    assert "<unk>" not in "".join(blocks)
    planned = plan(config, gpu_memory=8)
    assert [stage.pair for stage in planned.stages] == ["de-hsb"] * 3
    assert planned.rows_after_trimming is not None


def test_without_adding_it_the_model_lacks_it(tmp_path: Path) -> None:
    config = config_of("nllb", tmp_path, model=str(tmp_path / "model"))
    with pytest.raises(SwitchtuneError, match=r"no tag for 'hsb' \(Upper Sorbian\).*add: \[\{code: hsb, like: cs\}\]"):
        run_experiment(config, tmp_path / "run")


@pytest.mark.slow
def test_one_arm_is_trained_alone_and_a_run_takes_it_over(tmp_path: Path) -> None:
    config, out, said = config_of("nllb", tmp_path), tmp_path / "run", list[Event]()
    trained = train_arm(config, out, arm="csr")
    assert trained is not None and trained.result.pairs == ("de-hsb",)
    model = load_model(str(trained.model))
    assert model.layout.code("hsb") == TAGS["nllb"]
    weights = trained.model / "model.safetensors"
    before = weights.stat().st_mtime_ns
    run_experiment(config, out, on_event=said.append)
    assert weights.stat().st_mtime_ns == before
    assert not [event for event in said if "stage" in event.what and "csr" in event.subject]


def test_adapters_have_the_new_rows_learn(tmp_path: Path) -> None:
    config, out = config_of("nllb", tmp_path, arms=["standard"]), tmp_path / "run"
    training = config.training.model_copy(update={"updates": 2, "lora": LoraSettings(rank=2)})
    trained = train_arm(config.model_copy(update={"training": training}), out)
    assert trained is not None
    start, learned = load_model(open_run(out).start), load_model(str(trained.model))
    (before, *_), (after, *_) = (row_matrices(each.model).values() for each in (start, learned))
    changed = (before != after).any(dim=1).nonzero().flatten().tolist()
    pieces = start.tokenizer.convert_ids_to_tokens(changed)
    assert TAGS["nllb"] in pieces and changed == added_rows(learned.model.config)
    assert {each for each in "".join(SORBIAN) if not each.isascii()} == {*pieces} - {TAGS["nllb"]}


@pytest.mark.slow
def test_what_a_search_found_is_run_with_the_language(tmp_path: Path) -> None:
    config = config_of("mbart", tmp_path, search={"lr": [1e-4, 1e-2]})
    result = search(config, tmp_path / "search")
    assert (result.pair, len(result.tried)) == ("de-hsb", 4)
    best = load_config(RunConfig, tmp_path / "search/best.yaml")
    assert best.model.add == config.model.add
    summary = run_experiment(best, tmp_path / "run")
    assert [row.arm for row in summary.rows] == ["standard", "csr"]


@pytest.mark.slow
def test_models_are_tested_on_a_new_language_and_trained_on_it(tmp_path: Path) -> None:
    config = config_of("nllb", tmp_path)
    (tmp_path / "text.en").write_text("".join(f"{line}\n" for line in ENGLISH[:6]), encoding="utf-8")
    for code, lines in {"de": GERMAN, "hsb": SORBIAN}.items():
        (tmp_path / f"text.{code}").write_text("".join(f"{line}\n" for line in lines[:6]), encoding="utf-8")
    files = dict.fromkeys(("train", "valid", "test"), str(tmp_path / "text"))
    pairs = [{"source": code, "target": "en"} | files for code in ("de", "hsb")]
    values = config.model_dump(by_alias=True, exclude_unset=True)
    values |= {"pairs": pairs, "zeroshot": {"limit": 3}, "evaluation": {"resamples": 100}}
    (matrix,) = run_zeroshot(parse_config(RunConfig, values), tmp_path / "run")
    assert (matrix.trained, matrix.tested) == (("de-en", "hsb-en"), ("de-en", "hsb-en"))
    assert {cell.comparison.n for cell in matrix.cells} == {3}


@pytest.mark.slow
def test_a_new_language_without_pairs_has_the_letters_of_its_dictionary(tmp_path: Path) -> None:
    config = config_of("nllb", tmp_path)
    for name, lines in {"pair.de": GERMAN[:4], "pair.en": ENGLISH[:4], "more.en": ENGLISH[4:12]}.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    for name, lines in {"other.en": ENGLISH[12:15], "other.hsb": SORBIAN[12:15]}.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    words = {word.lower() for line in ENGLISH for word in line.split()}
    dictionary = tmp_path / "en-hsb.txt"
    dictionary.write_text("".join(f"{word}\tž{word}\n" for word in sorted(words)), encoding="utf-8")
    pair = {"source": "de", "target": "en", "monolingual": {"en": str(tmp_path / "more.en")}}
    pair |= dict.fromkeys(("train", "valid", "test"), str(tmp_path / "pair"))
    values = config.model_dump(by_alias=True, exclude_unset=True)
    glossed = {"hsb": {"dictionaries": str(dictionary), "test": str(tmp_path / "other")}}
    values |= {"pairs": [pair], "zeroshot": {"glossed": glossed}, "evaluation": {"resamples": 100}}
    values["arms"] = ["standard", {"recipe": "csr+", "gloss": {"k": 1}}]
    config = parse_config(RunConfig, values)
    (mixture,) = batch_preview(config, arm="csr+", rows=2)
    glosses = mixture.split("kind            gloss", 1)[1]
    assert "hsb_Latn" in glosses and "ž" in glosses and "<unk>" not in glosses
    (matrix,) = run_zeroshot(config, tmp_path / "run")
    assert (matrix.trained, matrix.tested) == (("de-en",), ("de-en", "hsb-en"))
    model = load_layout(open_run(tmp_path / "run").start)
    assert "ž" in {piece for line in model.segmented(["žthe"]) for piece in line}
