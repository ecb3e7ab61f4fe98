"""What runs and lexicons left, damaged: named with its file, or shown as it stands; nothing else comes of it."""

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import escape

from switchtune.analysis.cost import cost_record
from switchtune.analysis.dynamics import dynamics_record
from switchtune.config.load import load_run_config
from switchtune.demo.server import page
from switchtune.demo.session import open_session
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.files import read_json
from switchtune.report.lexicon_page import write_lexicon_page
from switchtune.report.run_page import run_page
from switchtune.results.drawing import write_figure
from switchtune.results.records import ANALYSIS_RECORDS
from switchtune.runs.folder import open_run
from switchtune.runs.run_files import read_run
from tests.report.made_run import EVIL, make_run
from tests.unreadable import UNREADABLE, make_unreadable

pytestmark = pytest.mark.usefixtures("drawn_once")

LEXICON = "lexicon/de-en/auto-1a2b3c4d"
CURVE, OUTPUTS = "de-en/csr/seed1/metrics.jsonl", "de-en/csr/seed1/hypotheses.txt"
SHOWN = ("metrics.json", "manifest.json", "zeroshot.json", *(f"analysis/{name}.json" for name in ANALYSIS_RECORDS))
"""What a report leaves out and names where it is damaged."""
FILES = ("config.resolved.yaml", *SHOWN, CURVE, OUTPUTS, f"{LEXICON}/judgement.json", f"{LEXICON}/lexicon.de-en.tsv")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; a test that changes a file of it puts it back."""
    folder = make_run(tmp_path_factory.mktemp("runs") / "mine")
    config = load_run_config(folder / "config.resolved.yaml").model_dump(mode="json", exclude_defaults=True)
    (folder / "config.resolved.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


def report(folder: Path) -> str:
    return run_page([folder]).html


def analyse(folder: Path) -> str:
    run = open_run(folder)
    cost_record(run)
    distances = read_json(folder / "analysis/distance.json", ANALYSIS_RECORDS["distance"])
    return "\n".join(dynamics_record(run, distances)["missing"])


def demo(folder: Path) -> None:
    page(open_session(folder), "token", "nonce")


def lexicon(folder: Path) -> Path:
    return write_lexicon_page(folder / LEXICON)


READERS: tuple[Callable[[Path], object], ...] = (report, analyse, demo, lexicon)


# Contents that no file has


ENTRY = b'{"stage": "task", "update": 0, "seconds": 1}\n'
OBJECTS = (b"{}", b'{"missing": [], "pairs": [NaN]}', b'{"rows": {}, "seeds": [], "baseline": null}')
DAMAGES = (
    *(b"", b"{", b"[]", b"null", b"7", b'"text"', b"[[]]", b"NaN", b"[" * 100_000, b"9" * 5000, b"\xff\xfe\x00"),
    *(b'{"x": "\\ud800"}', *OBJECTS),
)


@contextmanager
def holding(path: Path, content: bytes) -> Iterator[None]:
    """Have a file hold something else for a while."""
    whole = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(whole)


def said(read: Callable[[Path], object], folder: Path) -> str:
    try:
        return str(read(folder))
    except SwitchtuneError as error:
        return str(error)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: repr(damage[:12]))
def test_what_a_report_lacks_is_named_with_its_file(run: Path, damage: bytes) -> None:
    for name in SHOWN:
        if name == "manifest.json" and damage in OBJECTS:
            continue
        with holding(run / name, damage):
            (warning,) = read_run(run).damaged
        assert warning.startswith(f"{run / name}: ")
        assert warning.endswith("makes it again.")
        assert len(warning) < 400 + len(str(run))


@pytest.mark.parametrize("kind", ["folder", *UNREADABLE])
def test_what_is_no_file_to_be_read_is_named(run: Path, kind: str) -> None:
    for name in (*SHOWN, CURVE, OUTPUTS):
        (run / name).rename(run / "kept")
        (run / name).mkdir() if kind == "folder" else make_unreadable(run / name, kind)
        found = read_run(run).damaged
        (run / name).rmdir() if kind == "folder" else (run / name).unlink()
        (run / "kept").rename(run / name)
        expected = "20,000,000,000 bytes" if kind == "giant" else "a "
        assert any(line.startswith(f"{run / name}: {expected}") for line in found)


def test_results_of_another_version_are_refused_in_one_sentence(run: Path) -> None:
    with holding(run / "metrics.json", b'{"baseline": "standard", "seeds": [1], "rows": [{"recipe": "standard"}]}'):
        (warning,) = read_run(run).damaged
    assert warning == (
        f"{run / 'metrics.json'}: written by another version of switchtune. The same `switchtune run` makes it again."
    )


def test_lists_without_end_are_refused(run: Path) -> None:
    with holding(run / "analysis/cost.json", b'{"missing": [], "rows": [' + b"0," * 10**6 + b"0]}"):
        assert "rows: List should have at most 1000000 items" in read_run(run).damaged[0]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (CURVE, b"[]\n{}\n", ":1: Input should be an object (found []). Fix the line, or remove "),
        (CURVE, ENTRY + b"[]", ":2: Input should be an object (found [])."),
        (CURVE, ENTRY + b'{"stage": "task", "update": 1e400, "seconds": 1}\n', ":2: update: Input should be "),
        (OUTPUTS, b"one\n\xff\n", ": not UTF-8 (invalid start byte at byte 4). Remove the file, and the same command"),
        (OUTPUTS, b"one\ntwo", ": ends within a line. Remove the file, and the same command"),
    ],
)
def test_damaged_curves_and_outputs_are_told(run: Path, name: str, content: bytes, says: str) -> None:
    with holding(run / name, content):
        (warning,) = read_run(run).damaged
        assert warning.startswith(f"{run / name}{says}")
        assert f"{run / name}{says}" in said(analyse, run)


@pytest.mark.slow
@pytest.mark.parametrize("lines", [0, 5, 7])
def test_outputs_are_not_shown_where_they_are_not_as_many_as_texts(run: Path, lines: int) -> None:
    with holding(run / OUTPUTS, b"a line\n" * lines):
        html = report(run)
    assert f"csr/seed1 {lines}, the test set 6). Remove the hypotheses.txt that is wrong" in html
    assert "Text 4 of the test set" not in html


def test_a_demo_needs_no_judgement(run: Path) -> None:
    with holding(run / LEXICON / "judgement.json", b"{"):
        demo(run)
        assert "Not shown: " in report(run)
        with pytest.raises(SwitchtuneError, match=r"judgement.json: not valid JSON"):
            lexicon(run)


def test_settings_of_another_version_are_named_with_the_version(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "mine")
    path = folder / "config.resolved.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "mixture_share: 0.5\n", encoding="utf-8")
    manifest = folder / "manifest.json"
    noted = json.loads(manifest.read_bytes())
    for versions, wrote in (({"switchtune": "0.0.9"}, r"written by 0\.0\.9"), ({}, "written by another version")):
        manifest.write_text(json.dumps({**noted, "versions": versions}), encoding="utf-8")
        with pytest.raises(UsageError, match=rf"(?s)unknown key 'mixture_share'.*{wrote}.*Open it with the version"):
            open_run(folder)
    assert any("mixture_share" in said for said in read_run(folder).missing)


def evil(value: Any) -> Any:
    """A record all of whose texts and names of one's own are HTML."""
    if isinstance(value, dict):
        fixed = {key: value.get(key) for key in ("verdict", "metric", "test", "answer")} | {"languages": [EVIL, EVIL]}
        whole = {key: fixed[key] if key in fixed else evil(inner) for key, inner in value.items()}
        return whole | {"updates": {EVIL: 7}} if isinstance(value.get("updates"), dict) else whole
    return [evil(inner) for inner in value] if isinstance(value, list) else EVIL if isinstance(value, str) else value


