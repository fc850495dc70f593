"""``kensho doctor``: what this machine has and lacks."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
from collections.abc import Iterator

import msgspec

from kensho import __version__
from kensho.cli.flags import Json
from kensho.cli.render import console, print_json, table
from kensho.guest.edit.backends import BACKENDS, Backend, lacking
from kensho.model.errors import ToolMissingError
from kensho.proof.qemu.arguments import find_uefi


class Check(msgspec.Struct, frozen=True):
    """One thing looked for: ``found`` is a version or path, empty when it is missing."""

    name: str
    found: str
    needed_for: str
    remedy: str = ""


_SLOWER = "optional: the standard library is used, slower"
#: module, distribution, what for, what to do without it.
LIBRARIES = (
    ("isal", "isal", "fast compression", _SLOWER),
    ("deflate", "deflate", "fastest decompression, smallest output", _SLOWER),
    ("zstandard", "zstandard", "QCOW2, VMA, boxes and initramfs packed with zstd", ""),
    ("lz4", "lz4", "initramfs packed with LZ4", ""),
    ("lzallright", "lzallright", "Proxmox VE's backups packed with lzop", ""),
    ("google_crc32c", "google-crc32c", "VHDX, file systems of guests", ""),
    ("xxhash", "xxhash", "checksums in XVA", ""),
    ("blake3", "blake3", "roots of disks' contents", ""),
    ("yaml", "PyYAML", "KubeVirt, kensho pack", ""),
    ("cryptography", "cryptography", "signatures and encryption of packages, signed drivers", ""),
    ("obstore", "obstore", "optional: object stores", "pip install 'kensho-vm[objects]'"),
)
PROGRAMS = (
    ("qemu-img", "the demo's and the tests' second opinion", "qemu-utils"),
    ("qemu-system-x86_64", "kensho prove", "qemu-system-x86"),
    ("virt-xml-validate", "checking libvirt XML", "libvirt-clients"),
    ("msiextract", "drivers for Windows in .msi packages", "msitools"),
    ("cabextract", "drivers for Windows in cabinets", "cabextract"),
    ("mmdebstrap", "building the demo's appliance", "mmdebstrap"),
)


def doctor(*, json: Json = False) -> None:
    """Show which optional parts are there, what each is for, and how to get it.

    Converting needs none of the programs: kensho reads and writes every format itself. What
    changes files of guests is listed by file system.
    """
    checks = (
        Check("kensho", __version__, "this program"),
        Check("Python", platform.python_version(), sys.executable),
        *(_library(*row) for row in LIBRARIES),
        *(_editor(backend) for backend in BACKENDS),
        *(_program(*row) for row in _tools()),
        *(_program(*row) for row in PROGRAMS),
        _firmware(),
    )
    if json:
        print_json(checks)
        return
    from rich.markup import escape

    rows = table("", "what", "found", "for", "if missing")
    for check in checks:
        rows.add_row(
            check.name,
            escape(check.found) or "[yellow]missing[/]",
            check.needed_for,
            "" if check.found else escape(check.remedy),
        )
    console().print(rows)


def _library(module: str, distribution: str, use: str, remedy: str) -> Check:
    from importlib.metadata import PackageNotFoundError, version

    remedy = remedy or f"pip install {distribution}"
    try:
        importlib.import_module(module)
        return Check(module, version(distribution), use, "")
    except (ImportError, PackageNotFoundError):
        return Check(module, "", use, remedy)


def _firmware() -> Check:
    try:
        found, remedy = find_uefi()[0], ""
    except ToolMissingError as error:
        found, remedy = "", error.hint
    return Check("UEFI's firmware for QEMU", found, "kensho prove: profiles with UEFI", remedy)


def _editor(backend: Backend) -> Check:
    """Tell whether the files of some file systems can be edited here."""
    reason = lacking(backend)
    kinds = ", ".join(sorted(backend.kinds))
    use = f"kensho adapt: files on {kinds}"
    return Check(f"{kinds}: {backend.name}", "" if reason else backend.why, use, reason)


def _tools() -> Iterator[tuple[str, str, str]]:
    """Yield the programs that edit guests' files: name, what for, package."""
    uses: dict[tuple[str, str], list[str]] = {}
    for backend in BACKENDS:
        for tool in backend.tools:
            uses.setdefault(tool, []).extend(sorted(backend.kinds))
    for (name, package), kinds in uses.items():
        yield name, f"kensho adapt: {', '.join(dict.fromkeys(kinds))}", package


def _program(name: str, use: str, package: str) -> Check:
    # Those of an administrator are often not on a user's path, and are found all the same.
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    return Check(name, shutil.which(name, path=path) or "", use, f"apt-get install {package}")
