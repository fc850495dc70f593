"""From errors and signals to exit codes."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_CODE = """
import os, sys, time
from kensho.cli.app import app
from kensho.cli.exits import run
from kensho.model.errors import KenshoError

@app.command
def waits():
    try:
        os.kill(os.getpid(), int(sys.argv[1]))
        time.sleep(60)
    except (KenshoError, OSError):  # as one that looks for a guest, and finds a disk without
        return 0

sys.exit(run(["waits"]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_not_taken_for_an_error_of_an_image(number: signal.Signals) -> None:
    command = ["env", "--default-signal=HUP", sys.executable, "-c", _CODE, str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 75, done.stderr
    assert "KE-500" in done.stderr
    assert number.name in done.stderr
