"""The demo's page and its answers on 127.0.0.1."""

import asyncio
import hmac
import json
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from importlib.resources import files
from string import Template
from typing import Any

import anyio
import uvicorn
from pydantic import ValidationError
from pydantic_core import from_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from switchtune.demo.session import LONGEST_TEXT, QUESTIONS, DemoSession
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.lexicon.records import LexiconError
from switchtune.report.html import package_text

HOST = "127.0.0.1"
LARGEST_REQUEST = 32_768
"""Bytes."""
READING_SECONDS = 5.0
"""How long a client may take to send its question."""
PATIENCE_SECONDS = 3
"""How long a question waits for those before it, and then its client before it asks again."""

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Demo:
    """A server of one session, which answers one question at a time and tells those that wait long to ask again.

    It serves one page and six questions, no files. A question has to come from the page: to this address by name (a
    foreign name that was made to lead here is refused), as JSON, with the secret that stands in the page alone.
    """

    def __init__(self, session: DemoSession, port: int) -> None:
        """Take the port; 0 takes one that is free."""
        self.session = session
        self.answers: dict[str, Callable[..., Any]] = {name: getattr(session, name) for name in QUESTIONS}
        self.token = secrets.token_urlsafe(32)
        try:
            self._socket = socket.create_server((HOST, port), backlog=256)
        except OSError as error:
            raise UsageError(
                f"--port {port}: cannot be used ({error.strerror}). Give another, or 0 for any."
            ) from error
        self.address: tuple[str, int] = self._socket.getsockname()
        self.url = f"http://{HOST}:{self.address[1]}/"
        self._hosts = tuple(f"{name}:{self.address[1]}" for name in (HOST, "localhost"))
        self.worker = ThreadPoolExecutor(1)
        app = Starlette(
            routes=[Route("/", self._page), Route("/api/{question}", self._question, methods=["POST"])],
            exception_handlers=dict.fromkeys(
                (HTTPException, ValidationError, SwitchtuneError, OSError, Exception), _told
            ),
        )
        # Without a configuration of its own its log goes where all others go.
        config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None, access_log=False, server_header=False)
        self._server = uvicorn.Server(config)

    def run(self) -> None:
        """Serve until the process is interrupted or `stop` is called; what is being answered then is answered."""
        with self.worker, self._socket:
            self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """End `run`, from another thread."""
        self._server.should_exit = True

    async def _page(self, request: Request) -> Response:
        self._require_own_address(request)
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return HTMLResponse(
            page(self.session, self.token, nonce), headers=_HEADERS | {"Content-Security-Policy": policy}
        )

    async def _question(self, request: Request) -> Response:
        body = await _body(request)
        self._require_own_address(request)
        self._require_own_page(request)
        if (question := request.path_params["question"]) not in self.answers:
            raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such question.")
        try:
            asked = from_json(body)
        except ValueError as error:
            raise HTTPException(HTTPStatus.BAD_REQUEST, f"No JSON: {error}.") from error
        if not isinstance(asked, dict):
            raise HTTPException(HTTPStatus.BAD_REQUEST, "A question is a JSON object.")
        future = self.worker.submit(self.answers[question], **asked)
        answered = asyncio.wrap_future(future)
        await asyncio.wait([answered], timeout=PATIENCE_SECONDS)
        if future.cancel():
            message = "Others are being answered; ask again in a few seconds."
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, message, {"Retry-After": str(PATIENCE_SECONDS)})
        answer = await answered
        if isinstance(answer, Iterator):
            return StreamingResponse(self._one_by_one(answer), media_type="application/x-ndjson", headers=_HEADERS)
        return JSONResponse(answer, headers=_HEADERS)

    async def _one_by_one(self, answers: Iterator[Any]) -> AsyncIterator[str]:
        """Answers as they are found, a line each; between them others are answered. The last may say what went wrong.

        Once the client has gone, or the server is to end, nothing more is looked for.
        """
        loop = asyncio.get_running_loop()
        try:
            while not self._server.should_exit:
                answer = await loop.run_in_executor(self.worker, next, answers, None)
                if answer is None:
                    break
                yield json.dumps(answer) + "\n"
        except Exception as error:
            yield json.dumps({"error": _explained(error)[1]}) + "\n"
            if not isinstance(error, (SwitchtuneError, OSError)):
                raise

    def _require_own_address(self, request: Request) -> None:
        """Have it be asked for by one of our own names, and not by the page of another site."""
        origins = (None, *(f"http://{host}" for host in self._hosts))
        if request.headers.get("Host") not in self._hosts or request.headers.get("Origin") not in origins:
            raise HTTPException(HTTPStatus.FORBIDDEN, f"This page is only at {self.url}.")

    def _require_own_page(self, request: Request) -> None:
        """Have the question come from our page, which alone knows the secret."""
        kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        token = request.headers.get("X-Switchtune-Token", "")
        if kind != "application/json" or not hmac.compare_digest(token.encode(), self.token.encode()):
            raise HTTPException(HTTPStatus.FORBIDDEN, "Questions must come from the page; reload it.")


def page(session: DemoSession, token: str, nonce: str) -> str:
    """The page, with what it is to know; only what has its nonce is run or drawn by."""
    about = {"token": token, "longest": LONGEST_TEXT, "pairs": session.about()}
    return Template(_text("demo.html")).substitute(
        nonce=nonce,
        style=package_text("charts.css") + package_text("page.css") + _text("demo.css"),
        script=_text("demo.js"),
        about=json.dumps(about).replace("<", "\\u003c"),
        longest=f"{LONGEST_TEXT:,}",
        **session.wording(),
    )


async def _body(request: Request) -> bytes:
    """What is asked; of too much the rest is read too, for without that the answer may not arrive."""
    body, size = b"", 0
    try:
        with anyio.fail_after(READING_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                body += chunk if size <= LARGEST_REQUEST else b""
    except TimeoutError as error:
        message = f"The request did not arrive within {READING_SECONDS:g} seconds."
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, message, {"Connection": "close"}) from error
    except ClientDisconnect as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The request was cut off.") from error
    if size > LARGEST_REQUEST:
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"At most {LARGEST_REQUEST:,} bytes.")
    return body


def _told(_: Request, error: Exception) -> Response:
    """What went wrong; the traceback of what nobody foresaw is on the terminal too."""
    status, message, headers = _explained(error)
    return JSONResponse({"error": message}, status, _HEADERS | headers)


def _explained(error: Exception) -> tuple[HTTPStatus, str, dict[str, str]]:
    """What went wrong as a status, a message and further headers."""
    status, message, headers = HTTPStatus.INTERNAL_SERVER_ERROR, str(error), dict[str, str]()
    match error:
        case HTTPException():
            status, message, headers = HTTPStatus(error.status_code), error.detail, dict(error.headers or {})
        case ValidationError():
            problems = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            status, message = HTTPStatus.BAD_REQUEST, "; ".join(problems)
        case UsageError() | LexiconError():
            status = HTTPStatus.BAD_REQUEST
        case SwitchtuneError() | OSError():
            pass
        case _:
            message = f"{type(error).__name__}: {error}"
    return status, message, headers


def _text(name: str) -> str:
    return files("switchtune.demo").joinpath(name).read_text(encoding="utf-8")


def serve(session: DemoSession, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until the process is interrupted; `on_ready` is told the address when the page can be asked for there."""
    demo = Demo(session, port)
    on_ready(demo.url)
    with suppress(KeyboardInterrupt):
        demo.run()
