"""The demo's page and its answers on 127.0.0.1.

The standard library serves it rather than gradio: five questions with JSON answers need no framework, and a page of our
own asks no other host for fonts or analytics, and can colour words and edit a lexicon in place.
"""

import hmac
import json
import secrets
import sys
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from io import BufferedReader
from queue import SimpleQueue
from socket import SHUT_WR, SocketIO, socket
from string import Template
from threading import Semaphore, Thread
from time import monotonic
from typing import Any

from pydantic import ValidationError

from switchtune.demo.session import LONGEST_TEXT, Workshop, answers
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.lexicon.records import LexiconError
from switchtune.report.html import package_text

HOST = "127.0.0.1"
LARGEST_REQUEST = 32_768
"""Bytes."""
CLIENTS = 256
"""Served at once, a thread each; further ones wait to be let in."""
READING_SECONDS = 5.0
"""How long a client may take to say all that it asks."""
PATIENCE_SECONDS = 3
"""How long a question waits for those before it, and then its client before it comes again."""

_JSON = "application/json"


class Demo(ThreadingHTTPServer):
    """A server of one workshop, which answers one question at a time and tells those that wait long to come again.

    It serves one page and five questions, no files. A question has to come from the page: to this address by name (a
    foreign name that was made to lead here is refused), as JSON, with the secret that stands in the page alone.
    """

    daemon_threads = True
    request_queue_size = CLIENTS

    def __init__(self, workshop: Workshop, port: int) -> None:
        """Take the port; 0 takes one that is free.

        Raises:
            UsageError: the port is taken.
        """
        self.workshop = workshop
        self.answers = answers(workshop)
        self.token = secrets.token_urlsafe(32)
        self._asked = SimpleQueue[tuple[Future[dict[str, Any]], Callable[[], dict[str, Any]]] | None]()
        self._free = Semaphore(CLIENTS)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise UsageError(
                f"--port {port}: cannot be used ({error.strerror}). Give another, or 0 for any."
            ) from error

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """By what names the page is reached."""
        return tuple(f"{name}:{self.server_port}" for name in (HOST, "localhost"))

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a client in a thread, when there is one for it."""
        self._free.acquire()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Take leave of a client."""
        super().shutdown_request(request)
        self._free.release()

    def shutdown(self) -> None:
        """Serve no further client, also where one waits to be let in."""
        self._free.release()
        self._asked.put(None)
        super().shutdown()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what went wrong with a client; one that has left, or does not listen, is no error."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)

    def answer(self, question: str, body: bytes) -> tuple[HTTPStatus, dict[str, Any]]:
        """What is answered to the JSON of a question, or what is wrong with it.

        Raises:
            SwitchtuneError: it could not be answered, for no fault of the question.
        """
        if question not in self.answers:
            return HTTPStatus.NOT_FOUND, {"error": "There is no such question."}
        form, answer = self.answers[question]
        future = Future[dict[str, Any]]()
        self._asked.put((future, lambda: answer(form.model_validate_json(body))))
        wait([future], PATIENCE_SECONDS)
        if future.cancel():
            return HTTPStatus.SERVICE_UNAVAILABLE, {"error": "Others are being answered; ask again in some seconds."}
        try:
            return HTTPStatus.OK, future.result()
        except ValidationError as error:
            return HTTPStatus.BAD_REQUEST, {"error": "; ".join(map(_problem, error.errors()))}
        except (UsageError, LexiconError) as error:
            return HTTPStatus.BAD_REQUEST, {"error": str(error)}

    def work(self) -> None:
        """Find the answers until `shutdown`; in the main thread, for one in PyTorch when the process ends aborts it."""
        for future, answer in iter(self._asked.get, None):
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(answer())
                except Exception as error:  # noqa: BLE001 - raised where it was asked
                    future.set_exception(error)

    def page(self, nonce: str) -> str:
        """The page, with what it is to know; what has this nonce alone is run or drawn by."""
        about = json.dumps(self.workshop.about()).replace("<", "\\u003c")
        return Template(_text("demo.html")).substitute(
            nonce=nonce,
            style=package_text("charts.css") + package_text("page.css") + _text("demo.css"),
            script=_text("demo.js"),
            token=self.token,
            about=about,
            longest=LONGEST_TEXT,
            **self.workshop.wording(),
        )


def _text(name: str) -> str:
    return files("switchtune.demo").joinpath(name).read_text(encoding="utf-8")


