"""The table of rules: complete, documented, unique."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

from kensho.packages.validate import rules
from kensho.packages.validate.rule import GRADES
from kensho.packages.validate.table import RULES

DOCS = (Path(__file__).parents[3] / "docs/validation.md").read_text()


def test_every_code_is_there_once():
    codes = [rule.code for rule in RULES]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"KF-6\d\d", code) for code in codes)


def test_every_file_is_in_the_table():
    found = {
        rule.code
        for module in pkgutil.iter_modules(rules.__path__)
        for rule in importlib.import_module(f"{rules.__name__}.{module.name}").RULES
    }
    assert found == {rule.code for rule in RULES}


def test_the_documentation_is_the_table():
    rows = re.findall(
        r"^\| (KF-6\d\d) \| (\w+) \| (.*) \| (.*) \| (.*) \| (yes)? ?\|$", DOCS, re.MULTILINE
    )
    wanted = [
        (r.code, r.grade.name, r.title, r.clause, r.fix, "yes" if r.mend else "") for r in RULES
    ]
    assert sorted(rows) == sorted(wanted)


def test_the_grades_are_documented():
    for grade in GRADES:
        cells = [s.value if s else "not said" for s in (grade.strict, grade.spec, grade.lax)]
        assert f"| {grade.name} | {' | '.join(cells)} |" in DOCS