@pytest.mark.slow
def test_no_text_of_any_file_becomes_html(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "mine")
    for path in folder.rglob("*.json"):
        path.write_text(json.dumps(evil(json.loads(path.read_bytes()))), encoding="utf-8")
    entries = (folder / CURVE).read_text(encoding="utf-8").replace('"task"', json.dumps(EVIL))
    (folder / CURVE).write_text(entries, encoding="utf-8")
    made = run_page([folder])
    assert made.warnings == ()
    for title in (
        "Scores",
        "Curves",
        "Zero-shot",
        "Rare",
        "Lexicon",
        "Distance",
        "The domain",
        "Cost",
        "What it was made",
    ):
        assert f"<h2>{title}" in made.html
    assert made.html.count(str(escape(EVIL))) > 40
    assert made.html.count("<script>") == 1
    assert "<img" not in made.html
    for drawing in made.drawings:
        (path,) = write_figure(tmp_path / drawing.name, drawing.draw, ["svg"])
        ElementTree.parse(path)
        assert re.fullmatch(r"[\w.-]+", drawing.name, re.ASCII)


# Drawn


SCALARS = st.one_of(
    st.sampled_from(
        [None, True, -1, 0, 0.5, 1e-320, 1e300, float("nan"), float("inf"), "", "x" * 300, "\0", "../../x"]
    ),
    st.sampled_from(["</script><script>alert(1)</script>", "<b id='taken'>", "\u202e", "de-en", "green", 10**400]),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=5),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a value with each of its keys or indices."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


def changed(data: st.DataObject, value: Any) -> Any:
    """A value with something in it replaced, left out or repeated."""
    found = list(places(value)) if isinstance(value, dict | list) else []
    if not found or data.draw(st.integers(0, 30)) == 0:
        return data.draw(VALUES)
    for _ in range(data.draw(st.integers(1, 3))):
        within, key = data.draw(st.sampled_from(found))
        if isinstance(within, list) and key >= len(within):
            continue
        kind = data.draw(st.sampled_from(["replace", "leave out", "repeat"]))
        if kind == "leave out":
            within.pop(key, None) if isinstance(within, dict) else within.pop(key)
        elif kind == "repeat" and isinstance(within, list):
            within.append(within[key])
        else:
            within[key] = data.draw(VALUES)
    return value


def damaged(data: st.DataObject, name: str, content: bytes) -> bytes:
    if name.endswith("json"):
        return json.dumps(changed(data, json.loads(content))).encode()
    if name.endswith("yaml"):
        return yaml.safe_dump(changed(data, yaml.safe_load(content))).encode()
    lines = content.split(b"\n")
    place = data.draw(st.integers(0, len(lines) - 1))
    if name.endswith("jsonl") and lines[place] and data.draw(st.booleans()):
        lines[place] = json.dumps(changed(data, json.loads(lines[place]))).encode()
    else:
        lines[place : place + data.draw(st.integers(0, 2))] = data.draw(st.lists(st.binary(max_size=8), max_size=2))
    return b"\n".join(lines)


@settings.get_profile("fuzz")
@given(data=st.data())
def test_whatever_a_file_holds_is_shown_or_refused(run: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(FILES))
    read = data.draw(st.sampled_from(READERS))
    with holding(run / name, damaged(data, name, (run / name).read_bytes())):
        found = said(read, run)
    if read is report and not found.startswith(str(run)):
        assert found.count("<script>") == 1
        assert "<b id=" not in found
