"""A Windows to run what Windows is to run: wine, where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Wine = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="session")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wine]:
    """Run a program by wine, in a prefix that is made once."""
    program = shutil.which("wine64") or shutil.which("wine")
    if program is None:
        pytest.skip("needs wine")
    home = tmp_path_factory.mktemp("wine")
    env = os.environ | {
        "HOME": str(home), "WINEPREFIX": str(home / "prefix"), "WINEDEBUG": "-all", "DISPLAY": "",
        "WINEDLLOVERRIDES": "mscoree,mshtml=", "LC_ALL": "C.UTF-8",
    }  # fmt: skip

    server = shutil.which("wineserver", path=os.environ.get("PATH", "") + ":/usr/lib/wine")

    def start(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [program, *map(str, words)], env=env, capture_output=True, timeout=900, cwd=cwd
        )

    yield start
    if server is not None:
        subprocess.run([server, "-k"], env=env, capture_output=True, timeout=300)
