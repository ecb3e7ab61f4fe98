"""Models of each pair on the test sets of all: what is translated by what, compared, counted, and not done twice."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from switchtune.config.load import parse_config
from switchtune.config.run import RunConfig
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.models.load import Loaded, load_model
from switchtune.results.matrix import Cell, Matrix, decided_matrices, matrices_markdown, matrix_of, matrix_table
from switchtune.runs import zeroshot
from switchtune.runs.experiment import batch_preview
from switchtune.runs.run_files import read_run
from switchtune.runs.zeroshot import run_zeroshot
from switchtune.scoring.metrics import bleu
from switchtune.scoring.significance import Comparison
from tests.miniature import ENGLISH, GERMAN


def config_of(model: Path, folder: Path, **changes: object) -> RunConfig:
    for code, lines in {"de": GERMAN[:6], "en": ENGLISH[:6], "it": GERMAN[1:7]}.items():
        (folder / f"text.{code}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        (folder / f"news.{code}").write_text("".join(f"{line}\n" for line in lines[:4]), encoding="utf-8")
    text = str(folder / "text")
    pairs = [{"source": code, "target": "en", "train": text, "valid": text, "test": text} for code in ("de", "it")]
    values: dict[str, object] = {
        "model": str(model),
        "pairs": pairs,
        "jobs": 1,
        "training": {"updates": 2, "restore_share": 0.5, "tokens_per_batch": 200},
        "generation": {"beams": 1, "max_length": 12},
        "evaluation": {"resamples": 100},
        "lexicon": {"accept": True},
    }
    return parse_config(RunConfig, {**values, **changes})


@pytest.mark.slow
def test_every_model_is_tested_on_every_language_and_nothing_is_done_twice(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def translate(
        loaded: Loaded, sentences: list[str], source: str, target: str, *rest: object, **more: object
    ) -> list[str]:
        asked.append((source, target, len(sentences)))
        return [f"{sentence} {source}" for sentence in sentences]

    monkeypatch.setattr(zeroshot, "translate", translate)
    settings = {"multiway": {"news": str(tmp_path / "news.*")}, "limit": 5}
    config = config_of(model, tmp_path, zeroshot=settings)
    own, news = run_zeroshot(config, tmp_path / "run")
    # Two pairs, two arms. What the run has translated itself is not translated again.
    news_of = [("de", "en", 4), ("it", "en", 4)]
    assert asked == [("it", "en", 5), *news_of] * 2 + [("de", "en", 5), *news_of] * 2
    assert (own.tests, own.trained, own.tested) == ("own-tests", ("de-en", "it-en"), ("de-en", "it-en"))
    assert [(cell.tested, cell.trained, cell.comparison.n) for cell in news.cells] == [
        ("de-en", "de-en", 4),
        ("de-en", "it-en", 4),
        ("it-en", "de-en", 4),
        ("it-en", "it-en", 4),
    ]
    expected = bleu([f"{line} it" for line in GERMAN[1:5]], list(ENGLISH[:4]), "en").value
    assert news.cells[2].comparison.value_a == pytest.approx(expected)
    assert read_run(tmp_path / "run").warnings == ()
    of_the_run = (tmp_path / "run/it-en/csr/seed1/hypotheses.txt").read_text(encoding="utf-8").splitlines()
    assert own.cells[3].comparison.value_b == bleu(of_the_run[:5], list(ENGLISH[:5]), "en").value
    assert news.record()["wins"] == news.record()["losses"] == 0
    written = json.loads((tmp_path / "run/zeroshot.json").read_text(encoding="utf-8"))["matrices"]
    assert [(matrix["tests"], matrix["of"], matrix["wins"]) for matrix in written] == [
        ("own-tests", 2, 0),
        ("news", 2, 0),
    ]
    assert "## news: csr against standard" in (tmp_path / "run/zeroshot.md").read_text(encoding="utf-8")
    assert all((tmp_path / f"run/zeroshot.{form}").stat().st_size > 1000 for form in ("svg", "png"))
    assert run_zeroshot(config, tmp_path / "run") == (own, news)
    assert len(asked) == 12
    (tmp_path / "run/zeroshot/news/de-en.csr.seed1.it-en.txt").unlink()
    run_zeroshot(config, tmp_path / "run")
    assert asked[12:] == [("it", "en", 4)]


@pytest.mark.slow
def test_real_models_translate(model: Path, tmp_path: Path) -> None:
    config = config_of(
        model, tmp_path, zeroshot={"limit": 2}, arms=["standard", {"name": "again", "recipe": "standard"}]
    )
    (matrix,) = run_zeroshot(config, tmp_path / "run")
    # The same training twice: the same outputs, and none better.
    assert {cell.comparison.difference for cell in matrix.cells} == {0.0}
    trained = load_model(str(tmp_path / "run/it-en/standard/seed1/task/model"))
    lines = (
        (tmp_path / "run/zeroshot/own-tests/it-en.standard.seed1.de-en.txt").read_text(encoding="utf-8").splitlines()
    )
    assert lines == zeroshot.translate(trained, list(GERMAN[:2]), "de", "en", config.generation)


def write_dictionary(folder: Path) -> Path:
    path = folder / "en-it.txt"
    path.write_text("dog cane\ndogs cani\na un\nthe il\nchild bambino\nwoman donna\nin in\ncat gatto\n")
    return path


@pytest.mark.slow
def test_a_language_without_pairs_is_glossed_and_tested(model: Path, tmp_path: Path) -> None:
    for name, lines in {"more.en": ENGLISH[1:12], "other.en": ENGLISH[6:9], "other.it": GERMAN[6:9]}.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    pair = {"source": "de", "target": "en", "limit": 4, "monolingual": {"en": str(tmp_path / "more.en")}}
    pair |= dict.fromkeys(("train", "valid", "test"), str(tmp_path / "text"))
    glossed = {"it": {"dictionaries": str(write_dictionary(tmp_path)), "test": str(tmp_path / "other")}}
    config = config_of(
        model,
        tmp_path,
        pairs=[pair],
        arms=["standard", {"recipe": "csr+", "gloss": {"k": 1}}],
        zeroshot={"multiway": {"news": str(tmp_path / "news.*")}, "glossed": glossed, "limit": 3},
    )
    told: list[str] = []
    own, other = run_zeroshot(config, tmp_path / "run", on_event=lambda event: told.append(event.what))
    assert (own.trained, own.tested) == (other.trained, other.tested) == (("de-en",), ("de-en", "it-en"))
    assert [cell.supervised for cell in own.cells] == [True, False]
    assert read_run(tmp_path / "run").warnings == ()
    # Three of them stand in the test set of Italian.
    assert any("3 further sentences in en (left out: 8 in a validation or test set" in line for line in told)
    lexicon = next((tmp_path / "run/lexicon/en-it").rglob("lexicon.en-it.tsv"))
    assert "dog\tcane" in lexicon.read_text(encoding="utf-8")
    metrics = json.loads((tmp_path / "run/metrics.json").read_text(encoding="utf-8"))
    switching = {row["arm"]: row["switching"] for row in metrics["rows"]}
    assert switching["standard"] == {}
    assert set(switching["csr+"]) == {"en", "it"}
    (mixture,) = batch_preview(config, arm="csr+", rows=2)
    task, glosses = mixture.split("kind            gloss", 1)
    assert "(4 examples an epoch)" in mixture
    assert "Un cane runs across il meadow." in glosses
    assert "it_IT" in glosses and "it_IT" not in task
    # Another dictionary, another training; the baseline's stands.
    stages = ("standard/seed1/task", "csr+/seed1/mixture")
    weights = [tmp_path / f"run/de-en/{stage}/model/model.safetensors" for stage in stages]
    before = [path.stat().st_mtime_ns for path in weights]
    (tmp_path / "en-it.txt").write_text("dog cagnolino\n" * 8 + "the lo\na uno\n", encoding="utf-8")
    run_zeroshot(config, tmp_path / "run")
    assert [path.stat().st_mtime_ns > time for path, time in zip(weights, before, strict=True)] == [False, True]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": ["standard", "csr"]}, r"zeroshot\.glossed: no arm makes glosses; add csr\+"),
        ({"zeroshot": {"glossed": {"de": "en-de.txt"}}}, r"zeroshot\.glossed: de has pairs"),
        ({"task": "summarization"}, "glosses are translated, and the task is summarization"),
        ({"pairs": [0, 1]}, "dictionaries are of one target language, and the pairs have en, fr"),
        ({"zeroshot": {"glossed": {"tr": []}}}, r"zeroshot\.glossed\.tr\.dictionaries"),
        ({"zeroshot": {"glossed": {"tr": "none.txt"}, "multiway": {"news": "news.*"}}}, "none.txt: not found"),
        ({"zeroshot": {"glossed": {"tr": "en-it.txt"}}}, r"zeroshot\.glossed\.tr: nothing tests it"),
        (
            {"zeroshot": {"glossed": {"sw": "en-it.txt"}, "multiway": {"news": "news.*"}}},
            "has no tag for .sw. .Swahili",
        ),
    ],
)
def test_glosses_that_cannot_be_made_or_tested_are_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    values = config_of(model, tmp_path).model_dump(by_alias=True)
    write_dictionary(tmp_path)
    (tmp_path / "news.sw").write_text("Mbwa\n" * 4, encoding="utf-8")
    pairs = [values["pairs"][0], {**values["pairs"][1], "target": "fr"}]
    changed = {"arms": ["standard", "csr+"], "zeroshot": {"glossed": {"it": "en-it.txt"}}, **changes}
    chosen = [pairs[number] for number in changed.get("pairs", [0])]
    with pytest.raises(SwitchtuneError, match=message):
        run_zeroshot(parse_config(RunConfig, {**values, **changed, "pairs": chosen}), tmp_path / "run")
    assert not list((tmp_path / "run").rglob("*.safetensors"))


def made(trained: str, tested: str, difference: float, p: float) -> Cell:
    interval = (difference - 1, difference + 1)
    found = Comparison("BLEU", 20.0, 20.0 + difference, difference, p, interval, 100, 2, 2, 1000, 1, "signature")
    return Cell(f"{trained}-en", f"{tested}-en", found, (0.5, 0.75, 0.99), trained == tested)


def test_wins_are_counted_off_the_diagonal_alone() -> None:
    cells = (
        made("de", "de", 5, 0.001),
        made("it", "de", 1.25, 0.01),
        made("de", "it", -0.02, 0.9),
        made("it", "it", 3, 0.2),
    )
    (matrix,) = decided_matrices([Matrix("own-tests", "standard", "csr", cells)])
    heads, rows = matrix_table(matrix)
    assert heads == ["tested \\ trained", "de→en", "it→en"]
    assert rows == [
        ["de→en", "(20.0 +5.0*) [50%, 25%]", "20.0 +1.2* [50%, 25%]"],
        ["it→en", "20.0 +0.0 [50%, 25%]", "(20.0 +3.0) [50%, 25%]"],
    ]
    assert matrix.verdict() == (
        "csr against standard, zero-shot: better in 1 of 2 directions (1 significantly), worse in 1 (0 significantly); "
        "mean difference +0.6 BLEU."
    )
    low = [replace(cell, comparison=replace(cell.comparison, value_a=0.1, value_b=0.2)) for cell in matrix.cells]
    assert replace(matrix, cells=tuple(low)).verdict().endswith("the best score is 0.2 BLEU, so this says nothing.")
    record = matrix.record()
    assert (record["wins"], record["significant_wins"], record["losses"], record["of"]) == (1, 1, 1, 2)
    assert record["cells"][1]["in_language"] == {"standard": 0.5, "csr": 0.75}
    assert record["cells"][1]["references_in_language"] == 0.99
    read = matrix_of(record)
    assert read == matrix
    assert "100 sentences. BLEU `signature`" in matrices_markdown([matrix])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pairs": [0]}, "at least two pairs"),
        ({"pairs": [0, 2]}, "nothing is tested that a model was not trained on"),
        ({"together": True}, "nothing is tested that a model was not trained on"),
        (
            {"arms": ["standard", {"recipe": "csr", "together": True}]},
            r"arms\.csr: its models learn other pairs together than those of standard",
        ),
        ({"arms": ["standard"]}, "nothing is compared with standard"),
        ({"task": "summarization", "lexicon": {"corpus": "text"}}, "of translation, found summarization"),
    ],
)
def test_what_makes_no_matrix_is_refused(model: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    values = config_of(model, tmp_path).model_dump()
    pairs = [*values["pairs"], {**values["pairs"][1], "target": "de"}]
    chosen = changes.get("pairs", [0, 1])
    changed = {**changes, "pairs": [pairs[number] for number in chosen]}
    with pytest.raises(UsageError, match=message):
        run_zeroshot(parse_config(RunConfig, {**values, **changed}), tmp_path / "run")


@pytest.mark.parametrize(
    ("multiway", "message"),
    [({"a/b": "x.*"}, "cannot name a folder"), ({"news": "x.de"}, "one asterisk is expected")],
)
def test_collections_need_a_name_and_a_pattern(
    model: Path, tmp_path: Path, multiway: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        config_of(model, tmp_path, zeroshot={"multiway": multiway})
