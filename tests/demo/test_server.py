"""The demo's server: for this machine and its own page alone."""

import errno
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from email.message import Message
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from switchtune.demo import server
from switchtune.demo.server import Demo
from switchtune.demo.session import open_session
from switchtune.errors import SwitchtuneError, UsageError
from tests.demo.serving import busy, serving
from tests.miniature import GERMAN

ENTRIES = {"pair": "de-en", "language": "de", "query": "", "start": 0}


class Address(NamedTuple):
    """Of a demo that another process serves."""

    address: tuple[str, int]
    token: str


@pytest.fixture(scope="module")
def folder(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(run_folder, tmp_path_factory.mktemp("server") / "mine"))


@pytest.fixture(scope="module")
def demo(folder: Path) -> Iterator[Demo]:
    with serving(open_session(folder)) as demo:
        yield demo


def request(
    demo: Demo | Address, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, Message, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", demo.address[1], timeout=20)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def ask(demo: Demo | Address, question: str, content: Any, **changed: str) -> tuple[int, Any]:
    headers = {"Content_Type": "application/json", "X_Switchtune_Token": demo.token, **changed}
    status, told, body = request(demo, "POST", f"/api/{question}", json.dumps(content).encode(), **headers)
    if told["Content-Type"].startswith("application/x-ndjson"):
        return status, list(map(json.loads, body.splitlines()))
    return status, json.loads(body)


def test_it_listens_to_this_machine_alone(demo: Demo) -> None:
    assert demo.address[0] == "127.0.0.1"
    assert demo.url == f"http://127.0.0.1:{demo.address[1]}/"


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
    status, found = ask(demo, "entries", ENTRIES, Origin=f"http://localhost:{demo.address[1]}")
    assert (status, found["all"]) == (200, 7)


@pytest.mark.parametrize("path", ["/../../etc/passwd", "/metrics.json", "//etc/passwd", "/demo.js", "/api/"])
def test_no_file_is_served(demo: Demo, path: str) -> None:
    assert request(demo, "GET", path)[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", ""])
def test_other_names_for_this_address_are_refused(demo: Demo, host: str) -> None:
    named = host.format(port=demo.address[1])
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
        ("entries", {}, 400, "pair: Missing required argument"),
        ("entries", [], 400, "JSON object"),
        ("entries", ENTRIES | {"path": "/etc"}, 400, "path: Unexpected keyword argument"),
        ("entries", ENTRIES | {"start": "1"}, 400, "start: Input should be a valid integer"),
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
    return socket.create_connection(("127.0.0.1", demo.address[1]), timeout=20)


def head(demo: Demo, *lines: str) -> bytes:
    ours = f"Host: 127.0.0.1:{demo.address[1]}", "Content-Type: application/json", f"X-Switchtune-Token: {demo.token}"
    return "\r\n".join(("POST /api/entries HTTP/1.1", *ours, *lines, "", "")).encode()


def heard(connection: socket.socket) -> tuple[int, Any]:
    """The status and the content of an answer."""
    start, _, body = b"".join(iter(partial(connection.recv, 65_536), b"")).partition(b"\r\n\r\n")
    return int(start.split()[1]), json.loads(body)


def test_who_sends_too_much_hears_so(demo: Demo) -> None:
    status, _, body = request(demo, "POST", "/api/entries", b"x" * 20_000_000)
    assert (status, json.loads(body)) == (413, {"error": "At most 32,768 bytes."})


@pytest.mark.parametrize("length", ["-1", "x"])
def test_a_question_of_no_length_is_not_even_read(demo: Demo, length: str) -> None:
    with connect(demo) as connection:
        connection.sendall(head(demo, f"Content-Length: {length}"))
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    assert ask(demo, "entries", ENTRIES)[0] == 200


def test_clients_that_never_end_are_sent_away_and_keep_nobody_waiting(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "READING_SECONDS", 0.5)
    silent = [connect(demo) for _ in range(60)]
    for connection in silent[30:]:
        connection.sendall(head(demo, "Content-Length: 500"))
    assert ask(demo, "entries", ENTRIES)[0] == 200
    for connection in silent[30:]:
        assert heard(connection) == (408, {"error": "The request did not arrive within 0.5 seconds."})
    for connection in silent:
        connection.close()


@pytest.mark.parametrize("sent", ["", "POST /api", "head", "body", "page"])
def test_a_client_that_leaves_is_no_traceback(demo: Demo, caplog: pytest.LogCaptureFixture, sent: str) -> None:
    body = json.dumps(ENTRIES).encode()
    whole = head(demo, f"Content-Length: {len(body)}")
    page = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{demo.address[1]}\r\n\r\n".encode()
    with busy(demo), connect(demo) as connection:
        connection.sendall({"head": whole, "body": whole + body, "page": page}.get(sent, sent.encode()))
        # It is reset, as where a process is killed.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert ask(demo, "entries", ENTRIES)[0] == 200
    assert caplog.records == []


def test_many_at_once_are_answered_one_by_one_or_told_to_come_again(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, answered = demo.answers["entries"], []
    at_work = threading.Lock()

    def slowly(**asked: Any) -> Any:
        assert at_work.acquire(blocking=False)
        answered.append(asked)
        time.sleep(0.02)
        at_work.release()
        return answer(**asked)

    monkeypatch.setattr(server, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setitem(demo.answers, "entries", slowly)
    with ThreadPoolExecutor(100) as pool:
        found = list(pool.map(lambda _: ask(demo, "entries", ENTRIES), range(100)))
    assert len(answered) == [status for status, _ in found].count(200) > 0
    again = [content for status, content in found if status != 200]
    assert again == [{"error": "Others are being answered; ask again in a few seconds."}] * (100 - len(answered))


def test_who_is_to_come_again_hears_when(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    with busy(demo):
        monkeypatch.setattr(server, "PATIENCE_SECONDS", 0)
        headers = {"Content_Type": "application/json", "X_Switchtune_Token": demo.token}
        status, answered, _ = request(demo, "POST", "/api/entries", json.dumps(ENTRIES).encode(), **headers)
    assert (status, answered["Retry-After"]) == (503, "0")


def test_an_answer_of_many_lines_lets_others_in_and_ends_where_nobody_listens(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = 0

    def endless(**_: Any) -> Iterator[dict[str, int]]:
        nonlocal told
        while True:
            time.sleep(0.01)
            told += 1
            yield {"line": told}

    monkeypatch.setitem(demo.answers, "translate", endless)
    with connect(demo) as connection:
        connection.sendall(head(demo, "Content-Length: 2").replace(b"entries", b"translate") + b"{}")
        assert b'{"line": 1}\n' in connection.recv(10_000) + connection.recv(10_000)
        assert ask(demo, "entries", ENTRIES)[0] == 200
    deadline, before = time.monotonic() + 20, -1
    while told != before and time.monotonic() < deadline:
        before = told
        time.sleep(0.2)
    assert told == before


@pytest.mark.parametrize(
    ("error", "says", "logged"),
    [(SwitchtuneError("no more memory"), "no more memory", False), (KeyError("x"), "KeyError: 'x'", True)],
)
def test_what_goes_wrong_after_the_first_line_is_the_last_one(
    demo: Demo,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    says: str,
    logged: bool,
) -> None:
    def failing(**_: Any) -> Iterator[dict[str, int]]:
        yield {"line": 1}
        raise error

    monkeypatch.setitem(demo.answers, "translate", failing)
    with connect(demo) as connection:
        connection.sendall(head(demo, "Content-Length: 2").replace(b"entries", b"translate") + b"{}")
        said = b""
        while b'"error"' not in said:
            said += connection.recv(10_000)
        assert json.dumps({"error": says}).encode() in said
    assert ask(demo, "entries", ENTRIES)[0] == 200
    assert bool(caplog.records) == logged


def test_nothing_is_put(demo: Demo) -> None:
    status, _, body = request(demo, "PUT", "/")
    assert (status, list(json.loads(body))) == (405, ["error"])


def test_what_nobody_foresaw_is_told_on_both_sides(
    demo: Demo, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(demo.session, "about", lambda: 1 / 0)
    status, _, body = request(demo, "GET", "/")
    assert (status, json.loads(body)) == (500, {"error": "ZeroDivisionError: division by zero"})
    assert ask(demo, "entries", ENTRIES)[0] == 200
    deadline = time.monotonic() + 10
    while "Traceback" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.01)  # the answer comes before the log
    assert "Traceback" in caplog.text


EDIT = {"pair": "de-en", "language": "de", "word": "Hund", "translations": [{"word": "hound", "strength": 0.5}]}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_an_edit_that_cannot_be_saved_is_told(
    demo: Demo, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    path = folder / "lexicon/de-en/auto-1a2b3c4d/lexicon.de-en.edits.tsv"
    before = path.exists() and path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("switchtune.lexicon.files.write_text", fail)
        status, found = ask(demo, "edit", EDIT)
    assert status == 500
    assert found["error"].startswith(f"{path}: the edit was not saved, the lexicon is as it was ({os.strerror(code)}).")
    assert (path.exists() and path.read_bytes()) == before
    assert ask(demo, "edit", EDIT)[0] == 200
    assert caplog.records == []


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
    assert (status, found["lines"][0]["text"]) == (200, text)
    assert ask(demo, "restore", asked)[0] == 200
    del asked["language"]
    assert ask(demo, "translate", asked)[0] == 200
    assert ask(demo, "translate", asked | {"text": "\ud800"})[0] == 400


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1"])
def test_the_page_is_not_for_other_sites(demo: Demo, origin: str) -> None:
    status, _, body = request(demo, "GET", "/", Origin=origin)
    assert status == 403
    assert demo.token.encode() not in body


def test_a_port_that_is_taken_is_said_to_be(demo: Demo) -> None:
    with pytest.raises(UsageError, match=f"--port {demo.address[1]}: cannot be used"):
        Demo(demo.session, demo.address[1])


BROWSER = """
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=20) as answer, open(sys.argv[0] + ".page", "wb") as page:
    page.write(answer.read())
sys.stdin.read()
"""


@pytest.mark.slow
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
            said = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/ \(Ctrl-C ends it\)\n", process.stdout.readline())
            assert said is not None
            port = int(said[1])
            parts = psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)
            listening = [each.laddr for part in parts for each in part.net_connections() if each.status == "LISTEN"]
            assert listening == [("127.0.0.1", port)]
            while not (page := browser.with_suffix(".page")).exists() or page.stat().st_size == 0:
                time.sleep(0.05)
            token = json.loads(re.findall(r'id="about">(.*)</script>', page.read_text(encoding="utf-8"))[0])["token"]
            found = Address(address=("127.0.0.1", port), token=token)
            text = {"pair": "de-en", "text": GERMAN[0]}
            assert ask(found, "translate", text)[0] == 200
            with ThreadPoolExecutor(8) as pool:
                waiting = [pool.submit(ask, found, "translate", text) for _ in range(8)]
                assert next(as_completed(waiting)).result()[0] == 200
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=60)
            assert (process.returncode, out, "Traceback" in err, "terminate" in err) == (0, "", False, False)
        finally:
            process.kill()
