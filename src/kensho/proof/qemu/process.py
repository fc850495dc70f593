"""A QEMU that ends with whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from kensho.proof.qemu.arguments import dying_with_us
from kensho.proof.qemu.bounds import bound_files, most_written


@contextmanager
def running(
    arguments: list[str], errors: BinaryIO, place: Path, *, bounded: bool
) -> Iterator[subprocess.Popen[bytes]]:
    """Run QEMU and end it however the block is left; what its guest writes goes to ``place``."""
    process = subprocess.Popen(
        [*dying_with_us(), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
        env=os.environ | {"TMPDIR": str(place.absolute())},
    )
    if bounded:
        with suppress(OSError):  # it has ended
            bound_files(process.pid, most_written(place))
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
