"""From errors and signals to exit codes."""

from __future__ import annotations

import subprocess
import sys

_CODE = """
import os, signal, sys, time
from kensho.cli.app import app
from kensho.cli.exits import run
from kensho.model.errors import KenshoError

@app.command
def waits():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    except (KenshoError, OSError):  # as one that looks for a guest, and finds a disk without
        return 0

sys.exit(run(["waits"]))
"""


def test_a_signal_is_not_taken_for_an_error_of_an_image() -> None:
    done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True)
    assert done.returncode == 75, done.stderr
    assert "KE-500" in done.stderr
    assert "SIGTERM" in done.stderr
