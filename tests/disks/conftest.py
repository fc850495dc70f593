"""Fixtures of the disk tests."""

import shutil
import sys
from pathlib import Path

import pytest

from kensho.storage import FileSource

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode adds nothing by itself

from disk_helpers import Qemu


@pytest.fixture
def qemu(tmp_path):
    if not shutil.which("qemu-img") or not shutil.which("qemu-io"):
        pytest.skip("qemu-img is not installed")
    return Qemu(tmp_path)


@pytest.fixture
def sibling(tmp_path):
    return lambda name: FileSource(tmp_path / name)
