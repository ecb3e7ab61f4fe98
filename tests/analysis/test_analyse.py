"""All analyses at once: files and figures, what is missing in a run, and the verb."""

import json
import shutil
import xml.etree.ElementTree as ElementTree
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from switchtune.analysis import analyse as analysis
from switchtune.analysis.analyse import ANALYSES, Analysis, AnalysisSettings, analyse
from switchtune.cli.main import app
from switchtune.errors import UsageError
from switchtune.files import MARK
from switchtune.results import figures
from switchtune.results.drawing import boxes_text, write_figure
from switchtune.results.matrix import Cell, Matrix
from switchtune.runs.run_files import read_run
from switchtune.scoring.significance import Comparison, decide
from tests.miniature import ENGLISH, GERMAN
from tests.report.made_run import make_run

FIGURES = ("distance", "frequency", "length", "projection", "dynamics", "cost")


def texts_of(figure: Path) -> str:
    """All that stands in an SVG."""
    return " ".join(text for text in ElementTree.parse(figure).getroot().itertext() if text.strip())


def is_drawn(picture: Path) -> bool:
    """Whether a PNG has something on it."""
    with Image.open(picture) as image:
        return image.width >= 600 and len(image.convert("RGB").getcolors(1 << 24) or ()) > 50


def matrix(trained: str, tested: str) -> Cell:
    found = Comparison("BLEU", 20.0, 21.5, 1.5, 0.01, (0.5, 2.5), 100, 2, 2, 1000, 1, "signature")
    return Cell(f"{trained}-en", f"{tested}-en", decide([found])[0], None, trained == tested)


@pytest.mark.slow
def test_every_analysis_is_written_with_figures_that_can_be_opened(run: Path) -> None:
    found = analyse(run, settings=AnalysisSettings(texts={"de": GERMAN, "en": ENGLISH}, buckets=(2, 5)))
    assert found.missing == ()
    expected = {f"{name}.json" for name in ANALYSES}
    expected |= {f"{name}.{form}" for name in FIGURES for form in ("svg", "png")}
    read = read_run(run)
    assert (read.warnings, read.missing) == ((), ())
    there = {path.name for path in (run / "analysis").iterdir()}
    assert {path.name for path in found.files} == expected == there - {MARK}
    titles = {
        "distance": (
            "de→en: 8 sentences of the test set",
            "Distance of the two sides (eq. 5)",
            "csr, after stage restore",
        ),
        "frequency": ("de→en: gain by word frequency in training", "fewer than 2", "2 to 4", "5 and more"),
        "length": ("de→en: gain by length of the reference", "gain over standard, chrF++"),
        "projection": ("de→en: before training", "principal component 1", "two standard deviations"),
        "dynamics": ("de→en: validation set", "loss (nats per token)", "updates over all stages"),
        "cost": ("de→en: time of one training", "minutes, validation included", "GB (10⁹ bytes)"),
    }
    for name, parts in titles.items():
        text = texts_of(run / f"analysis/{name}.svg")
        for part in parts:
            assert part in text
        assert is_drawn(run / f"analysis/{name}.png")
    svg = (run / "analysis/distance.svg").read_bytes()
    analyse(run, ["distance"])
    assert (run / "analysis/distance.svg").read_bytes() == svg


def test_letters_that_no_font_has_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sign = "\U00012000"  # cuneiform
    line = figures.Series(sign, sign, ((0.0, 1.0), (1.0, 2.0)))
    draw = partial(figures.draw_chart, [line], axis="update", unit="loss", title="cost")
    monkeypatch.setitem(analysis._DRAW, "cost", lambda _: draw())  # type: ignore[index]
    folder = make_run(tmp_path / "mine")
    shutil.rmtree(folder / "analysis")
    found = analyse(folder, ["cost"])
    assert [text for text in found.missing if "no font" in text] == [f"cost: {boxes_text(sign)}"]


def test_a_matrix_is_drawn(tmp_path: Path) -> None:
    cells = tuple(matrix(trained, tested) for tested in ("de", "it") for trained in ("de", "it"))
    content = {"matrices": [Matrix("ntrex", "standard", "csr", cells).record()]}
    svg, png = write_figure(tmp_path / "zeroshot", partial(figures.draw_matrix, content))
    assert all(part in texts_of(svg) for part in ("ntrex: csr against standard", "+1.5*", "trained on", "it→en"))
    assert is_drawn(png)


