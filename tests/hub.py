"""A stand-in for the Hub: repositories in memory, by as much of its HTTP API as it takes to make and fill one."""

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_right"


@dataclass
class Repository:
    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)


@dataclass
class Hub:
    """Repositories by name, and those who may not be written to."""

    endpoint: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    """Large files by their hash."""
    closed: tuple[str, ...] = ("others",)
    failing: bool = False
    """Whether no commit succeeds."""


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""

    def _answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status >= 400:
            self.send_header("X-Error-Message", content["error"])
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def do_GET(self) -> None:
        name = self.path.removeprefix("/api/models/")
        found = self.hub.repositories.get(name)
        if found is None:
            self._answer(404, {"error": "Repository not found"})
        else:
            self._answer(200, {"id": name, "private": found.private, "sha": "0" * 40, "siblings": []})

    def do_PUT(self) -> None:
        self.hub.large[self.path.removeprefix("/large/")] = self._body()
        self._answer(200, {})

    def do_POST(self) -> None:
        body = self._body()
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, {"error": "Invalid username or password."})
        elif self.path == "/api/repos/create":
            self._create(json.loads(body))
        elif self.path == "/api/validate-yaml":
            self._answer(200, {"warnings": [], "errors": []})
        elif found := re.fullmatch("/api/models/(.+)/preupload/main", self.path):
            self._answer(200, {"files": [self._mode(file["path"]) for file in json.loads(body)["files"]]})
        elif found := re.fullmatch("/(.+).git/info/lfs/objects/batch", self.path):
            self._answer(200, {"objects": [self._upload(each) for each in json.loads(body)["objects"]]})
        elif found := re.fullmatch("/api/models/(.+)/commit/main", self.path):
            self._commit(found[1], [json.loads(line) for line in body.splitlines()])
        else:
            self._answer(404, {"error": f"no {self.path}"})

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        if asked["organization"] in self.hub.closed:
            self._answer(403, {"error": "You don't have the rights to create a model under this namespace"})
        elif name in self.hub.repositories:
            self._answer(409, {"error": "You already created this model repo", "url": f"{self.hub.endpoint}/{name}"})
        else:
            self.hub.repositories[name] = Repository(asked["visibility"] == "private")
            self._answer(200, {"url": f"{self.hub.endpoint}/{name}"})

    @staticmethod
    def _mode(path: str) -> dict[str, Any]:
        return {
            "path": path,
            "uploadMode": "lfs" if path.endswith((".safetensors", ".model")) else "regular",
            "shouldIgnore": False,
        }

    def _upload(self, each: dict[str, Any]) -> dict[str, Any]:
        return {**each, "actions": {"upload": {"href": f"{self.hub.endpoint}/large/{each['oid']}"}}}

    def _commit(self, name: str, lines: list[dict[str, Any]]) -> None:
        if self.hub.failing:
            self._answer(418, {"error": "The teapot is full"})
            return
        repository = self.hub.repositories[name]
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                repository.commits.append(value["summary"])
            elif line["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            else:
                repository.files[value["path"]] = self.hub.large[value["oid"]]
        self._answer(200, {"commitUrl": f"{self.hub.endpoint}/{name}/commit/{'1' * 40}", "commitOid": "1" * 40})


@contextmanager
def hub() -> Iterator[Hub]:
    made = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": made}))
    made.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
