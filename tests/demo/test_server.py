"""The demo's server: for this machine and its own page alone; and the page in a browser with real models."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from switchtune.demo.server import LARGEST_REQUEST, Demo
from switchtune.demo.workshop import Workshop
from switchtune.errors import UsageError
from switchtune.lexicon import read_lexicon
from tests.miniature import ENGLISH, GERMAN

ENTRIES = {"pair": "de-en", "language": "de", "query": "", "start": 0}


@pytest.fixture
def demo(workshop: Workshop) -> Iterator[Demo]:
    with Demo(workshop, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def request(
    demo: Demo, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", demo.server_port, timeout=20)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def ask(demo: Demo, question: str, content: Any, **changed: str) -> tuple[int, Any]:
    headers = {"Content_Type": "application/json", "X_Switchtune_Token": demo.token, **changed}
    status, _, body = request(demo, "POST", f"/api/{question}", json.dumps(content).encode(), **headers)
    return status, json.loads(body)


def test_it_listens_to_this_machine_alone(demo: Demo) -> None:
    assert demo.server_address[0] == "127.0.0.1"
    assert demo.url == f"http://127.0.0.1:{demo.server_port}/"


def test_the_page_is_served_with_a_strict_policy(demo: Demo) -> None:
    status, headers, body = request(demo, "GET", "/")
    assert status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in headers
    assert demo.token.encode() in body


def test_a_question_of_the_page_is_answered(demo: Demo) -> None:
    status, found = ask(demo, "entries", ENTRIES, Origin=f"http://localhost:{demo.server_port}")
    assert (status, found["all"]) == (200, 7)


@pytest.mark.parametrize("path", ["/../../etc/passwd", "/metrics.json", "/api/entries", "//etc/passwd", "/?x=1"])
def test_no_file_is_served(demo: Demo, path: str) -> None:
    assert request(demo, "GET", path)[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", ""])
def test_other_names_for_this_address_are_refused(demo: Demo, host: str) -> None:
    named = host.format(port=demo.server_port)
    status, _, body = request(demo, "GET", "/", Host=named)
    assert status == 403
    assert demo.token.encode() not in body
    assert ask(demo, "entries", ENTRIES, Host=named)[0] == 403


@pytest.mark.parametrize(
    "changed",
    [
        {"X_Switchtune_Token": ""},
        {"X_Switchtune_Token": "guessed"},
        {"X_Switchtune_Token": "schlüssel"},
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
def test_questions_of_other_sites_are_refused(demo: Demo, folder: Path, changed: dict[str, str]) -> None:
    path = folder / "lexicon/de-en/auto-1a2b3c4d/lexicon.de-en.tsv"
    before = path.read_bytes()
    edit = {"pair": "de-en", "language": "de", "word": "Hund", "translations": [{"word": "cat", "strength": 0.5}]}
    assert ask(demo, "edit", edit, **changed)[0] == 403
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("question", "content", "status", "says"),
    [
        ("nothing", {}, 404, "no such question"),
        ("entries", {}, 400, "pair: Field required"),
        ("entries", [], 400, "question"),
        ("entries", ENTRIES | {"path": "/etc"}, 400, "path: Extra inputs are not permitted"),
        ("entries", ENTRIES | {"pair": "de-fr"}, 400, "no such pair"),
        ("translate", {"pair": "de-en", "text": "a" * 3001}, 400, "at most 3000 characters"),
        ("translate", {"pair": "de-en", "text": ""}, 400, "at least 1 character"),
    ],
)
def test_a_wrong_question_is_told_what_is_wrong(
    demo: Demo, question: str, content: Any, status: int, says: str
) -> None:
    found = ask(demo, question, content)
    assert found[0] == status
    assert says in found[1]["error"]


@pytest.mark.parametrize("length", [str(LARGEST_REQUEST + 1), "-1", "x", "²"])
def test_a_large_question_is_not_even_read(demo: Demo, length: str) -> None:
    with socket.create_connection(("127.0.0.1", demo.server_port), timeout=20) as connection:
        head = f"POST /api/entries HTTP/1.1\r\nHost: 127.0.0.1:{demo.server_port}\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(head.encode())
        assert b" 413 " in connection.recv(1000).split(b"\r\n")[0]


def test_broken_json_is_refused(demo: Demo) -> None:
    headers = {"Content_Type": "application/json", "X_Switchtune_Token": demo.token}
    status, _, body = request(demo, "POST", "/api/entries", b"{", **headers)
    assert status == 400
    assert "Invalid JSON" in json.loads(body)["error"]


def test_a_port_that_is_taken_is_said_to_be(demo: Demo, workshop: Workshop) -> None:
    with pytest.raises(UsageError, match=f"--port {demo.server_port}: cannot be used"):
        Demo(workshop, demo.server_port)


# In a browser


@pytest.fixture
def opened(demo: Demo, watched: tuple[Tab, list[str]]) -> Iterator[Tab]:
    """The page; whatever is done with it, it asks this server alone, and nothing goes wrong."""
    tab, heard = watched
    tab.goto(demo.url)
    yield tab
    refused = "the server responded with a status of 400"  # which the page itself tells the reader
    assert [text for text in heard if not text.startswith(demo.url) and refused not in text] == []


def test_a_sentence_is_switched_restored_and_translated(opened: Tab) -> None:
    opened.get_by_role("textbox", name="Sentence").fill(GERMAN[0])
    opened.get_by_label("Words switched").fill("1")
    opened.get_by_role("button", name="Switch, restore, translate").click()
    expect(opened.locator("#status")).to_have_text("Done.", timeout=30_000)
    expect(opened.locator("#switched ins")).to_have_text(["A", "dog"])
    expect(opened.locator("#switched del")).to_have_text(["Ein", "Hund"])
    expect(opened.locator("#candidates tr").nth(1)).to_have_text("Hunddogdog 0.75")
    expect(opened.locator("#translated h4")).to_have_text(["standard", "csr"])
    expect(opened.locator("#translated p").first).to_have_text(ENGLISH[0])
    expect(opened.locator("#restored .error")).to_have_count(0)


def test_text_is_no_html(opened: Tab) -> None:
    opened.get_by_role("textbox", name="Sentence").fill("Hund <img src=x onerror=document.title='taken'>")
    opened.get_by_role("button", name="Switch, restore, translate").click()
    expect(opened.locator("#status")).to_have_text("Done.", timeout=30_000)
    expect(opened.locator("#switched")).to_contain_text("<img")
    expect(opened).to_have_title("switchtune demo")


def test_the_lexicon_is_searched_and_edited(opened: Tab, folder: Path) -> None:
    path = folder / "lexicon/de-en/auto-1a2b3c4d/lexicon.de-en.tsv"
    expect(opened.locator("#found")).to_have_text("1 to 7 of 7 entries")
    opened.get_by_label("Search").fill("hund")
    expect(opened.locator("#entries tr")).to_have_count(1)
    opened.get_by_role("button", name="Edit Hund").click()
    opened.get_by_role("button", name="One more").click()
    opened.get_by_label("Translation", exact=True).nth(1).fill("hound")
    opened.get_by_label("Strength", exact=True).nth(1).fill("0.5")
    opened.get_by_role("button", name="Save").click()
    expect(opened.locator("#found")).to_have_text("Saved in lexicon.de-en.tsv; it has 7 entries.")
    expect(opened.locator("#entries tr td").nth(1)).to_have_text("dog 0.75, hound 0.50")
    assert [each.word for each in read_lexicon(path).entries["hund"].translations] == ["dog", "hound"]


def test_an_entry_is_added_and_a_wrong_one_refused(opened: Tab, folder: Path) -> None:
    path = folder / "lexicon/de-en/auto-1a2b3c4d/lexicon.de-en.tsv"
    opened.get_by_role("button", name="New entry").click()
    opened.locator("#word").fill("Ball")
    opened.get_by_label("Translation", exact=True).fill("ball")
    opened.get_by_label("Strength", exact=True).fill("7")
    before = path.read_bytes()
    with opened.expect_response(lambda response: response.status == 400):
        opened.get_by_role("button", name="Save").click()
    expect(opened.locator("#editor-status")).to_contain_text("strength")
    assert path.read_bytes() == before


def test_the_verb_says_where_the_page_is_and_ends_when_interrupted(folder: Path) -> None:
    command = [sys.executable, "-m", "switchtune", "demo", str(folder), "--port", "0", "--no-open"]
    # A process in the background of a shell ignores interrupts, and so would its children.
    heeds_interrupts = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=heeds_interrupts) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/ \(Ctrl-C ends\)\n", said)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()
