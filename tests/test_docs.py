"""What the pages name is there: pages, files of the source tree, options of the command line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md")) + sorted(ROOT.glob("*.md"))
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
_FILE = re.compile(r"`([\w./*-]+(?:/|\.(?:py|css|sh)))`")
#: Words in capitals stand for any of their kind: `appliances/FORMAT/extras.py`.
_ANY = re.compile(r"(?:^|(?<=/))[A-Z]+(?=_|\.|/|$)")


def links(page: Path) -> set[Path]:
    return {(page.parent / link).resolve() for link in _LINK.findall(page.read_text())}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [link for link in links(page) if not link.exists()] == []


def test_the_index_has_every_page() -> None:
    index = ROOT / "docs/README.md"
    assert {page for page in PAGES if page.parent == index.parent} <= {*links(index), index}


@pytest.mark.parametrize(
    "row",
    [line for line in (ROOT / "ARCHITECTURE.md").read_text().splitlines() if line[:2] == "| "],
)
def test_the_architecture_names_files_that_are_there(row: str) -> None:
    places = [ROOT / "src/kensho", ROOT]
    for name in _FILE.findall(row):
        found = next((hit for place in places for hit in place.glob(_ANY.sub("*", name))), None)
        assert found is not None, name
        # What is named behind it may be named from its folder.
        places.insert(0, found if found.is_dir() else found.parent)


def options(*verb: str) -> set[str]:
    line = [sys.executable, "-m", "kensho", *verb, "--help"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return set(re.findall(r"(?<![\w-])--[a-z][\w-]*", done.stdout))


@pytest.mark.parametrize(
    "verb", ["adapt", "check", "convert", "inspect", "plan", "prove", "verify"]
)
def test_options_in_examples_are_the_commands(verb: str) -> None:
    named = set()
    for page in PAGES:
        if page.name != "CHANGELOG.md":
            text = page.read_text().replace("\\\n", " ")
            for rest in re.findall(rf"kensho {verb}\b([^`\n|#]*)", text):
                named |= set(re.findall(r"(?<![\w-])--[a-z][\w-]*", rest))
    assert named
    assert named <= options(verb)
