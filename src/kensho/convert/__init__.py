"""One machine, one journey: open the source, plan, run the plan, verify, report."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kensho.convert.plan import Plan, make_plan, read_plan, write_plan
    from kensho.convert.result import Result
    from kensho.convert.run import run_plan

__all__ = ["Plan", "Result", "make_plan", "read_plan", "run_plan", "write_plan"]

_PLACES = {"Result": "kensho.convert.result", "run_plan": "kensho.convert.run"}


def __getattr__(name: str) -> object:
    # On use: `kensho disk` needs the events only, and starts a tenth of a second sooner.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES.get(name, "kensho.convert.plan")), name)
