"""``/etc/os-release``: what a Linux system says it is. See os-release(5)."""

from __future__ import annotations

import re
import shlex

import msgspec

from kensho.model import guest_os
from kensho.model.machine import GuestOs

_KEY = re.compile(r"[A-Z][A-Z0-9_]*")
_MAX = 64 * 1024

#: ID of os-release → how the rows of ``kensho.model.guest_os`` begin.
_ROWS = {
    "amzn": "amazonlinux",
    "arch": "archlinux",
    "debian": "debian",
    "ubuntu": "ubuntu",
    "rhel": "rhel",
    "centos": "centos",
    "rocky": "rocky",
    "almalinux": "almalinux",
    "ol": "oraclelinux",
    "fedora": "fedora",
    "sles": "sles",
    "sled": "sles",
    "opensuse": "opensuse",
    "opensuse-leap": "opensuse-leap",
    "opensuse-tumbleweed": "opensuse-tumbleweed",
    "alpine": "alpine",
    "gentoo": "gentoo",
    "photon": "photon",
    "flatcar": "flatcar",
    "freebsd": "freebsd",
}
_IDS = frozenset(row.id for row in guest_os.TABLE)


class OsRelease(msgspec.Struct, frozen=True, omit_defaults=True):
    """The fields of os-release that tell systems apart; empty where they are not given."""

    id: str = ""
    version: str = ""  #: VERSION_ID
    title: str = ""  #: PRETTY_NAME, else NAME and VERSION
    like: tuple[str, ...] = ()  #: ID_LIKE
    cpe: str = ""  #: CPE_NAME


def parse_os_release(data: bytes) -> OsRelease:
    """Return what the file says; lines that are no assignment are passed over."""
    fields: dict[str, str] = {}
    for line in data[:_MAX].decode("utf-8", "replace").splitlines():
        key, mark, text = line.strip().partition("=")
        if not mark or not _KEY.fullmatch(key):
            continue
        try:
            words = shlex.split(text)
        except ValueError:  # a quote without its end
            words = [text.strip("\"'")]
        fields[key] = "".join(c for c in " ".join(words) if c.isprintable())[:200]
    title = fields.get("PRETTY_NAME") or " ".join(
        fields[key] for key in ("NAME", "VERSION") if fields.get(key)
    )
    return OsRelease(
        fields.get("ID", "").lower(),
        fields.get("VERSION_ID", ""),
        title,
        tuple(fields.get("ID_LIKE", "").lower().split()),
        fields.get("CPE_NAME", ""),
    )


def guest_of(release: OsRelease, bits: int = 64) -> GuestOs:
    """Return the nearest row of ``kensho.model.guest_os``: its version's, its family's, ``linux``."""
    for name in (release.id, *release.like):
        stem = _ROWS.get(name)
        if stem is None:
            continue
        version = release.version if name == release.id else ""
        major = version.partition(".")[0]
        for wanted in (f"{stem}{version}", f"{stem}{major}", stem):
            if wanted in _IDS:
                return _guest(wanted, release, bits)
    return _guest("linux", release, bits)


def _guest(row: str, release: OsRelease, bits: int) -> GuestOs:
    narrow = f"{row}-32"
    row = narrow if bits == 32 and narrow in _IDS else row
    return GuestOs(row, version=release.version, description=release.title)
