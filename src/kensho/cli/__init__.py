"""The command line: one file per verb, this one only dispatches and turns errors into codes."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with a documented code (docs/exit-codes.md)."""
    from kensho.cli.exits import run

    sys.exit(run(sys.argv[1:]))


__all__ = ["main"]
