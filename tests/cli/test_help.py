"""What ``--help`` says of every verb, and that verbs call the same thing by the same name."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kensho.cli.app import VERBS
from kensho.cli.disk import VERBS as DISK_VERBS
from tests.cli.conftest import Kensho

#: An option or argument beside which nothing stands.
_BARE = re.compile(
    r"^│ +(?:\* +)?(?:--[a-z-]+|[A-Z]+)(?: -\w)?(?: [A-Z.]+)? +(?:\[required\] +)?│$", re.MULTILINE
)
_ALL = {**VERBS, **{f"disk {name}": row for name, row in DISK_VERBS.items()}}


@pytest.mark.parametrize("verb", _ALL)
def test_help_says_all_that_is_written_of_a_verb(verb: str, kensho: Kensho) -> None:
    module, _, name = _ALL[verb][0].partition(":")
    written = getattr(importlib.import_module(module), name).__doc__.partition("Parameters")[0]
    code, out, err = kensho(*verb.split(), "--help")
    assert code == 0, err
    assert " ".join(written.split()) in " ".join(out.split())
    for noise in ("[default: False]", "[default: ()]", '[default: ""]'):
        assert noise not in out
    assert not _BARE.findall(out)


def test_texts_are_wrapped_once() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kensho", "adapt", "--help"],
        env={**os.environ, "COLUMNS": "400"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "and in a guest that is adapted its own machine-id and host keys." in done.stdout


def test_one_machine_is_chosen_by_one_name(tmp_path: Path, kensho: Kensho) -> None:
    for verb in (("split",), ("edit", "--set", "cpus=2", "--dry-run"), ("plan", "--to", "kvm")):
        _, _, err = kensho(*verb, tmp_path / "none.ova", "--machine", "web")
        assert "KE-003" in err, verb  # it is the file that is not there