@pytest.mark.slow
def test_seeds_are_drawn_together(run: Path) -> None:
    analyse(run, ["distance", "dynamics", "cost"])
    for name in ("distance", "dynamics", "cost"):
        record = json.loads((run / f"analysis/{name}.json").read_text(encoding="utf-8"))
        once = doubled(record)
        assert write_figure(run / name, partial(getattr(figures, f"draw_{name}"), once), ("svg",))
        # As many entries in the legends as with one seed.
        assert texts_of(run / f"{name}.svg").count("csr") == texts_of(run / f"analysis/{name}.svg").count("csr")


def doubled(record: dict[str, Any]) -> dict[str, Any]:
    """A record in which every seed has a twin."""
    twice = json.loads(json.dumps(record))
    for owner, key in [(pair, key) for pair in twice.get("pairs", []) for key in ("systems", "arms")] + [
        (twice, "rows")
    ]:
        owner[key] = [each for one in owner.get(key, []) for each in (one, {**one, "seed": one["seed"] and 2})]
    return twice


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    for name in ("distance", "projection", "dynamics", "frequency", "length"):
        draw = getattr(figures, f"draw_{name}")
        assert write_figure(tmp_path / "figure", partial(draw, {"pairs": []})) == []
    assert write_figure(tmp_path / "figure", partial(figures.draw_cost, {"rows": []})) == []
    assert write_figure(tmp_path / "figure", partial(figures.draw_matrix, {"matrices": []})) == []


@pytest.mark.slow
def test_a_run_that_is_not_finished_is_analysed_as_far_as_it_came(run: Path) -> None:
    shutil.rmtree(run / "de-en/csr/seed1/task/model")
    (run / "de-en/csr/seed1/hypotheses.txt").unlink()
    what: tuple[Analysis, ...] = ("distance", "frequency", "cost")
    found = analyse(run, what)
    assert f"distance: de-en/csr/seed1: no model of the stage task ({run}/de-en/csr/seed1/task/model)" in found.missing
    assert "frequency: de-en/csr/seed1: not finished, no translations" in found.missing
    assert {path.name for path in found.files} >= {f"{name}.{form}" for name in what for form in ("json", "png")}
    distance = json.loads((run / "analysis/distance.json").read_text(encoding="utf-8"))
    assert [system["stage"] for system in distance["pairs"][0]["systems"]] == ["pretrained", "task", "restore"]


def test_a_run_whose_data_and_models_are_gone_still_has_its_curves(run: Path) -> None:
    shutil.rmtree(run / "corpus")
    config = run / "config.resolved.yaml"
    text = config.read_text(encoding="utf-8")
    moved = text.replace("test.{de,en}", "gone.{de,en}").replace("/model", "/no-model")
    config.write_text(moved, encoding="utf-8")
    found = analyse(run, ["distance", "dynamics", "cost"])
    assert any("gone.de" in line and "Analyse where the run was started" in line for line in found.missing)
    dynamics = json.loads((run / "analysis/dynamics.json").read_text(encoding="utf-8"))
    assert [arm["arm"] for arm in dynamics["pairs"][0]["arms"]] == ["standard", "csr"]
    assert json.loads((run / "analysis/distance.json").read_text(encoding="utf-8"))["pairs"] == []
    assert json.loads((run / "analysis/cost.json").read_text(encoding="utf-8"))["rows"]


def test_translations_of_another_test_set_are_told_from_those_of_this(run: Path) -> None:
    with (run / "de-en/csr/seed1/hypotheses.txt").open("a", encoding="utf-8") as stream:
        stream.write("One too many.\n")
    found = analyse(run, ["frequency", "dynamics", "cases"])
    told = [line.partition(": ")[0] for line in found.missing if "9 hypotheses but 8 references" in line]
    assert told == ["frequency", "dynamics", "cases"]
    frequency = json.loads((run / "analysis/frequency.json").read_text(encoding="utf-8"))
    assert [system["arm"] for system in frequency["pairs"][0]["systems"]] == ["standard"]


