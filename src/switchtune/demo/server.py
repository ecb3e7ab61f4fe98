"""The demo's page and its answers on 127.0.0.1.

The standard library serves it rather than gradio: five questions with JSON answers need no framework, and a page of our
own asks no other host for fonts or analytics, and can colour words and edit a lexicon in place.
"""

import hmac
import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from string import Template
from threading import Lock
from typing import Any

from pydantic import ValidationError

from switchtune.demo.workshop import LONGEST_TEXT, Workshop, answers
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.report.html import package_text

HOST = "127.0.0.1"
LARGEST_REQUEST = 32_768
"""Bytes."""

_JSON = "application/json"


class Demo(ThreadingHTTPServer):
    """A server of one workshop, which answers one question at a time.

    It serves one page and five questions, no files. A question has to come from the page: to this address by name (a
    foreign name that was made to lead here is refused), as JSON, with the secret that stands in the page alone.
    """

    daemon_threads = True

    def __init__(self, workshop: Workshop, port: int) -> None:
        """Take the port; 0 takes one that is free.

        Raises:
            UsageError: the port is taken.
        """
        self.workshop = workshop
        self.answers = answers(workshop)
        self.token = secrets.token_urlsafe(32)
        self.working = Lock()
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

    def page(self, nonce: str) -> str:
        """The page, with what it is to know; what has this nonce alone is run or drawn by."""
        about = json.dumps(self.workshop.about(), ensure_ascii=False).replace("<", "\\u003c")
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


class _Handler(BaseHTTPRequestHandler):
    server: Demo
    server_version = "switchtune"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        if not self._from_here():
            return
        if self.path != "/":
            self._send(HTTPStatus.NOT_FOUND, {"error": "There is no such page."})
            return
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        self._write(HTTPStatus.OK, "text/html; charset=utf-8", self.server.page(nonce), policy)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or int(length) > LARGEST_REQUEST:
            self.close_connection = True
            self._send(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": f"At most {LARGEST_REQUEST:,} bytes."})
            return
        body = self.rfile.read(int(length))
        if not self._from_here() or not self._from_the_page():
            return
        asked = self.server.answers.get(self.path.removeprefix("/api/")) if self.path.startswith("/api/") else None
        if asked is None:
            self._send(HTTPStatus.NOT_FOUND, {"error": "There is no such question."})
            return
        form, answer = asked
        try:
            question = form.model_validate_json(body)
            with self.server.working:
                found = answer(question)
        except ValidationError as error:
            self._send(HTTPStatus.BAD_REQUEST, {"error": "; ".join(map(_problem, error.errors()))})
        except SwitchtuneError as error:
            self._send(HTTPStatus.BAD_REQUEST, {"error": str(error)})
        else:
            self._send(HTTPStatus.OK, found)

    def _from_here(self) -> bool:
        """Whether it was asked for by one of our own names."""
        if self.headers.get("Host") in self.server.hosts:
            return True
        self._send(HTTPStatus.FORBIDDEN, {"error": f"This page is at {self.server.url} alone."})
        return False

    def _from_the_page(self) -> bool:
        """Whether the question comes from our page, not from one of another site."""
        origin = self.headers.get("Origin")
        ours = origin is None or origin in {f"http://{host}" for host in self.server.hosts}
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        token = self.headers.get("X-Switchtune-Token", "")
        if ours and kind == _JSON and hmac.compare_digest(token.encode(), self.server.token.encode()):
            return True
        self._send(HTTPStatus.FORBIDDEN, {"error": "Questions come from the page alone; load it anew."})
        return False

    def _send(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        self._write(status, _JSON, json.dumps(content, ensure_ascii=False), "default-src 'none'")

    def _write(self, status: HTTPStatus, kind: str, text: str, policy: str) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Content-Security-Policy", policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
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
    """Serve until the process is interrupted.

    Raises:
        UsageError: the port is taken.
    """
    with Demo(workshop, port) as demo, suppress(KeyboardInterrupt):
        on_ready(demo.url)
        demo.serve_forever()
