"""The demo's server: for this machine and its own page alone; and the page in a browser with real models."""

import errno
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from switchtune.demo import server
from switchtune.demo.server import LARGEST_REQUEST, Demo
from switchtune.demo.session import Workshop
from switchtune.errors import UsageError
from switchtune.lexicon.files import read_lexicon
from tests.miniature import ENGLISH, GERMAN

ENTRIES = {"pair": "de-en", "language": "de", "query": "", "start": 0}


@contextmanager
def serving(workshop: Workshop) -> Iterator[Demo]:
    with Demo(workshop, 0) as server, ThreadPoolExecutor(2) as pool:
        pool.submit(server.serve_forever, poll_interval=0.02)
        pool.submit(server.work)
        try:
            yield server
        finally:
            server.shutdown()


@pytest.fixture
def demo(workshop: Workshop) -> Iterator[Demo]:
    with serving(workshop) as server:
        yield server
    all_answered()


@contextmanager
def busy(demo: Demo) -> Iterator[None]:
    """Another question is being answered."""
    begun, ended = threading.Event(), threading.Event()
    form, entries = demo.answers["entries"]

    def answer(_: Any) -> dict[str, Any]:
        begun.set()
        ended.wait()
        return {}

    demo.answers["entries"] = form, answer
    with ThreadPoolExecutor(1) as pool:
        pool.submit(ask, demo, "entries", ENTRIES)
        begun.wait()
        demo.answers["entries"] = form, entries
        try:
            yield
        finally:
            ended.set()


def request(
    demo: Demo | SimpleNamespace, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", demo.server_port, timeout=20)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def ask(demo: Demo | SimpleNamespace, question: str, content: Any, **changed: str) -> tuple[int, Any]:
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


def connect(demo: Demo) -> socket.socket:
    return socket.create_connection(("127.0.0.1", demo.server_port), timeout=20)


def head(demo: Demo, *lines: str) -> bytes:
    ours = f"Host: 127.0.0.1:{demo.server_port}", "Content-Type: application/json", f"X-Switchtune-Token: {demo.token}"
    return "\r\n".join(("POST /api/entries HTTP/1.1", *ours, *lines, "", "")).encode()


def heard(connection: socket.socket) -> tuple[int, Any]:
    """The status and the content of an answer."""
    start, _, body = b"".join(iter(partial(connection.recv, 65_536), b"")).partition(b"\r\n\r\n")
    return int(start.split()[1]), json.loads(body)


def answering() -> int:
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())


def all_answered() -> None:
    while answering():
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (f"Content-Length: {LARGEST_REQUEST + 1}", 413),
        (f"Content-Length: {'9' * 5000}", 413),
        ("Content-Length: -1", 400),
        ("Content-Length: x", 400),
        ("Content-Length: ²", 400),
        ("Content-Length:", 411),
        ("X-Nothing: 1", 411),
        ("Transfer-Encoding: chunked", 411),
        ("Content-Length: 2\r\nTransfer-Encoding: chunked", 411),
    ],
)
def test_a_question_that_says_no_fitting_length_is_not_even_read(demo: Demo, line: str, status: int) -> None:
    with connect(demo) as connection:
        connection.sendall(head(demo, line))
        connection.shutdown(socket.SHUT_WR)
        found = heard(connection)
    assert (found[0], list(found[1])) == (status, ["error"])
    assert ask(demo, "entries", ENTRIES)[0] == 200


def test_who_sends_too_much_hears_so_before_all_is_sent(demo: Demo) -> None:
    status, _, body = request(demo, "POST", "/api/entries", b"x" * 20_000_000)
    assert (status, json.loads(body)) == (413, {"error": "At most 32,768 bytes."})


def test_a_question_that_breaks_off_is_not_answered_as_if_it_were_whole(demo: Demo) -> None:
    with connect(demo) as connection:
        connection.sendall(head(demo, "Content-Length: 500") + json.dumps(ENTRIES).encode())
        connection.shutdown(socket.SHUT_WR)
        status, found = heard(connection)
    assert status == 400
    assert f"Only {len(json.dumps(ENTRIES))} of 500 bytes came" in found["error"]


