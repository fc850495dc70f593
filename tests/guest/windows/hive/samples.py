"""Small hives, and hives as plain dictionaries."""

from __future__ import annotations

from kensho.guest.windows.hive import Hive, dword, expand_sz, multi_sz, new_hive, walk
from tests.guest.windows.hive.oracles import Tree

#: Everyone may do everything ([MS-DTYP] 2.4.6): an owner, a group and a list of one entry.
SECURITY = bytes.fromhex(
    "010004801400000020000000000000002c000000"
    "010100000000000100000000"
    "010100000000000100000000"
    "02001c0001000000"
    "00101400ff000f10010100000000000100000000"
)


def small_hive(minor: int = 5) -> Hive:
    hive = new_hive("CMI-CreateHive", security=SECURITY, minor=minor, now=132_000_000_000_000_000)
    hive.set("Select", dword("Current", 1), dword("Default", 1))
    hive.set(
        r"ControlSet001\Services\storahci",
        dword("Start", 0),
        expand_sz("ImagePath", r"System32\drivers\storahci.sys"),
        multi_sz("Owners", ("mshdc.inf", "other.inf")),
    )
    return hive


def tree_of(hive: Hive) -> Tree:
    return {
        path: {v.name: (v.type, v.data.hex()) for v in key.values()}
        for path, key in walk(hive.root)
    }