def test_of_summaries_what_is_measured_on_translations_alone_is_named(run: Path, tmp_path: Path) -> None:
    config = run / "config.resolved.yaml"
    text = config.read_text(encoding="utf-8").replace("task: translation", "task: summarization")
    config.write_text(text, encoding="utf-8")
    found = analyse(run, ["distance", "dynamics", "cost", "cases"])
    assert found.missing == (
        "distance: the test sets of summarization hold no translations, between which distances are measured; "
        "--multiway names files that do",
        "dynamics: de-en: no BLEU, which does not measure summarization",
    )
    dynamics = json.loads((run / "analysis/dynamics.json").read_text(encoding="utf-8"))
    assert {entry["bleu"] for arm in dynamics["pairs"][0]["arms"] for entry in arm["valid"]} == {None}
    assert json.loads((run / "analysis/cases.json").read_text(encoding="utf-8"))["pairs"]
    for code, lines in {"de": GERMAN, "en": ENGLISH}.items():
        (tmp_path / f"news.{code}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    analyse(run, ["distance"], AnalysisSettings(multiway=str(tmp_path / "news.*")))
    distance = json.loads((run / "analysis/distance.json").read_text(encoding="utf-8"))
    assert [pair["sentences"] for pair in distance["pairs"]] == [16]


@pytest.mark.slow
def test_figures_that_were_edited_by_hand_are_told(run: Path) -> None:
    analyse(run, ["distance"])
    path, marker = run / "analysis/distance.json", run / "de-en/csr/seed1/steps/task.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"sentences": 8', '"sentences": 7'), encoding="utf-8")
    (line,) = analyse(run, ["dynamics"]).missing
    assert line.startswith(f"dynamics: {path}: has been changed since it was written")
    assert analyse(run, ["distance", "dynamics"]).missing == ()
    marker.write_text(marker.read_text(encoding="utf-8").replace('"chosen_update": ', '"chosen_update": 1'))
    (line,) = analyse(run, ["dynamics"]).missing
    assert line.startswith(f"dynamics: {marker}: not what was written here")


@pytest.mark.parametrize("content", ["[]", "{", '{"result": {"training": {"chosen_update": "6"}, "rates": {}}}'])
def test_a_damaged_marker_is_named(run: Path, content: str) -> None:
    marker = run / "de-en/csr/seed1/steps/task.json"
    marker.write_text(content, encoding="utf-8")
    (line,) = (line for line in analyse(run, ["dynamics"]).missing if "distance.json is not there" not in line)
    assert line.startswith(f"dynamics: {marker}: ")


def test_a_model_that_cannot_be_loaded_is_missing_alone(run: Path) -> None:
    (run / "de-en/csr/seed1/restore/model/config.json").unlink()
    found = analyse(run, ["distance", "projection"])
    assert len([line for line in found.missing if "de-en, csr, seed 1, restore: " in line]) == 2
    distance = json.loads((run / "analysis/distance.json").read_text(encoding="utf-8"))
    assert [system["stage"] for system in distance["pairs"][0]["systems"]] == ["pretrained", "task", "task"]


def test_the_verb_writes_what_it_is_asked_for(run: Path, tmp_path: Path) -> None:
    (tmp_path / "news.de").write_text("".join(f"{line}\n" for line in GERMAN), encoding="utf-8")
    options = ["--what", "cost", "--what", "projection", "--text", f"German={tmp_path}/news.de", "--points", "5"]
    done = CliRunner().invoke(app, ["analyse", str(run), *options, "--json"])
    assert done.exit_code == 0
    record = json.loads(done.stdout)
    assert [Path(path).name for path in record["files"] if path.endswith("json")] == ["projection.json", "cost.json"]
    assert record["missing"] == []
    projection = json.loads((run / "analysis/projection.json").read_text(encoding="utf-8"))
    assert [found["language"] for found in projection["pairs"][0]["systems"][0]["ellipses"]] == ["de"]
    (run / "de-en/csr/seed1/metrics.jsonl").unlink()
    plain = CliRunner().invoke(app, ["analyse", str(run), "--what", "cost"])
    assert plain.stdout.splitlines() == [str(run / f"analysis/cost.{form}") for form in ("json", "svg", "png")]
    assert "cost: de-en/csr/seed1: the stage restore has not begun" in plain.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--what", "distances"], "--what distances: choose from distance, frequency"),
        (["--text", "news.de"], "--text news.de: expected a language and a file, as in de=news.de"),
        (["--buckets", "100,10"], "--buckets 100,10: expected increasing whole numbers from 1"),
        (["--buckets", "few"], "--buckets few: expected increasing whole numbers from 1"),
        (["--buckets", "0,10"], "--buckets 0,10: expected increasing whole numbers from 1"),
    ],
)
def test_options_that_do_not_fit(run: Path, options: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        CliRunner().invoke(app, ["analyse", str(run), *options], catch_exceptions=False)


def test_a_run_without_pairs_is_refused_by_its_task(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "examples/nli.yaml").read_text(encoding="utf-8")
    (tmp_path / "config.resolved.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"a run of cross-lingual inference \(task: nli\), which has no pairs"):
        analyse(tmp_path)


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no run is there \(config.resolved.yaml is missing\)"):
        analyse(tmp_path)
