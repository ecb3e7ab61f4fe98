"""Whatever is in a model's folder, it loads and translates, or there is one message."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchtune.config.pretrain import FamilyName
from switchtune.config.training import GenerationSettings
from switchtune.errors import SwitchtuneError
from switchtune.generation import translate
from switchtune.generation.export import export_ct2, open_model
from switchtune.models.load import save_model
from tests.miniature import GERMAN, lively

Change: TypeAlias = Callable[[Path], None]

SEARCH = GenerationSettings(beams=1, max_length_ratio=1.0, max_length_extra=4)

NUMBERS = st.sampled_from([-1, 0, 1, 3, 2**31, 10**9, 10**12, 10**400, 1e308, float("nan"), float("inf"), 0.5])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=8) | st.sampled_from(["<s>", "../../x", "org/kernel"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)
CONTENTS = st.sampled_from([b"", b"{}", b"[]", b"null", b"3", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 50_000])


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models by family, and one that was exported."""
    folder = tmp_path_factory.mktemp("models")
    families: tuple[FamilyName, ...] = ("mbart", "m2m100", "mt5")
    for name in families:
        save_model(lively(name), folder / name, "de", "en")
    export_ct2(str(folder / "mbart"), folder / "exported", settings=SEARCH)
    return {path.name: path for path in folder.iterdir()}


def replaced(content: bytes) -> Change:
    return lambda file: void(file.write_bytes(content))


def void(_: object) -> None: ...


def cut(share: float) -> Change:
    return lambda file: void(file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)]))


def scribbled(share: float, scribble: bytes) -> Change:
    def change(file: Path) -> None:
        content = bytearray(file.read_bytes())
        place = int(share * len(content))
        content[place : place + len(scribble)] = scribble
        file.write_bytes(content)

    return change


def folder_instead(file: Path) -> None:
    file.unlink()
    file.mkdir()


def set_inside(choices: list[int], value: Any) -> Change:
    """Walk into a JSON file by `choices` and put `value` there."""

    def change(file: Path) -> None:
        try:
            top = found = json.loads(file.read_bytes())
        except ValueError:
            return
        for depth, choice in enumerate(choices):
            keys = list(found) if isinstance(found, dict) else list(range(len(found)))
            if not keys:
                return
            key = keys[choice % len(keys)]
            if depth + 1 == len(choices) or not isinstance(found[key], (dict, list)):
                found[key] = value
                break
            found = found[key]
        file.write_text(json.dumps(top))

    return change


SHARES = st.floats(0, 1, exclude_max=True)
CHANGES = st.one_of(
    st.builds(set_inside, st.lists(st.integers(0, 10_000), min_size=1, max_size=4), VALUES),
    st.builds(replaced, CONTENTS),
    st.builds(cut, SHARES),
    st.builds(scribbled, SHARES, st.binary(min_size=1, max_size=12)),
    st.just(folder_instead),
    st.just(Path.unlink),
)


@pytest.mark.slow
@settings.get_profile("fuzz")
@given(st.sampled_from(["mbart", "m2m100", "mt5", "exported"]), st.integers(0, 100), CHANGES)
def test_it_loads_or_says_why_not(
    folders: dict[str, Path], tmp_path: Path, name: str, number: int, change: Change
) -> None:
    folder = tmp_path / "model"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(folders[name], folder)
    files = sorted(folder.iterdir())
    change(files[number % len(files)])
    try:
        translate(open_model(str(folder), None), GERMAN[:1], "de", "en", SEARCH)
    except SwitchtuneError as error:
        assert str(error)
