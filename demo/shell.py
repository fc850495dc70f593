"""Running programs and telling what takes how long."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# Where sfdisk and mkfs are; users other than root do not have it in their PATH.
SYSTEM_PROGRAMS = "/usr/sbin:/sbin"


class StepFailedError(Exception):
    """A program that the demo needs has failed; the text is for people."""


def run(argv: Sequence[str | Path], *, stdin: str | None = None) -> str:
    """Run a program to its end and return its standard output."""
    words = [str(word) for word in argv]
    path = f"{os.environ.get('PATH', os.defpath)}:{SYSTEM_PROGRAMS}"
    try:
        done = subprocess.run(
            words,
            input=stdin or "",
            text=True,
            capture_output=True,
            errors="replace",
            check=False,
            env=os.environ | {"PATH": path},
        )
    except FileNotFoundError:
        raise StepFailedError(f"{words[0]} is not installed; run `make setup`") from None
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise StepFailedError(f"`{' '.join(words)}` ended with code {done.returncode}:\n{said}")
    return done.stdout


@contextmanager
def step(text: str) -> Iterator[None]:
    """Say on one line what is being done and, when it is done, how long it took."""
    print(f"  {text} ... ", end="", flush=True)
    start = time.monotonic()
    try:
        yield
    except BaseException:
        print("failed", flush=True)
        raise
    print(f"{time.monotonic() - start:.1f} s", flush=True)
