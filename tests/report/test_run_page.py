"""The report: whole, escaped, honest about what is missing, and at work in a browser."""

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import escape

from switchtune.cli.main import main
from switchtune.errors import UsageError
from switchtune.report.curves import Chart
from switchtune.report.html import fitting, package_text, render, text_direction
from switchtune.report.panel import Asked
from switchtune.report.parts import parts_of
from switchtune.report.run_page import MOST_BYTES, different_tests, run_page
from switchtune.report.sentences import difference
from switchtune.results.comparison import SCHEMA
from switchtune.results.drawing import PALETTE, Series
from switchtune.run_dir import write_sealed
from switchtune.runs.run_files import read_run
from switchtune.scoring.significance import Comparison, decide
from tests.report.made_run import EVIL, against, make_run, metrics, write
from tests.report.test_lexicon_page import Page

pytestmark = pytest.mark.usefixtures("drawn_once")

PARTS = (
    "Scores",
    "Zero-shot translation",
    "Curves",
    "Short and long sentences",
    "Rare and frequent words",
    "Where the outputs differ",
    "Switched sentences",
    "Lexicon",
    "Distance between the languages",
    "The domain, drawn",
    "Cost",
    "What it was made of",
    "Configuration",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "mine")


def headings(html: str) -> list[str]:
    return Page(html).texts["h2"]


@pytest.mark.slow
def test_a_finished_run_has_every_part(finished: Path) -> None:
    html = run_page([finished]).html
    assert headings(html) == [*PARTS, "What is missing"]  # of the analyses one said that something was missing
    assert "Yes, code-switching helped here." in html
    assert "Not shown" not in html
    page = Page(html)
    assert {"41.5 ± 0.1", "+1.5* BLEU", "+0.4 to +2.6", "0.010"} <= set(page.texts["td"])
    assert any("bs:1000" in text for text in page.texts["code"])
    assert "dog" in page.texts["bdi"]
    assert {"31.2 of 10", "no words"} <= set(page.texts["td"])


def test_the_page_is_marked_up_for_screen_readers(finished: Path) -> None:
    html = run_page([finished]).html
    page = Page(html)
    assert html.count("<table>") == html.count("<caption>")
    drawn = re.findall(r"<svg [^>]*>", html)
    labelled = [each for each in drawn if "aria-label=" in each]
    assert len(labelled) == 11
    # What else is drawn stands in a table that says the same.
    assert all('aria-hidden="true"' in each for each in drawn if each not in labelled)
    identities = [value for _, name, value in page.attributes if name == "id"]
    assert len(identities) == len(set(identities))
    referred = [value for _, name, value in page.attributes if name in {"aria-controls", "aria-labelledby", "for"}]
    assert set(referred) <= set(identities)
    links = [value for tag, name, value in page.attributes if tag in {"a", "use"} and name == "href"]
    assert {link.removeprefix("#") for link in links} <= set(identities)


def test_all_text_is_escaped(finished: Path) -> None:
    html = run_page([finished]).html
    assert html.count("<script>") == 1
    assert "<img" not in html
    assert EVIL in unescape(html)


