"""A web server on this machine with ranges, and with what servers do wrong."""

from __future__ import annotations

import base64
import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Web:
    """Files by path, and how to misbehave; ``log`` has (path, range) of each request."""

    files: dict[str, bytes]
    url: str = ""
    ranges: bool = True
    etag: str = '"one"'
    fail_first: int = 0  # answer 503 to this many requests
    cut_first: int = 0  # break the connection in the middle of this many answers
    login: str = ""
    redirects: dict[str, str] = field(default_factory=dict)
    log: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Web]:
    web = Web(files)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            del arguments

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            web.log.append((self.path, self.headers.get("Range", "")))
            if web.fail_first:
                web.fail_first -= 1
                self._answer(503, b"later")
            elif path in web.redirects:
                self._answer(302, b"", Location=web.redirects[path])
            elif web.login and self.headers.get("Authorization") != web.login:
                self._answer(401, b"who?")
            elif path not in web.files:
                self._answer(404, b"nothing")
            else:
                self._file(web.files[path])

        def _file(self, data: bytes) -> None:
            match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if match is None or not web.ranges:
                self._answer(200, data)
                return
            first, last = int(match[1]), min(int(match[2]), len(data) - 1)
            if first >= len(data):
                self._answer(416, b"", **{"Content-Range": f"bytes */{len(data)}"})
                return
            part = data[first : last + 1]
            span = f"bytes {first}-{last}/{len(data)}"
            self._answer(206, part, ETag=web.etag, **{"Content-Range": span})

        def _answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if web.cut_first and status == 206 and len(body) > 1:
                web.cut_first -= 1
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
                return
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    web.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