class _Incoming(SocketIO):
    """What a client sends, as long as there is time for all of it: a byte now and then does not keep the thread."""

    def __init__(self, connection: socket) -> None:
        super().__init__(connection, "r")
        self._connection, self._end = connection, monotonic() + READING_SECONDS

    def readinto(self, buffer: Any) -> int | None:
        left = self._end - monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return super().readinto(buffer)


class _Handler(BaseHTTPRequestHandler):
    server: Demo
    server_version = "switchtune"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        self.rfile = BufferedReader(_Incoming(self.connection))

    def handle(self) -> None:
        """Answer a client; what fails is told there, and what nobody foresaw on the terminal too."""
        try:
            super().handle()
        except ConnectionError:
            raise
        except (SwitchtuneError, OSError) as error:
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        except Exception as error:
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}")
            raise

    def do_GET(self) -> None:
        if not self._from_here():
            return
        if self.path != "/":
            self.send_error(HTTPStatus.NOT_FOUND, "There is no such page.")
            return
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        self._write(HTTPStatus.OK, "text/html; charset=utf-8", self.server.page(nonce), policy)

    def do_POST(self) -> None:
        body = self._body()
        if body is None or not self._from_here() or not self._from_the_page():
            return
        self._send(*self.server.answer(self.path.removeprefix("/api/"), body))

    def _body(self) -> bytes | None:
        """What is asked; None where it does not come, or is too much, which is told."""
        length = self.headers.get("Content-Length", "")
        if not length or "Transfer-Encoding" in self.headers:
            self.send_error(HTTPStatus.LENGTH_REQUIRED, "A question is sent whole, with its Content-Length.")
        elif not (length.isascii() and length.isdigit()):
            self.send_error(HTTPStatus.BAD_REQUEST, "Content-Length: a number of bytes is expected.")
        elif len(length) > len(str(LARGEST_REQUEST)) or int(length) > LARGEST_REQUEST:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"At most {LARGEST_REQUEST:,} bytes.")
        else:
            try:
                body = self.rfile.read(int(length))
            except TimeoutError:
                self.send_error(HTTPStatus.REQUEST_TIMEOUT, f"Not all came within {READING_SECONDS:g} seconds.")
                return None
            if len(body) == int(length):
                return body
            self.send_error(HTTPStatus.BAD_REQUEST, f"Only {len(body):,} of {length} bytes came.")
        return None

    def _from_here(self) -> bool:
        """Whether it was asked for by one of our own names, and not by the page of another site."""
        origins = (None, *(f"http://{host}" for host in self.server.hosts))
        if self.headers.get("Host") in self.server.hosts and self.headers.get("Origin") in origins:
            return True
        self.send_error(HTTPStatus.FORBIDDEN, f"This page is at {self.server.url} alone.")
        return False

    def _from_the_page(self) -> bool:
        """Whether the question comes from our page, which alone knows the secret."""
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        token = self.headers.get("X-Switchtune-Token", "")
        if kind == _JSON and hmac.compare_digest(token.encode(), self.server.token.encode()):
            return True
        self.send_error(HTTPStatus.FORBIDDEN, "Questions come from the page alone; load it anew.")
        return False

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer with a message. What the client still sends is let in, for without that the answer may not arrive."""
        status = HTTPStatus(code)
        self._send(status, {"error": message or status.phrase})
        with suppress(OSError):
            self.connection.shutdown(SHUT_WR)
            while self.rfile.read1():
                pass

    def _send(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        self._write(status, _JSON, json.dumps(content), "default-src 'none'")

    def _write(self, status: HTTPStatus, kind: str, text: str, policy: str) -> None:
        body = text.encode()
        self.connection.settimeout(READING_SECONDS)
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Content-Security-Policy", policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
            *([("Retry-After", str(PATIENCE_SECONDS))] if status == HTTPStatus.SERVICE_UNAVAILABLE else []),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Nothing: what people type is not written down."""


def _problem(error: Any) -> str:
    """What is wrong with one field."""
    return f"{'.'.join(map(str, error['loc'])) or 'question'}: {error['msg']}"


def serve(workshop: Workshop, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until the process is interrupted; `on_ready` is told the address when the page answers there.

    Raises:
        UsageError: the port is taken.
    """
    with Demo(workshop, port) as demo, suppress(KeyboardInterrupt):
        Thread(target=demo.serve_forever, daemon=True).start()
        try:
            on_ready(demo.url)
            demo.work()
        finally:
            demo.shutdown()
