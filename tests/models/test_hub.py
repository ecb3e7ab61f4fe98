"""A Hub that cannot be reached is one message after a moment, and one that answers is asked on."""

import socket
import time

import pytest
from huggingface_hub import constants
from transformers import AutoConfig

from switchtune.errors import SwitchtuneError
from switchtune.models.files import from_pretrained
from switchtune.models.hub import why_unreachable


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


def test_a_hub_that_refuses_is_asked_once_and_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # where nobody listens
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(
            SwitchtuneError, match=r"facebook/none: no such folder, nor .* the Hub cannot be reached \("
        ):
            from_pretrained(AutoConfig, "facebook/none")
        assert time.monotonic() - began < 20
    assert constants.HF_HUB_OFFLINE


def test_a_hub_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("switchtune.models.hub._PATIENCE_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert "timed out" in str(why_unreachable())


def test_whatever_a_hub_answers_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    class Answering:
        def head(self, url: str, timeout: float) -> int:
            return 503

    monkeypatch.setattr("switchtune.models.hub.get_session", Answering)
    assert why_unreachable() is None
    assert not constants.HF_HUB_OFFLINE


def test_nobody_is_asked_where_that_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("switchtune.models.hub.get_session", None)
    assert why_unreachable() is None
