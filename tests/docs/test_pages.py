"""The pages tell the truth where a program can see it: links, commands, settings, navigation."""

import re
import runpy
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import typer
import yaml
from pydantic import BaseModel

from switchtune.cli.main import app
from switchtune.config.base import Settings
from switchtune.config.inference import NliConfig
from switchtune.config.load import load_config, parse_config, parse_yaml
from switchtune.config.pretrain import PretrainConfig
from switchtune.config.problems import blocks_of, keys_of
from switchtune.config.run import RunConfig
from switchtune.errors import UsageError
from tests.docs.markdown import Page

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [Page(path) for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md")))]
OF_THEIR_DAY = {"log.md"}
"""Pages whose commands and settings are those of the version that they tell of."""
CURRENT = [page for page in PAGES if page.path.name not in OF_THEIR_DAY]
COMMAND = typer.main.get_command(app)


def name_of(page: Page) -> str:
    return page.path.name


each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)
each_current_page = pytest.mark.parametrize("page", CURRENT, ids=name_of)


@each_page
def test_links_and_pictures_lead_somewhere(page: Page) -> None:
    for line, link in page.links():
        path, _, anchor = link.partition("#")
        if re.match("[a-z]+:", path):
            continue
        target = (page.path.parent / path).resolve() if path else page.path
        assert target.exists(), f"{page.path.name}:{line}: {link}"
        assert not anchor or anchor in Page(target).anchors(), f"{page.path.name}:{line}: no heading for #{anchor}"
        if page.path.parent == DOCS:
            assert target.is_relative_to(DOCS), f"{page.path.name}:{line}: {link} is not among the pages that are built"


def problem_of(words: list[str], *, whole: bool) -> str | None:
    """Why the command line would not be understood; files need not exist. Required words only of a `whole` line."""
    command, path = COMMAND, ["switchtune"]
    while hasattr(command, "commands"):
        if not words:
            return f"{' '.join(path)} wants a verb" if whole else None
        if words[0] not in command.commands:
            if path[-1] != "lexicon":
                return f"no verb {words[0]!r}"
            words = ["build", *words]
        command, path, words = command.commands[words[0]], [*path, words[0]], words[1:]
    context = command.context_class(command, info_name=" ".join(path))
    try:
        given, rest, _ = command.make_parser(context).parse_args(words)
    except Exception as error:  # noqa: BLE001
        said = str(getattr(error, "message", error))
        return None if said.endswith("requires an argument.") and not whole else said
    if rest:
        return f"{rest[0]!r} is too much"
    for parameter in command.params:
        value = given.get(parameter.name)
        missing = parameter.required and (value is None or value == ())
        if missing and whole:
            return f"{parameter.opts[0]} is missing"
        allowed = values_of(parameter.type_descriptor.annotation)
        if allowed and isinstance(value, str) and value not in {str(each) for each in allowed}:
            return f"{parameter.opts[0]} {value}: not among {allowed}"
    return overrides_problem(path[1], given.get("overrides") or [])


