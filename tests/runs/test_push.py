"""A model into a repository of the Hub, against a stand-in for it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest

from switchtune.cli.main import main
from switchtune.files import write_text
from switchtune.runs.card import NAME_LINE
from tests.hub import TOKEN, Hub, hub

# huggingface_hub uploads large files in a way that its own client calls out of date.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)  # whose protocol has no stand-in
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with hub() as made:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", made.endpoint)
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of a model as far as pushing goes."""
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text("{}")
    (made / "model.safetensors").write_bytes(bytes(range(256)))
    (made / ".switchtune").write_text("switchtune\n")
    write_text(made / "README.md", f"---\nlicense: cc-by-nc-4.0\n---\n# Model\n{NAME_LINE}\n")
    return made


@pytest.fixture
def pushed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> "Pushing":
    return Pushing(capsys, monkeypatch)


class Pushing:
    """`switchtune push`: exit code, standard output, standard error."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys, self.monkeypatch = capsys, monkeypatch

    def __call__(self, *arguments: object) -> tuple[object, str, str]:
        self.monkeypatch.setattr(sys, "argv", ["switchtune", "push", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        printed = self.capsys.readouterr()
        return end.value.code, printed.out, printed.err


def test_a_model_is_private_whole_and_loaded_by_its_name(folder: Path, online: Hub, pushed: Pushing) -> None:
    code, said, told = pushed(folder, "team/kitchen")
    assert (code, said) == (0, f"{online.endpoint}/team/kitchen: private, 3 files of {folder}\n")
    assert "cc-by-nc-4.0: no commercial use" in told
    made = online.repositories["team/kitchen"]
    assert made.private
    assert set(made.files) == {"config.json", "model.safetensors", "README.md"}
    assert made.files["model.safetensors"] == bytes(range(256))
    assert 'name = "team/kitchen"' in made.files["README.md"].decode()
    assert NAME_LINE in (folder / "README.md").read_text(encoding="utf-8")
    assert len(made.commits) == 1


def test_public_is_said(folder: Path, online: Hub, pushed: Pushing) -> None:
    assert pushed(folder, "team/kitchen", "--public")[0] == 0
    assert not online.repositories["team/kitchen"].private


def test_what_is_there_is_updated_only_when_told_to(folder: Path, online: Hub, pushed: Pushing) -> None:
    pushed(folder, "team/kitchen")
    code, _, told = pushed(folder, "team/kitchen")
    assert code == 2
    assert "team/kitchen: is on the Hub already. Give another name, or --update to add a commit to it." in told
    write_text(folder / "config.json", '{"a": 1}')
    assert pushed(folder, "team/kitchen", "--update")[0] == 0
    made = online.repositories["team/kitchen"]
    assert (made.files["config.json"], len(made.commits)) == (b'{"a": 1}', 2)


def test_nothing_private_goes_where_everybody_sees_it(folder: Path, online: Hub, pushed: Pushing) -> None:
    pushed(folder, "team/kitchen", "--public")
    code, _, told = pushed(folder, "team/kitchen", "--update")
    assert code == 2
    assert "team/kitchen: is public, and without --public it would be a private one." in told
    assert len(online.repositories["team/kitchen"].commits) == 1


def test_what_the_hub_refuses_is_said_in_one_message(
    folder: Path, online: Hub, pushed: Pushing, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, told = pushed(folder, "others/kitchen")
    assert (code, "the token may not write to others" in told) == (1, True)
    online.failing = True
    code, _, told = pushed(folder, "team/kitchen")
    assert code == 1
    assert told.splitlines()[-1] == (
        "switchtune: team/kitchen: the Hub answers 418 (The teapot is full). The repository is there, without the "
        "model: --update goes on."
    )
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    code, _, told = pushed(folder, "team/other")
    assert (code, "the Hub does not accept the token" in told) == (1, True)
    assert "team/other" not in online.repositories
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(folder / "none"))
    code, _, told = pushed(folder, "team/other")
    assert (code, "No token for the Hub" in told) == (1, True)


def test_a_hub_that_cannot_be_reached(
    folder: Path, online: Hub, pushed: Pushing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    code, _, told = pushed(folder, "team/kitchen")
    assert code == 1
    assert "team/kitchen: http://127.0.0.1:9 cannot be reached (ConnectError" in told
    assert "Traceback" not in told
    assert told.endswith("Nothing was uploaded.\n")


def test_names_and_folders_that_are_none(folder: Path, tmp_path: Path, online: Hub, pushed: Pushing) -> None:
    for name, said in {"kitchen": "Expected org/name", "a/b/c": "not the name of a repository"}.items():
        code, _, told = pushed(folder, name)
        assert (code, said in told) == (2, True)
    code, _, told = pushed(tmp_path, "team/kitchen")
    assert (code, f"In it are {folder}." in told) == (2, True)
    code, _, told = pushed(folder, "team/kitchen", "--langs", "de-en")
    assert (code, "--langs is for the folder of a run" in told) == (2, True)
    assert not online.repositories
