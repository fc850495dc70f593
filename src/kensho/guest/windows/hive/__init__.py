"""Registry hives of Windows guests: read, and edited in place, without Windows."""

from __future__ import annotations

from kensho.guest.windows.hive.hive import Hive, new_hive, open_hive
from kensho.guest.windows.hive.keys import Key, walk
from kensho.guest.windows.hive.values import (
    Type,
    Value,
    binary,
    dword,
    expand_sz,
    multi_sz,
    qword,
    sz,
)

__all__ = [
    "Hive",
    "Key",
    "Type",
    "Value",
    "binary",
    "dword",
    "expand_sz",
    "multi_sz",
    "new_hive",
    "open_hive",
    "qword",
    "sz",
    "walk",
]
