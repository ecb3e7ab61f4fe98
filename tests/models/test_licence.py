"""The licence of a model: read from its card, told, and carried to what is made from it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import ModelCardData

from switchtune.events import Event
from switchtune.files import write_text
from switchtune.models import licence
from switchtune.models.licence import Licence, licence_of, tell_licences, write_card
from switchtune.models.load import load_model, save_model
from switchtune.models.tags import add_languages
from switchtune.models.trim import survey, trim
from tests.miniature import GERMAN, miniature

NO_COMMERCE = Licence("cc-by-nc-4.0")


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> Iterator[None]:
    yield
    licence._read_from_hub.cache_clear()


@pytest.mark.parametrize(
    ("card", "found"),
    [
        ("---\nlicense: cc-by-nc-4.0\nlanguage: [de, en]\n---\n# NLLB\n", NO_COMMERCE),
        (
            "---\nlicense: other\nlicense_name: gemma\nlicense_link: https://ai.google.dev/gemma/terms\n---\n",
            Licence("other", "gemma", "https://ai.google.dev/gemma/terms"),
        ),
        ("---\nlanguage: de\n---\n", None),
        ("# A model\n", None),
        ("---\nlicense: [\n---\n", None),
        (None, None),
    ],
)
def test_the_card_of_a_folder(card: str | None, found: Licence | None, tmp_path: Path) -> None:
    if card is not None:
        write_text(tmp_path / "README.md", card)
    assert licence_of(str(tmp_path)) == found


@pytest.mark.parametrize(
    ("told", "described"),
    [
        (NO_COMMERCE, "cc-by-nc-4.0: no commercial use"),
        (Licence("apache-2.0"), "apache-2.0"),
        (Licence("mit"), "mit"),
        (Licence("bsd-nc"), "bsd-nc"),
        (
            Licence("cc-by-nc-sa-4.0"),
            "cc-by-nc-sa-4.0: no commercial use; what is made from it is passed on under the same licence alone",
        ),
        (Licence("other", "gemma", "https://x.org"), "gemma (https://x.org): it has terms of its own"),
    ],
)
def test_what_a_licence_forbids(told: Licence, described: str) -> None:
    assert told.describe() == described
    assert bool(told.restrictions) == (": " in described)


def test_a_card_on_the_hub_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def model_info(name: str, *, timeout: float) -> SimpleNamespace:
        asked.append((name, timeout))
        return SimpleNamespace(card_data=ModelCardData(license="cc-by-nc-4.0"))

    monkeypatch.setattr(licence, "model_info", model_info)
    assert [licence_of("facebook/nllb-200-distilled-600M") for _ in range(3)] == [NO_COMMERCE] * 3
    assert asked == [("facebook/nllb-200-distilled-600M", 3.0)]


def test_a_card_in_the_cache_needs_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "README.md", "---\nlicense: mit\n---\n")
    monkeypatch.setattr(licence, "try_to_load_from_cache", lambda *_: str(tmp_path / "README.md"))
    assert licence_of("owner/model") == Licence("mit")


def test_without_a_network_it_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def unreachable(name: str, **_: object) -> None:
        asked.append(name)
        raise RuntimeError("no network")

    monkeypatch.setattr(licence, "model_info", unreachable)
    assert licence_of("owner/model") is licence_of("owner/model") is None
    assert asked == ["owner/model"]
    said: list[Event] = []
    tell_licences({"owner/model"}, said.append)
    assert [event.what for event in said] == ["owner/model: not known, as no README.md of the model states it"]


def test_only_what_restricts_is_told(tmp_path: Path) -> None:
    for name, told in {"a": NO_COMMERCE, "b": Licence("mit")}.items():
        (tmp_path / name).mkdir()
        write_card(tmp_path / name, told)
    save_model(miniature(), tmp_path / "own", "de", "en")
    said: list[Event] = []
    tell_licences({str(tmp_path / name) for name in ("a", "b", "own")}, said.append)
    assert [(event.subject, event.what) for event in said] == [
        ("licence", f"{tmp_path}/a: cc-by-nc-4.0: no commercial use. This holds for what is trained from it, too.")
    ]


def test_all_that_is_made_from_a_model_carries_its_licence(tmp_path: Path) -> None:
    texts = {"text": GERMAN[:4]}
    save_model(replace(miniature("nllb"), licence=NO_COMMERCE), tmp_path / "model", "de", "en")
    model = str(tmp_path / "model")
    assert load_model(model).licence == NO_COMMERCE
    trim(model, survey(model, texts, ["de", "en"]), texts, tmp_path / "trimmed")
    add_languages(model, [("hsb_Latn", "de")], tmp_path / "added")
    save_model(load_model(model), tmp_path / "again", "de", "en")
    for name in ("trimmed", "added", "again"):
        assert licence_of(str(tmp_path / name)) == NO_COMMERCE
        assert "no commercial use" in (tmp_path / name / "README.md").read_text(encoding="utf-8")


def test_a_model_of_no_known_licence_has_no_card(tmp_path: Path) -> None:
    save_model(miniature(), tmp_path / "model", "de", "en")
    assert not (tmp_path / "model/README.md").exists()