def test_clients_that_never_end_are_sent_away_and_keep_nobody_waiting(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "READING_SECONDS", 1.0)
    begun = time.monotonic()
    silent = [connect(demo) for _ in range(60)]
    for connection in silent[30:]:
        connection.sendall(head(demo, "Content-Length: 500"))
    assert ask(demo, "entries", ENTRIES)[0] == 200
    with connect(demo) as dripping, pytest.raises(ConnectionError):
        dripping.sendall(head(demo, "Content-Length: 30000"))
        while time.monotonic() < begun + 20:
            dripping.sendall(b" ")
            time.sleep(0.05)
    assert [connection.recv(100) for connection in silent[:30]] == [b""] * 30
    for connection in silent[30:]:
        assert heard(connection) == (408, {"error": "Not all came within 1 seconds."})
    for connection in silent:
        connection.close()
    all_answered()


@pytest.mark.parametrize("sent", ["", "POST /api", "head", "body", "page"])
def test_a_client_that_leaves_is_no_traceback(
    demo: Demo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], sent: str
) -> None:
    body = json.dumps(ENTRIES).encode()
    whole = head(demo, f"Content-Length: {len(body)}")
    page = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{demo.server_port}\r\n\r\n".encode()
    left, about = threading.Event(), demo.workshop.about
    monkeypatch.setattr(demo.workshop, "about", lambda: about() if left.wait() else [])
    with busy(demo):
        with connect(demo) as connection:
            connection.sendall({"head": whole, "body": whole + body, "page": page}.get(sent, sent.encode()))
            while answering() < 2:
                time.sleep(0.01)
            # It is reset, as where a process is killed.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        left.set()
    all_answered()
    assert ask(demo, "entries", ENTRIES)[0] == 200
    assert capfd.readouterr() == ("", "")


