"""The house: imports follow the way of the data, the front door is light, the public names exist."""

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest

import switchtune

PACKAGE = Path(switchtune.__file__).parent

ROOMS = (
    "errors languages events files run_dir recipes evidence config corpus lexicon switching examples scoring check "
    "models training generation results runs analysis report demo cli"
).split()


def rooms_imported(path: Path) -> set[str]:
    """Rooms of the package that a file imports from, at its top or inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("switchtune.")}


def test_every_room_has_its_place() -> None:
    entries = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert entries - {"__init__", "__main__"} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_rooms_before_it(room: str) -> None:
    folder = PACKAGE / room
    for path in sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]:
        later = rooms_imported(path) - set(ROOMS[: ROOMS.index(room) + 1])
        assert not later, f"{path.relative_to(PACKAGE)} imports from {', '.join(sorted(later))}"


def imported(path: Path) -> set[str]:
    """Packages that a file imports, at its top or inside functions."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in names}


def test_whatever_is_imported_is_declared() -> None:
    """What comes along with a dependency today need not do so tomorrow."""
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 reads no TOML")
    project = tomllib.loads((PACKAGE.parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = chain(project["dependencies"], *project["optional-dependencies"].values())
    declared = {re.split(r"[^\w.-]", line)[0].lower().replace("_", "-") for line in listed}
    provided = packages_distributions()
    others = set[str]().union(*map(imported, PACKAGE.rglob("*.py"))) - {*sys.stdlib_module_names, "switchtune"}
    assert len(others) > 20
    for name in sorted(others):
        distributions = {each.lower().replace("_", "-") for each in provided.get(name, [name])}
        assert distributions & declared, f"{name} is imported, and pyproject.toml does not name {distributions}"


def written_as_text(path: Path) -> list[ast.Call]:
    """Calls in a file that write text: `write_text` of a path, and `open` in a mode that is no reading and no bytes."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    methods = [call for call in calls if isinstance(call.func, ast.Attribute)]
    modes = [(call, argument.value) for call in methods for argument in call.args if isinstance(argument, ast.Constant)]
    opened = [call for call, mode in modes if call.func.attr == "open" and mode in {"w", "a", "x", "wt", "at", "xt"}]
    return opened + [call for call in methods if call.func.attr == "write_text"]


def test_text_is_written_alike_on_every_system() -> None:
    """What is hashed, counted or read elsewhere has the same bytes on Windows: UTF-8, lines that end in a line feed."""
    calls = [(path, call) for path in sorted(PACKAGE.rglob("*.py")) for call in written_as_text(path)]
    assert len(calls) > 5
    for path, call in calls:
        given = {option.arg for option in call.keywords}
        assert given >= {"encoding", "newline"}, f"{path.relative_to(PACKAGE)}:{call.lineno}"


@pytest.mark.parametrize("statement", ["import switchtune", "import switchtune.cli.main", "import switchtune.config"])
def test_the_front_door_is_light(statement: str) -> None:
    program = (
        f"{statement}; import sys; heavy = {{'torch', 'transformers', 'datasets', 'gensim', 'pyarrow', 'sacrebleu'}}; "
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_public_name_is_there_and_typed() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed == set(switchtune.__all__)
    for name in switchtune.__all__:
        assert getattr(switchtune, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        switchtune.no_such_name  # noqa: B018
