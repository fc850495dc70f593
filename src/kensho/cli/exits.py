"""From exceptions to exit codes: the one place where an error becomes a number and a text."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from kensho.model.errors import InterruptedRunError, KenshoError

OK = 0
FAILURE = 1
USAGE = 2
WARNINGS = 3  #: only with ``--strict``
SIGINT = 130


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code; prints errors on stderr."""
    from cyclopts import CycloptsError

    from kensho.cli.app import app

    signal.signal(signal.SIGTERM, _terminated)
    try:
        result = app(list(arguments))
    except CycloptsError as error:
        _say(f"kensho: {error}", "`kensho --help` and `kensho VERB --help` show what there is")
        return USAGE
    except KenshoError as error:
        _report(error, as_json="--json" in arguments or "--events" in arguments)
        return error.exit_code
    except KeyboardInterrupt:
        _say(
            "kensho: interrupted; nothing that looks finished was left",
            "run the same command again: finished disks are kept, the rest starts anew",
        )
        return SIGINT
    except BrokenPipeError:
        # The reader of our output has gone; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return result if isinstance(result, int) else OK


def _terminated(signum: int, frame: FrameType | None) -> NoReturn:
    del signum, frame
    raise InterruptedRunError("stopped by SIGTERM; nothing that looks finished was left")


def _report(error: KenshoError, *, as_json: bool) -> None:
    _say(f"kensho: {error.code}: {error}", error.hint)
    if as_json:
        record = {
            "event": "error",
            "code": error.code,
            "type": type(error).__name__,
            "message": error.message,
            "path": error.path,
            "offset": error.offset,
            "field": error.field,
            "hint": error.hint,
            "exit_code": error.exit_code,
        }
        print(json.dumps({k: v for k, v in record.items() if v not in {None, ""}}))


def _say(message: str, hint: str) -> None:
    print(message, file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
