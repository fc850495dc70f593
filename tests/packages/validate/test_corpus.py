"""Validate the corpus of real files, where it is: VMware's own Pos and Neg are the oracle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "corpus_validate.py"
sys.path.insert(0, str(SCRIPT.parent))
from corpus_validate import corpus_folder  # type: ignore[import-not-found]  # noqa: E402


def test_corpus() -> None:
    corpus = Path(corpus_folder())
    if not (corpus / "MANIFEST.csv").exists():
        pytest.skip("no corpus beside the repository (KENSHO_CORPUS)")
    run = subprocess.run(
        [sys.executable, SCRIPT, corpus], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
