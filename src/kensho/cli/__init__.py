"""The command line: one file per verb, this one only dispatches and turns errors into codes."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line and exit with a documented code (docs/exit-codes.md)."""
    # Imports make many objects and no garbage: looking for some took a sixth of the start.
    gc.set_threshold(50_000, 20, 20)
    try:
        from kensho.cli.exits import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while modules were imported: nothing has begun
        code = 130
    sys.exit(code)


__all__ = ["main"]
