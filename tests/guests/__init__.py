"""Guests made by recipe, for tests that boot them; with the demo's way to make disk images."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "demo"))
