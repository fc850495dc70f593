"""From exceptions to exit codes: the one place where an error becomes a number and a text."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from kensho.cli.printable import printable
from kensho.model.errors import (
    InterruptedRunError,
    KenshoError,
    LocatorError,
    NoSpaceError,
    UsageError,
)

OK = 0
FAILURE = 1
USAGE = 2
WARNINGS = 3  #: only with ``--strict``
SIGINT = 130
SIGPIPE = 141
#: A place that cannot be used as it was named, whatever is to be done there.
_PLACES = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP}
)


class _Terminated(KeyboardInterrupt):
    """A signal that ends us, as Ctrl-C does: no error, so that nobody takes it for one of an image's."""


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code; prints errors on stderr."""
    from cyclopts import CycloptsError

    from kensho.cli.app import app

    signal.signal(signal.SIGTERM, _terminated)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # the terminal is gone; nohup ignores it
        signal.signal(signal.SIGHUP, _terminated)
    _make_printable()
    arguments = _behind_dashes(arguments)
    as_json = "--json" in arguments or "--events" in arguments
    try:
        _check_utf8(arguments)
        if not {"--help", "-h"}.isdisjoint(arguments):
            from kensho.cli.helping import explain

            explain(app, arguments)
        result = app(arguments)
    except CycloptsError as error:
        hint = "`kensho --help` and `kensho VERB --help` show what there is"
        _report(UsageError(str(error), hint=hint), as_json=as_json)
        return USAGE
    except KenshoError as error:
        _report(error, as_json=as_json)
        return error.exit_code
    except _Terminated as stop:
        stopped = InterruptedRunError(str(stop))
        _report(stopped, as_json=as_json)
        return stopped.exit_code
    except KeyboardInterrupt:
        stopped = InterruptedRunError("stopped by Ctrl-C; nothing that looks finished was left")
        _report(stopped, as_json=as_json, exit_code=SIGINT)
        return SIGINT
    except BrokenPipeError:
        # The reader of our output has gone; Python would complain once more at exit.
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return SIGPIPE
    except OSError as error:
        # What no layer below could give a better name: an input/output error, a quota.
        failure = _named(error)
        _report(failure, as_json=as_json and error.filename is not None)
        return failure.exit_code
    return result if isinstance(result, int) else OK


def _named(error: OSError) -> KenshoError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        kind: type[KenshoError] = NoSpaceError
    elif error.filename is not None and error.errno in _PLACES:
        kind = LocatorError
    else:
        kind = KenshoError
    return kind(error.strerror or str(error), path=error.filename)


def _behind_dashes(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with those behind ``--`` named so that none looks like an option.

    They are all paths or locators; ``-`` stays what it is: standard input or output.
    """
    if "--" not in arguments:
        return list(arguments)
    at = list(arguments).index("--")
    behind = (f"./{a}" if a.startswith("-") and a != "-" else a for a in arguments[at + 1 :])
    return [*arguments[:at], *behind]


def _check_utf8(arguments: Sequence[str]) -> None:
    # Names end up in plans and reports, which are JSON.
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise UsageError(
                f"not UTF-8: {argument!r}", hint="rename it, or link to it under another name"
            ) from None


def _make_printable() -> None:
    """Let nothing be unprintable: no stream at all, or one that cannot say every character."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _terminated(signum: int, frame: FrameType | None) -> NoReturn:
    del frame
    name = signal.Signals(signum).name
    raise _Terminated(f"stopped by {name}; nothing that looks finished was left")


def _report(error: KenshoError, *, as_json: bool, exit_code: int | None = None) -> None:
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
            "exit_code": exit_code or error.exit_code,
        }
        print(json.dumps({k: v for k, v in record.items() if v not in {None, ""}}))


def _say(message: str, hint: str) -> None:
    print(printable(message), file=sys.stderr)
    if hint:
        print(printable(f"hint: {hint}"), file=sys.stderr)