def test_two_hundred_at_once_are_answered_or_told_to_come_again(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    form, answer = demo.answers["entries"]
    answered = []
    at_work = threading.Lock()

    def slowly(asked: Any) -> Any:
        assert at_work.acquire(blocking=False)
        answered.append(asked)
        time.sleep(0.05)
        at_work.release()
        return answer(asked)

    monkeypatch.setattr(server, "PATIENCE_SECONDS", 1)
    monkeypatch.setitem(demo.answers, "entries", (form, slowly))
    begun = time.monotonic()
    with ThreadPoolExecutor(200) as pool:
        found = list(pool.map(lambda _: ask(demo, "entries", ENTRIES), range(200)))
    assert time.monotonic() - begun < 30
    assert len(answered) == [status for status, _ in found].count(200) > 0
    again = [content for status, content in found if status != 200]
    assert again == [{"error": "Others are being answered; ask again in some seconds."}] * (200 - len(answered))


def test_no_more_threads_than_there_are_to_be(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server, "CLIENTS", 4)
    with serving(workshop) as demo:
        with ThreadPoolExecutor(40) as pool:
            asked = [pool.submit(ask, demo, "entries", ENTRIES) for _ in range(40)]
            most = max(answering() for _ in iter(lambda: all(each.done() for each in asked), True))
        assert [each.result()[0] for each in asked] == [200] * 40
        assert most <= 4
        waiting = [connect(demo) for _ in range(6)]
        while answering() < 4:
            time.sleep(0.01)
    # It ended though every thread was taken.
    for connection in waiting:
        connection.close()
    all_answered()
    assert capfd.readouterr() == ("", "")


def test_who_is_to_come_again_hears_when(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    with busy(demo):
        monkeypatch.setattr(server, "PATIENCE_SECONDS", 0)
        headers = {"Content_Type": "application/json", "X_Switchtune_Token": demo.token}
        status, answered, _ = request(demo, "POST", "/api/entries", json.dumps(ENTRIES).encode(), **headers)
    assert (status, answered["Retry-After"]) == (503, "0")


@pytest.mark.parametrize("method", ["PUT", "HEAD", "X" * 70_000])
def test_whatever_is_asked_the_answer_is_of_one_form(demo: Demo, method: str) -> None:
    with connect(demo) as connection:
        connection.sendall(f"{method} / HTTP/1.1\r\n\r\n".encode())
        status, found = heard(connection)
    assert (status, list(found)) == (414 if len(method) > 4 else 501, ["error"])


def test_what_nobody_foresaw_is_told_on_both_sides(
    demo: Demo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo.workshop, "about", lambda: 1 / 0)
    status, _, body = request(demo, "GET", "/")
    assert (status, json.loads(body)) == (500, {"error": "ZeroDivisionError: division by zero"})
    all_answered()
    assert "Traceback" in capfd.readouterr().err
    assert ask(demo, "entries", ENTRIES)[0] == 200


EDIT = {"pair": "de-en", "language": "de", "word": "Hund", "translations": [{"word": "hound", "strength": 0.5}]}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_an_edit_that_cannot_be_saved_is_told(
    demo: Demo, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], code: int
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    path = folder / "lexicon/de-en/auto-1a2b3c4d/lexicon.de-en.edits.tsv"
    with monkeypatch.context() as patch:
        patch.setattr("switchtune.lexicon.files.write_text", fail)
        status, found = ask(demo, "edit", EDIT)
    assert status == 500
    assert found["error"].startswith(f"{path}: the edit was not saved, the lexicon is as it was ({os.strerror(code)}).")
    assert not path.exists()
    assert ask(demo, "edit", EDIT)[0] == 200
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
@pytest.mark.parametrize("name", [".", "lexicon.de-en.edits.tsv"])
def test_what_is_read_only_stays_as_it_is(demo: Demo, folder: Path, name: str) -> None:
    lexicons = folder / "lexicon/de-en/auto-1a2b3c4d"
    (lexicons / "lexicon.de-en.edits.tsv").write_text("# mine\n", encoding="utf-8")
    before = {path: path.read_bytes() for path in lexicons.iterdir()}
    (lexicons / name).chmod(0o555)
    try:
        status, found = ask(demo, "edit", EDIT)
    finally:
        (lexicons / name).chmod(0o755)
    assert (status, "Permission denied" in found["error"]) == (500, True)
    assert {path: path.read_bytes() for path in lexicons.iterdir()} == before


def test_control_characters_and_overrides_arrive_as_they_are(demo: Demo) -> None:
    text = "Ein \u202eHund\u202c \x1b[31mrot \x00\x07 \u2066Katze\u2069 \ufeff\U000e0041."
    asked = {"pair": "de-en", "language": "de", "text": text}
    status, found = ask(demo, "switch", asked | {"rate": 0.0, "draw": 1})
    assert (status, found["text"]) == (200, text)
    assert ask(demo, "restore", asked)[0] == 200
    del asked["language"]
    assert ask(demo, "translate", asked)[0] == 200
    assert ask(demo, "translate", asked | {"text": "\ud800"})[0] == 400


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1"])
def test_the_page_is_not_for_other_sites(demo: Demo, origin: str) -> None:
    status, _, body = request(demo, "GET", "/", Origin=origin)
    assert status == 403
    assert demo.token.encode() not in body


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
    expect(opened.locator("#found")).to_have_text("Saved in lexicon.de-en.edits.tsv; the lexicon has 7 entries.")
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


def test_the_page_comes_again_when_it_is_told_to(
    demo: Demo, watched: tuple[Tab, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tab, _ = watched
    with busy(demo), tab.expect_response(lambda response: response.status == 503):
        monkeypatch.setattr(server, "PATIENCE_SECONDS", 0.1)
        tab.goto(demo.url)
    expect(tab.locator("#found")).to_have_text("1 to 7 of 7 entries")


BROWSER = """
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=20) as answer, open(sys.argv[0] + ".page", "wb") as page:
    page.write(answer.read())
sys.stdin.read()
"""


def test_the_verb_answers_this_machine_before_a_browser_asks_and_ends_quietly(folder: Path, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(BROWSER, encoding="utf-8")
    command = [sys.executable, "-m", "switchtune", "demo", str(folder), "--port", "0"]
    # A process in the background of a shell ignores interrupts, and so would its children.
    heeds_interrupts = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command,
        env=os.environ | {"BROWSER": f"{sys.executable} {browser} %s"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heeds_interrupts,
    ) as process:
        try:
            assert process.stdout is not None
            said = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/ \(Ctrl-C ends\)\n", process.stdout.readline())
            assert said is not None
            port = int(said[1])
            parts = psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)
            listening = [each.laddr for part in parts for each in part.net_connections() if each.status == "LISTEN"]
            assert listening == [("127.0.0.1", port)]
            while not (page := browser.with_suffix(".page")).exists() or page.stat().st_size == 0:
                time.sleep(0.05)
            token = json.loads(re.findall(r'id="about">(.*)</script>', page.read_text(encoding="utf-8"))[0])["token"]
            found = SimpleNamespace(server_port=port, token=token)
            text = {"pair": "de-en", "text": " ".join(GERMAN)}
            assert ask(found, "translate", text)[0] == 200
            with ThreadPoolExecutor(20) as pool:
                waiting = [pool.submit(ask, found, "translate", text) for _ in range(20)]
                assert next(as_completed(waiting)).result()[0] == 200
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=60)
            assert (process.returncode, out, "Traceback" in err, "terminate" in err) == (0, "", False, False)
        finally:
            process.kill()