@pytest.mark.parametrize("name", ["metrics.json", "manifest.json", "zeroshot.json", "analysis/cost.json"])
def test_figures_that_were_edited_by_hand_are_told_before_all_else(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run(tmp_path / "mine")
    write_sealed(folder / name, json.loads((folder / name).read_text(encoding="utf-8")))
    assert run_page([folder]).warnings == ()
    content = json.loads((folder / name).read_text(encoding="utf-8"))
    write(folder / name, json.dumps({**content, "added": 1}))
    (warning,) = run_page([folder]).warnings
    assert warning.startswith(f"{folder / name}: has been changed since it was written")
    monkeypatch.setattr("switchtune.demo.server.serve", lambda *_: None)
    for words in (["report", str(folder), "--out", str(tmp_path / "page.html")], ["demo", str(folder)]):
        monkeypatch.setattr("sys.argv", ["switchtune", *words])
        with pytest.raises(SystemExit):
            main()
        assert warning in " ".join(capsys.readouterr().err.split("\n"))
    html = unescape((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert html.index(warning) < html.index('id="results"')


def test_what_an_unfinished_run_has_is_shown(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "mine", **{"metrics.json": None, "zeroshot.json": None})
    trial = folder / "de-en/csr/seed2"
    (trial / "hypotheses.txt").unlink()
    entries = (trial / "metrics.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    write(trial / "metrics.jsonl", "".join(entries[:8]) + entries[8][:20])
    for name in ("metrics.jsonl", "hypotheses.txt"):
        (folder / "de-en/standard/seed2" / name).unlink()
    html = run_page([folder]).html
    assert "de-en/csr/seed2 is at update 7 of 40; the test set is not translated yet." in html
    assert "de-en/standard/seed2 has not begun." in html
    assert "metrics.json is not there" in html
    assert "Whether code-switching helped here is not known." in unescape(html)
    assert "Curves" in headings(html)
    assert "Where the outputs differ" in headings(html)
    assert "Scores" not in headings(html)


def test_files_of_an_unknown_form_leave_the_other_parts_alone(tmp_path: Path) -> None:
    found = {"frequency": {"missing": [], "pairs": [{"pair": "de-en"}]}, "cost": {"missing": [], "rows": [{"pair": 3}]}}
    folder = make_run(tmp_path / "mine", **{f"analysis/{name}.json": content for name, content in found.items()})
    write(folder / "manifest.json", "{")
    made = run_page([folder])
    assert [warning.removeprefix(f"{folder}/") for warning in made.warnings] == [
        "manifest.json: not valid JSON (EOF while parsing an object at line 1 column 1). The same `switchtune run` "
        "makes it again.",
        "analysis/frequency.json: pairs.0.buckets: Field required (found {'pair': 'de-en'}); 2 problems in all. The "
        "same `switchtune analyse` makes it again.",
        "analysis/cost.json: rows.0.pair: Input should be a valid string (found 3); 9 problems in all. The same "
        "`switchtune analyse` makes it again.",
    ]
    assert all(str(escape(warning)) in made.html for warning in made.warnings)
    assert [part for part in PARTS if part not in headings(made.html)] == [
        "Rare and frequent words",
        "Cost",
        "What it was made of",
    ]


def test_texts_that_cannot_be_read_are_said_to_be_missing(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "mine")
    for path in (tmp_path / "data-of-mine").iterdir():
        path.unlink()
    html = unescape(run_page([folder]).html)
    assert "Sources and references cannot be read here" in html
    assert "The woman in the <mark>green</mark>" in html


@pytest.mark.parametrize(
    ("comparison", "says"),
    [
        (against(1.5, 0.01, (0.4, 2.6)), "Yes, code-switching helped here."),
        (against(-1.5, 0.01, (-2.6, -0.4)), "No: csr scores lower than standard by 1.5 BLEU (p = 0.010)."),
        (against(0.1, 0.4, (-1.9, 2.1)), "No gain from code-switching is shown here."),
    ],
)
def test_the_headline_is_honest(tmp_path: Path, comparison: Comparison, says: str) -> None:
    html = run_page([make_run(tmp_path / "mine", **{"metrics.json": metrics(comparison)})]).html
    assert f"<strong>{says}</strong>" in html


def test_other_metrics_are_shown_by_their_names(tmp_path: Path) -> None:
    made = metrics(
        against(1.5, 0.01, (0.4, 2.6), metric="ROUGE-1"), scores={"rouge_1": "ROUGE-1", "rouge_l": "ROUGE-L"}
    )
    html = run_page([make_run(tmp_path / "mine", **{"metrics.json": made})]).html
    assert {"ROUGE-1", "ROUGE-L"} <= set(Page(html).texts["th"])
    assert "better than standard by 1.5 ROUGE-1" in html


def test_classifiers_are_shown_by_language(tmp_path: Path) -> None:
    comparisons = decide(
        [
            against(difference, p_value, (difference - 0.04, difference + 0.04), metric="accuracy", value=share)
            for share, difference, p_value in ((0.7, 0.01, 0.6), (0.5, 0.07, 0.002), (0.45, 0.0, 1.0))
        ]
    )

    def row(language: str, recipe: str, share: float, comparison: Comparison | None) -> dict[str, Any]:
        return {
            "pair": language,
            "arm": recipe,
            "updates": {"task": 9},
            "minutes": 1.0,
            "accuracy": [{"metric": "accuracy", "value": share, "signature": "share that is right", "n": 6}],
            "score_interval": [share - 0.05, share + 0.05],
            "against_baseline": comparison and asdict(comparison),
        }

    folder = tmp_path / "nli"
    recipes = [{"recipe": name, "name": name} for name in ("standard", "csr")]
    data = {"train": "train.tsv", "valid": "valid.tsv", "test": "test.*.tsv"}
    settings = {
        "task": "nli",
        "model": "model",
        "languages": ["de", "fr"],
        "data": data,
        "lexicon": {"dictionaries": {"de": "en-de.tsv", "fr": "en-fr.tsv"}},
        "baseline": "standard",
        "recipes": recipes,
    }
    write(folder / "config.resolved.yaml", json.dumps(settings))
    rows = [row("en", "standard", 0.7, None), row("en", "csr", 0.71, comparisons[0])]
    rows += [row("de", "standard", 0.5, None), row("de", "csr", 0.57, comparisons[1])]
    rows += [row("fr", "standard", 0.45, None), row("fr", "csr", 0.45, comparisons[2])]
    content = {
        "schema": SCHEMA,
        "task": "nli",
        "baseline": "standard",
        "seeds": [1],
        "remarks": ["fr: at chance."],
        "rows": rows,
    }
    write(folder / "metrics.json", json.dumps(content))
    entries = [
        {"stage": "task", "update": update, "seconds": 1.0, "valid_accuracy": 0.4 + update / 100} for update in (0, 9)
    ]
    write(folder / "csr/seed1/metrics.jsonl", "".join(f"{json.dumps(entry)}\n" for entry in entries))
    html = unescape(run_page([folder]).html)
    assert "Code-switching helped in part: of 3 comparisons 1 better, 2 undecided." in html
    assert (
        "de: csr is better than standard by 7.0 points of accuracy: 57.0% against 50.0%; 95 % interval of the "
        "difference +3.0 to +11.0; p = 0.002 (0.006 adjusted); 600 test examples." in html
    )
    assert "fr: at chance." in html
    assert html.count("<caption>en, de, fr: scores on the test set") == 1
    assert "57.0%<wbr> (52.0% to 62.0%)" in html
    assert "nli: validation accuracy" in html
    assert "No known configuration" not in html


@pytest.mark.slow
def test_runs_of_the_same_test_set_stand_side_by_side(finished: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "other", **{"metrics.json": metrics(against(-2.5, 0.01, (-3.6, -1.4)))})
    made = run_page([finished, other])
    assert made.warnings == ()
    page = Page(made.html)
    assert "Scores side by side" in page.texts["h2"]
    assert {"mine", "other"} <= set(page.texts["th"])
    assert len({drawing.name for drawing in made.drawings}) == len(made.drawings)
    identities = [value for _, name, value in page.attributes if name == "id"]
    assert len(identities) == len(set(identities))


def test_runs_of_different_test_sets_are_not_compared(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpora = {"de-en": {"test": {"origin": "x", "pairs": 6, "fingerprint": "bbbb"}}}
    other = make_run(tmp_path / "other", **{"manifest.json": {"corpora": corpora}})
    out = tmp_path / "report.html"
    monkeypatch.setattr("sys.argv", ["switchtune", "report", str(finished), str(other), "--out", str(out)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    said = "mine and other have different test sets for de-en; their scores are not compared."
    assert capsys.readouterr().err == f"switchtune: {said}\n"
    html = out.read_text(encoding="utf-8")
    assert said in html
    assert "Scores side by side" not in html


@pytest.mark.slow
def test_every_two_runs_are_looked_at(finished: Path, tmp_path: Path) -> None:
    begun = make_run(tmp_path / "begun", **{"metrics.json": None, "manifest.json": None})
    unknown = make_run(tmp_path / "unknown", **{"manifest.json": None})
    assert run_page([finished, begun]).warnings == ()
    (warning,) = different_tests([read_run(folder) for folder in (finished, begun, unknown)])
    assert warning.startswith("Whether mine and unknown have the same test set for de-en is not known")


def test_no_run_and_the_same_run_twice_are_refused(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no run is there \(config.resolved.yaml is missing\)"):
        run_page([tmp_path])
    with pytest.raises(UsageError, match="named twice"):
        run_page([finished, finished / "."])


@pytest.mark.slow
def test_figures_are_files_of_their_own(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, figures = tmp_path / "report.html", tmp_path / "figures"
    for form in ("svg", "pdf"):
        command = ["switchtune", "report", str(finished), "--out", str(out), "--figures", str(figures)]
        monkeypatch.setattr("sys.argv", [*command, "--format", form])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 0
    names = {path.stem for path in figures.glob("*.svg")}
    assert {"valid_nll-de-en", "nll-de-en", "zeroshot-test-csr", "frequency-de-en", "domain-de-en-1"} <= names
    assert {path.stem for path in figures.glob("*.pdf")} == names
    for path in figures.glob("*.svg"):
        assert "var(" not in path.read_text(encoding="utf-8")
        assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert ">csr</text>" in (figures / "nll-de-en.svg").read_text(encoding="utf-8")


def test_a_run_of_any_size_makes_a_page_below_the_limit(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "mine")
    (tmp_path / "data-of-mine/test.de").unlink()
    for arm in ("standard", "csr"):
        lines = "".join(f"{arm} {'<&> ' * 40} {number}\n" for number in range(20_000))
        write(folder / f"de-en/{arm}/seed1/hypotheses.txt", lines)
    html = run_page([folder]).html
    assert 1_000_000 < len(html.encode()) < MOST_BYTES
    assert re.search(r"differ in 20,000 of 20,000 outputs; the first [\d,]+ are shown", html)


def test_outputs_of_every_arm_that_switches_and_of_given_systems_are_shown(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "mine")
    config = yaml.safe_load((folder / "config.resolved.yaml").read_text(encoding="utf-8"))
    gpt, more = {"name": "gpt", "outputs": {"de-en": "gpt.txt"}}, {"name": "more", "switching": {"rate": 0.9}}
    config["arms"] = ["standard", "csr", more | {"recipe": "csr"}, "csr+", gpt, {"name": "same", "recipe": "csr"}]
    write(folder / "config.resolved.yaml", yaml.safe_dump(config))
    for arm in ("more/seed2", "csr+/seed1", "gpt"):
        write(folder / f"de-en/{arm}/hypotheses.txt", "".join(f"{arm} {number}\n" for number in range(6)))
    html = unescape(run_page([folder]).html)
    for told in ("csr, seed 1,", "more, seed 2,", "csr+, seed 1,", "gpt, seed 1,"):
        assert f"standard and {told} differ in" in html
    assert "standard and same" not in html  # which has no outputs yet
    parts = {part.name: part for part in parts_of(Asked(read_run(folder), room=10_000))}
    assert [panel.title for panel in parts["translations"].panels] == [
        f"de-en, {arm}" for arm in ("csr", "more", "csr+", "gpt")
    ]
    # What has no stage 1 is not shown there, nor what switches as another does.
    assert [panel.title for panel in parts["switched"].panels] == ["de-en, csr", "de-en, more"]
    assert len({panel.content["name"] for panel in parts["translations"].panels}) == 4


def test_nothing_is_asked_for_from_outside(finished: Path) -> None:
    html = run_page([finished]).html
    for text in ("http://", "https://", "url(", "@import", '<link rel="stylesheet'):
        assert text not in html


# Pieces


texts = st.text(st.sampled_from("ab cd<&>\"'\t.日本üกั้کی\u200c👩\u200d🚀"), max_size=40)


@settings(max_examples=200)
@given(texts, texts)
def test_marks_leave_the_text_and_cover_the_difference(first: str, second: str) -> None:
    marked = difference(first, second)
    assert tuple("".join(text for _, text in each) for each in marked) == (first, second)
    rest = ["".join(re.sub(r"\s", "", text) for differs, text in each if not differs) for each in marked]
    assert rest[0] == rest[1]
    if first == second:
        assert not any(differs for differs, _ in marked[0])


def test_words_that_differ_are_marked() -> None:
    first, second = difference("The red dress.", "The green dress.")
    assert first == [(False, "The "), (True, "red"), (False, " dress.")]
    assert second == [(False, "The "), (True, "green"), (False, " dress.")]
    assert difference("我喜欢茶", "我喜欢酒")[0] == [(False, "我喜欢"), (True, "茶"), (False, "")]
    assert difference("ฉันดื่มน้ำ", "ฉันดื่มนม")[0] == [(False, "ฉันดื่ม"), (True, "น้ำ"), (False, "")]
    assert difference("a 👩‍🚀", "a 👩")[0] == [(False, "a "), (True, "👩‍🚀"), (False, "")]


@pytest.mark.parametrize(
    ("text", "direction"),
    [
        ("BBC: يركض كلب عبر المرج 🐕 (2024).", "rtl"),
        ("کتاب‌ها", "rtl"),
        ("سرخ لباس", "rtl"),
        ("שלום!", "rtl"),
        ("The word كلب means dog.", "ltr"),
        ("犬 123", "ltr"),
        ("", "ltr"),
    ],
)
def test_a_text_runs_as_most_of_its_letters_do(text: str, direction: str) -> None:
    assert text_direction(text) == direction


@pytest.mark.parametrize("values", [(5.0,), (0.0, 0.0), (-3.0, 2.0), (1e-4, 1e3), (1e15, -1e15)])
def test_any_values_and_names_can_be_read_from_a_chart(values: tuple[float, ...]) -> None:
    chart = Chart("x", "<t>", "update", "<u>", [Series("</script>", "<g>", tuple(enumerate(values)))])
    assert chart.data()["series"][0]["y"] == list(values)
    svg = ElementTree.fromstring(chart.svg())
    assert [each.get("data-group") for each in svg.iter() if each.get("class") == "series"] == ["0"]


def test_data_cannot_end_the_element_that_it_stands_in(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "mine")
    curve = folder / "de-en/csr/seed1/metrics.jsonl"
    stage = json.dumps("</script><script>")
    curve.write_text(curve.read_text(encoding="utf-8").replace('"restore"', stage), encoding="utf-8")
    contents = re.findall(r'<script type="application/json">(.*?)</script>', run_page([folder]).html)
    names = [series["name"] for content in contents for series in json.loads(content)["series"]]
    assert "csr seed 1 (</script><script>)" in names


@given(st.lists(st.text(max_size=5), max_size=8), st.integers(0, 30))
def test_what_fits_is_shown(texts: list[str], most: int) -> None:
    kept = fitting(texts, most, str.upper)
    assert kept == [text.upper() for text in texts[: len(kept)]]
    assert sum(len(text.encode()) for text in kept) <= most
    if len(kept) < len(texts):
        assert sum(len(text.upper().encode()) for text in texts[: len(kept) + 1]) > most


def test_the_policy_of_a_page_forbids_it_to_ask_for_anything() -> None:
    policy = [value for tag, name, value in Page(render("page.html", title="<t>")).attributes if name == "content"]
    assert "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:" in policy


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(each * 2 for each in digits) if len(digits) == 3 else digits
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_colours_have_the_contrast_of_wcag_aa(dark: bool) -> None:
    colours = dict(re.findall(r"(--\w+): (#\w+)", package_text("charts.css")))
    if dark:
        block = package_text("page.css").partition("(prefers-color-scheme: dark)")[2].partition("\n}")[0]
        changed = dict(re.findall(r"(--\w+): (#\w+)", block))
        assert changed.keys() == colours.keys()
        colours = changed
    for name in ("--ink", "--soft", "--link", "--green", "--amber", "--red"):
        for ground in ("--paper", "--raised"):
            assert contrast(colours[name], colours[ground]) >= 4.5, name
    assert contrast(colours["--ink"], colours["--mark"]) >= 4.5
    for number in range(8):
        assert contrast(colours[f"--s{number}"], colours["--paper"]) >= 3


def test_figures_have_the_colours_of_the_page() -> None:
    colours = dict(re.findall(r"--(\w+): (#\w+)", package_text("charts.css")))
    assert {name: {"#fff": "#ffffff"}.get(colours[name], colours[name]) for name in PALETTE} == PALETTE
