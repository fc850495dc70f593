"""Headless Chromium, asked over its debugging pipe (Chrome DevTools Protocol, tot): what a page does.

Messages are JSON with a zero byte behind each, on descriptors 3 and 4.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSER = shutil.which("chromium-headless-shell") or shutil.which("chromium")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs Debian's chromium-headless-shell")


class Page:
    """One tab. ``asked`` are the addresses it loads, ``said`` errors, warnings, violated policies."""

    def __init__(self, into: int, out: int) -> None:
        self._into, self._out = into, out
        self._buffer = b""
        self._number = 0
        self._session = ""
        self.asked: list[str] = []
        self.said: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._into, json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self._number:
                assert "error" not in told, told
                return told["result"]

    def open(self, path: Path, width: int, height: int = 900) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 500)  # fmt: skip
        self.call("Page.navigate", url=path.absolute().as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def value(self, expression: str) -> Any:
        """Return what an expression gives there, once promises are kept."""
        told = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def picture(self, path: Path) -> None:
        told = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(told["data"]))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            more = os.read(self._out, 1 << 16)
            assert more, "the browser ended"
            self._buffer += more
        message, _, self._buffer = self._buffer.partition(b"\0")
        told: dict[str, Any] = json.loads(message)
        what, about = told.get("method"), told.get("params", {})
        if what == "Network.requestWillBeSent":
            self.asked.append(about["request"]["url"])
        elif what == "Runtime.exceptionThrown":
            self.said.append(str(about["exceptionDetails"]))
        elif what == "Runtime.consoleAPICalled":
            self.said.append(str(about["args"]))
        elif what == "Log.entryAdded":
            self.said.append(about["entry"]["text"])
        return told


@contextmanager
def browsing(folder: Path) -> Iterator[Page]:
    """Give a tab of a browser with a profile of its own in ``folder``, which ends with the block."""
    assert BROWSER is not None
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    command = [
        "bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "sh", BROWSER, "--headless",
        "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--remote-debugging-pipe",
        f"--user-data-dir={folder / 'profile'}", "about:blank",
    ]  # fmt: skip
    with subprocess.Popen(
        command, pass_fds=(theirs_in, theirs_out), start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Page(ours_out, ours_in)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            os.close(ours_in)
            os.close(ours_out)
    shutil.rmtree(folder / "profile", ignore_errors=True)
