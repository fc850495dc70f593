from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapped_machines import HOSTILE

from kensho.appliances.bash import comment, demand_files, quoted, words

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def told(script: str) -> list[str]:
    """Return the words bash makes of what follows ``printf``."""
    made = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {script}"], capture_output=True, check=True
    )
    return made.stdout.decode().split("\0")[:-1]


@needs_bash
@settings(max_examples=60)
@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1))
def test_every_text_is_one_word(texts: list[str]) -> None:
    assert told(words(texts)) == texts


@needs_bash
@pytest.mark.parametrize("text", [HOSTILE, "", "-n", "~", "*", "$(x)", "${x}", "!!", "a'b", "\\'"])
def test_hostile_words(text: str) -> None:
    assert told(quoted(text)) == [text]


def test_no_word_holds_a_nul() -> None:
    assert quoted("a\0b") == "ab"


def test_a_comment_is_one_line() -> None:
    assert comment("a\nrm -rf /\r\u2028x") == "a?rm -rf /??x"


@needs_bash
def test_missing_files_stop_a_script(tmp_path) -> None:
    script = tmp_path / "s.sh"
    script.write_text("set -e\n" + demand_files([HOSTILE]) + "echo done\n")
    made = subprocess.run(["bash", script], capture_output=True, text=True)
    assert made.returncode == 1
    assert "missing beside this script" in made.stderr
    assert not list(tmp_path.rglob("pwned"))


@needs_bash
def test_the_folder_is_the_scripts_own_whatever_cdpath_is(tmp_path) -> None:
    for folder in ("elsewhere/sub", "here/sub"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "here/sub/s.sh").write_text(demand_files([]) + 'printf %s "$HERE"\n')
    made = subprocess.run(
        ["bash", "sub/s.sh"],
        cwd=tmp_path / "here",
        env={**os.environ, "CDPATH": str(tmp_path / "elsewhere")},
        capture_output=True,
        text=True,
    )
    assert made.stdout == str(tmp_path / "here/sub")
