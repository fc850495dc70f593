"""Xen itself, under QEMU's emulation: a dom0 starts what kensho wrote for xl and for XenServer."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "demo"))  # how Debian gets onto a disk
