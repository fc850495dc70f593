"""What is said of supplied drivers: who signed them, what Windows may not like, their licences."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath

from kensho.guest.windows.drivers.media import Media
from kensho.guest.windows.drivers.package import Loaded
from kensho.guest.windows.drivers.plan import ChosenDriver
from kensho.guest.windows.inject import BOOT_CLASSES
from kensho.guest.windows.version import WindowsVersion
from kensho.model.errors import KenshoError
from kensho.model.finding import Finding, Severity

_MAX_REASONS = 3
_LICENCE = re.compile(r"licen[cs]e|copying|eula", re.IGNORECASE)
_MAX_LICENCE = 4 << 20
_NEEDS_EMBEDDED = (6, 0)  #: from Vista on, 64-bit, a driver that starts with the kernel


def about(
    driver: ChosenDriver, loaded: Loaded, windows: WindowsVersion, subject: str
) -> list[Finding]:
    """Tell of a driver that is used."""
    used = "starts with Windows" if driver.boot else "is installed at the first start"
    found = []
    if loaded.signer:
        chain = " ← ".join(loaded.chain)
        found.append(
            Finding("KF-905", Severity.NOTE,
                    f"{driver.name} {driver.version} {used}; signed by {chain}", subject,
                    "that nothing was changed is verified; that the chain is one Windows trusts is not")
        )  # fmt: skip
    else:
        found.append(
            Finding("KF-914", Severity.WARNING,
                    f"{driver.name} {driver.version} {used} though it is not signed: {loaded.why}",
                    subject, "64-bit Windows from Vista on does not load it unless told to")
        )  # fmt: skip
    if not driver.boot and driver.class_guid in BOOT_CLASSES:
        found.append(
            Finding("KF-916", Severity.WARNING,
                    f"{driver.name} is for disks on a bus of its own, which Windows cannot find its disk"
                    " behind before it has installed both", subject,
                    "start from SATA or IDE first")
        )  # fmt: skip
    if loaded.weak and windows.nt >= (10, 0):
        found.append(
            Finding("KF-910", Severity.WARNING,
                    f"{driver.name} is signed by SHA-1 alone ({some(list(loaded.weak))})", subject,
                    "Windows 10 and later may refuse it; get a newer one")
        )  # fmt: skip
    signed = {name.lower() for name in loaded.embedded}
    bare = [b.sys for b in driver.boot if b.sys.lower() not in signed]
    if loaded.signer and bare and windows.architecture != "x86" and windows.nt >= _NEEDS_EMBEDDED:
        found.append(
            Finding("KF-913", Severity.WARNING,
                    f"{some(bare)} has no signature of its own, which a driver needs that starts with"
                    " the kernel of a 64-bit Windows", subject,
                    "start from SATA or IDE first, so that Windows installs it")
        )  # fmt: skip
    return found


def licences(media: Media) -> list[Finding]:
    """Name the licences that lie on a medium: the user accepts them, kensho only records them."""
    found = []
    for path in sorted(media.sizes):
        name = PurePosixPath(path)
        if (
            _LICENCE.search(name.name)
            and len(name.parts) <= 2
            and media.sizes[path] <= _MAX_LICENCE
        ):
            try:
                digest = hashlib.sha256(media.read(path, _MAX_LICENCE)).hexdigest()
            except KenshoError:
                continue
            found.append(f"{path} (SHA-256 {digest})")
    if not found:
        return []
    return [
        Finding("KF-911", Severity.NOTE, f"licences of the drivers: {some(found)}", media.name,
                "kensho ships no drivers: that you may use these is yours to see")
    ]  # fmt: skip


def some(words: list[str]) -> str:
    """Return the first of some texts, and how many more there are."""
    more = f" and {len(words) - _MAX_REASONS} more" if len(words) > _MAX_REASONS else ""
    return "; ".join(words[:_MAX_REASONS]) + more