def values_of(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(value for part in get_args(annotation) for value in values_of(part))


def words_of(line: str) -> list[str]:
    """The words of a call, without what a shell does with it."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="<>|&;")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words = [word for word in lexer if word != "…"]
    stop = next((place for place, word in enumerate(words) if set(word) <= set("<>|&;")), len(words))
    return words[1:stop]


@each_current_page
def test_commands_are_understood(page: Page) -> None:
    for line, command in page.commands():
        problem = problem_of(words_of(command), whole=True)
        assert problem is None, f"{page.path.name}:{line}: {command}: {problem}"


@each_current_page
def test_verbs_and_options_that_are_mentioned_exist(page: Page) -> None:
    for line, code in page.inline_code():
        if code.startswith("switchtune ") and not re.match(r"switchtune( --|\.| [A-Z])", code):
            problem = problem_of(words_of(code), whole=False)
            assert problem is None, f"{page.path.name}:{line}: `{code}`: {problem}"


def test_a_wrong_command_is_found() -> None:
    assert problem_of(["run", "mine.yaml"], whole=True) == "--out is missing"
    assert problem_of(["run", "mine.yaml"], whole=False) is None
    assert problem_of(["nonsense"], whole=False) == "no verb 'nonsense'"
    assert "--nonsense" in (problem_of(["run", "mine.yaml", "--nonsense"], whole=False) or "")
    assert "--to onnx" in (problem_of(["export", "model", "--to", "onnx", "--out", "o"], whole=True) or "")
    assert "'en'" in (problem_of(["plan", "mine.yaml", "en"], whole=True) or "")
    assert "training.rl" in (problem_of(["plan", "mine.yaml", "--set", "training.rl=1"], whole=True) or "")
    assert problem_of(["lexicon", "a", "b", "--langs", "de-en", "--out", "o"], whole=True) is None


PAIR = {"source": "de", "target": "en", "train": "train"}
PAIRS = [PAIR | {"source": source, "monolingual": {"en": "more.en", source: "more"}} for source in ("de", "fr")]
LEAST: Mapping[type[Settings], dict[str, Any]] = {
    RunConfig: {"model": "model", "pairs": PAIRS},
    NliConfig: {
        "task": "nli",
        "model": "model",
        "languages": ["de"],
        "data": dict.fromkeys(["train", "valid", "test"], "*.tsv"),
    },
    PretrainConfig: {"texts": [{"language": "de", "path": "text"}]},
}
"""What a file of each kind has to have; what a page shows of one replaces it."""


def overrides_problem(verb: str, overrides: list[str]) -> str | None:
    """Why `--set` would be refused in a file of the verb."""
    kind = PretrainConfig if verb == "pretrain" else RunConfig
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "least.yaml"
        file.write_text(yaml.safe_dump(LEAST[kind]), encoding="utf-8")
        try:
            load_config(kind, file, overrides)
        except UsageError as error:
            return str(error)
    return None


def without_ellipses(value: Any) -> Any:
    """Settings without the dots that stand for what a page leaves out."""
    if isinstance(value, dict):
        return {key: without_ellipses(item) for key, item in value.items() if key != "…"}
    return [without_ellipses(item) for item in value if item != "…"] if isinstance(value, list) else value


def configurations() -> Iterator[Any]:
    for page in CURRENT:
        for block in page.blocks:
            if block.language == "yaml":
                yield pytest.param(block.text, id=f"{page.path.name}:{block.line}")


@pytest.mark.parametrize("text", list(configurations()))
def test_configurations_are_understood(text: str) -> None:
    shown = without_ellipses(parse_yaml(text, "block"))
    kind = next((kind for kind in LEAST if set(shown) <= set(keys_of(kind))), RunConfig)
    if "pairs" in shown:
        shown["pairs"] = [PAIR | pair for pair in shown["pairs"]]
    parse_config(kind, {**LEAST[kind], **shown})


def keys_below(block: type[BaseModel], name: str) -> set[str]:
    """Dotted keys of a block and of those within it."""
    found = {name}
    for key, field in keys_of(block).items():
        dotted = f"{name}.{key}" if name else key
        found.add(dotted)
        for below in blocks_of(field.annotation):
            found |= keys_below(below, dotted)
    return found


KEYS = set[str]().union(*(keys_below(kind, "") for kind in LEAST))
OTHER_FILE = re.compile(r"\.(json|jsonl|tsv|md|py|yaml|html|svg|png|txt|bin|pt|de|en)$")


@each_current_page
def test_settings_that_are_named_exist(page: Page) -> None:
    blocks = {key.partition(".")[0] for key in KEYS if "." in key}
    for line, code in page.inline_code():
        key = re.match(r"([a-z_]+)(\.[a-z_]+)+(?=$|:)", code)
        if key and key[1] in blocks and not OTHER_FILE.search(code):
            assert key[0] in KEYS, f"{page.path.name}:{line}: no setting {key[0]}"


def test_every_page_has_its_place_in_the_navigation() -> None:
    navigation = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), yaml.BaseLoader)["nav"]
    listed = [page for part in navigation for pages in part.values() for page in _pages_of(pages)]
    assert sorted(listed) == sorted(path.name for path in DOCS.glob("*.md"))


def _pages_of(part: Any) -> list[str]:
    return (
        [part]
        if isinstance(part, str)
        else [page for item in part for value in item.values() for page in _pages_of(value)]
    )


@pytest.mark.parametrize(
    ("script", "page"), [("make_configuration.py", "configuration.md"), ("make_commands.py", "commands.md")]
)
def test_what_is_made_from_the_program_is_up_to_date(script: str, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    made = runpy.run_path(str(DOCS / script))["reference"]()
    assert made == (DOCS / page).read_text(encoding="utf-8"), "run `make docs`"
