"""``kensho doctor``: what this machine has and lacks."""

from __future__ import annotations

import importlib
import platform
import shutil
import sys

import msgspec

from kensho import __version__
from kensho.cli.options import Json
from kensho.cli.render import console, print_json, table


class Check(msgspec.Struct, frozen=True):
    """One thing looked for: ``found`` is a version or path, empty when it is missing."""

    name: str
    found: str
    needed_for: str
    remedy: str = ""


LIBRARIES = (
    ("isal", "fast compression"),
    ("deflate", "fastest decompression, smallest output"),
    ("zstandard", "QCOW2 compressed with zstd"),
    ("google_crc32c", "VHDX"),
    ("cryptography", "signatures and encryption of OVF packages"),
)
PROGRAMS = (
    ("qemu-img", "the demo's and the tests' second opinion", "qemu-utils"),
    ("qemu-system-x86_64", "booting a result", "qemu-system-x86"),
    ("virt-xml-validate", "checking libvirt XML", "libvirt-clients"),
    ("mmdebstrap", "building the demo's appliance", "mmdebstrap"),
)


def doctor(*, json: Json = False) -> None:
    """Show which optional parts are there, what each is for, and how to get it.

    Converting needs none of the programs: kensho reads and writes every format itself.
    """
    checks = (
        Check("kensho", __version__, "this program"),
        Check("Python", platform.python_version(), sys.executable),
        *(_library(name, use) for name, use in LIBRARIES),
        *(_program(name, use, package) for name, use, package in PROGRAMS),
    )
    if json:
        print_json(checks)
        return
    rows = table("", "what", "found", "for", "if missing")
    for check in checks:
        rows.add_row(
            check.name,
            check.found or "[yellow]missing[/]",
            check.needed_for,
            "" if check.found else check.remedy,
        )
    console().print(rows)


def _library(name: str, use: str) -> Check:
    from importlib.metadata import PackageNotFoundError, version

    try:
        importlib.import_module(name)
        return Check(name, version(name.replace("_", "-")), use)
    except (ImportError, PackageNotFoundError):
        return Check(name, "", use, "optional: the standard library is used, slower")


def _program(name: str, use: str, package: str) -> Check:
    return Check(name, shutil.which(name) or "", use, f"apt-get install {package}")
