"""Every code the readers use is in the table of findings, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = re.compile(r'"(KF-[12]\d\d)"')


def test_codes_are_documented() -> None:
    sources = (ROOT / "src" / "kensho" / "appliances").rglob("*.py")
    used = {code for path in sources for code in CODE.findall(path.read_text(encoding="utf-8"))}
    table = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| (KF-[12]\d\d) \|", table, re.MULTILINE))
    assert used == documented
