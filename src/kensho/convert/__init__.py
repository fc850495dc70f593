"""One machine, one journey: open the source, plan, run the plan, verify, report."""

from kensho.convert.plan import Plan, make_plan, read_plan, write_plan
from kensho.convert.result import Result
from kensho.convert.run import run_plan

__all__ = ["Plan", "Result", "make_plan", "read_plan", "run_plan", "write_plan"]
