"""Open the corpus of real files, where it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "corpus_report.py"


def _corpus() -> Path:
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        from corpus_report import corpus_folder  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(SCRIPT.parent))
    return Path(corpus_folder())


def test_corpus() -> None:
    corpus = _corpus()
    if not (corpus / "MANIFEST.csv").exists():
        pytest.skip("no corpus beside the repository (KENSHO_CORPUS)")
    run = subprocess.run(
        [sys.executable, SCRIPT, corpus], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
