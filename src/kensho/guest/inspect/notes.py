"""What is odd about a guest, or will be in the way of moving it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kensho.guest.bsd.notes import left_alone
from kensho.guest.inspect.facts import SystemFacts, WindowsFacts
from kensho.guest.inspect.systems import Opened, System
from kensho.guest.volumes.scan import Volume
from kensho.guest.volumes.twins import notes_of_twins
from kensho.model.finding import Finding, Severity

_FINE = frozenset({"", "swap", "LVM2_member", "linux_raid_member"})
_BY_NAME = frozenset({"udev-persistent-names", "ifupdown", "ifcfg", "netplan", "wicked", "rc.conf"})


#: Types of partitions that tell whose pool of ZFS it is.
_ZFS_OF = {
    "516e7cba-6ecf-11d6-8ff8-00022d09712b": "FreeBSD",
    "a5": "FreeBSD",
    "6a898cc3-1dd2-11b2-99a6-080020736631": "Solaris, illumos, or Linux",
    "6a85cf4d-1dd2-11b2-99a6-080020736631": "Solaris or illumos",
    "bf": "Solaris or illumos",
}


def notes_of(
    opened: Opened, systems: Sequence[System], facts: Sequence[SystemFacts]
) -> Iterator[Finding]:
    """Yield the findings about volumes, then about each system."""
    yield from _about_volumes(opened)
    if not facts:
        yield _finding(
            "KF-803", Severity.WARNING, "no system was found on these disks", "",
            "its root may be on a file system that is not read, encrypted, or on another disk",
        )  # fmt: skip
    elif len(facts) > 1:
        names = ", ".join(f"{f.guest.description or f.guest.id} on {f.root}" for f in facts)
        yield _finding(
            "KF-804", Severity.NOTE, f"several systems: {names}", "",
            "each one's kernels are looked at",
        )  # fmt: skip
    for system, told in zip(systems, facts, strict=True):
        yield from _about_system(system, told)


def _about_volumes(opened: Opened) -> Iterator[Finding]:
    for problem in opened.volumes.problems:
        yield _finding(
            "KF-802", Severity.WARNING, problem, "", "the rest of the disks is read; repair a copy"
        )
    yield from notes_of_twins(opened.volumes)
    for volume in opened.volumes.volumes:
        reason = opened.problems.get(volume.id)
        if volume.content.kind == "zfs_member":
            yield _about_zfs(volume)
            continue
        inside = opened.volumes.find(f"crypt/{volume.id}")
        if reason and volume.content.kind not in _FINE and inside is None:
            yield _finding(
                "KF-800", Severity.WARNING, f"its files are not read: {reason}", volume.id,
                "what is on it is left as it is",
            )  # fmt: skip
        fs = opened.systems.get(volume.id)
        for warning in fs.warnings if fs else ():
            yield _finding(
                "KF-801", Severity.WARNING, warning, volume.id,
                "shut the guest down properly, or start it once, then copy its disks again",
            )  # fmt: skip


def _about_zfs(volume: Volume) -> Finding:
    kind = volume.partition.type if volume.partition else ""
    owner = f", as {_ZFS_OF[kind]} has them" if kind in _ZFS_OF else ""
    return _finding(
        "KF-940", Severity.WARNING, f"is part of the ZFS pool {volume.content.label!r}{owner}",
        volume.id, "pools are not read: a system in it is neither judged nor changed; "
        "a controller of the kind it has now is the safe choice",
    )  # fmt: skip


def _about_system(system: System, told: SystemFacts) -> Iterator[Finding]:
    for line, why in system.missing:
        yield _finding(
            "KF-810", Severity.WARNING, f"{line.place} ({line.device}) is not seen: {why}",
            told.root, "what is below it is not looked at; give all disks of the machine",
        )  # fmt: skip
    if told.guest.id.startswith(("freebsd", "openbsd", "netbsd")):
        for kernel in told.kernels:
            if not kernel.problem:  # else KF-807 says it
                yield left_alone(told.guest.description, kernel.controllers, told.root)
    moving = [line for line, _ in system.fstab if line.moves]
    if moving:
        names = ", ".join(f"{line.device} for {line.place}" for line in moving[:5])
        yield _finding(
            "KF-805", Severity.WARNING,
            f"fstab names devices that are called otherwise on another controller: {names}",
            told.root, "use UUIDs (blkid shows them), or have `kensho adapt` do it",
        )  # fmt: skip
    if told.windows is not None:
        yield from _about_windows(told, told.windows)
    elif not told.kernels:
        yield _finding(
            "KF-806", Severity.WARNING, "no kernel was found", told.root,
            "/boot may be on a volume that is not read, or the kernel is the host's",
        )  # fmt: skip
    for kernel in told.kernels:
        if kernel.problem:
            what = "initramfs of " if kernel.initramfs else "kernel "
            yield _finding(
                "KF-807", Severity.WARNING,
                f"the {what}{kernel.version} is not read: {kernel.problem}".replace("  ", " "), told.root,
                "nothing can be said of what that kernel starts from",
            )  # fmt: skip
    if told.tools:
        yield _finding(
            "KF-808", Severity.NOTE, f"tools of hypervisors: {', '.join(told.tools)}", told.root,
            "those of the old platform can be removed after the move",
        )  # fmt: skip
    named = [n for n in told.networks if n.style in _BY_NAME and n.names]
    if named:
        words = ", ".join(f"{' '.join(n.names)} ({n.style})" for n in named)
        yield _finding(
            "KF-809", Severity.NOTE, f"network settings are tied to adapters' names: {words}",
            told.root, "names may change with the adapter; check them after the first start",
        )  # fmt: skip


def _about_windows(told: SystemFacts, windows: WindowsFacts) -> Iterator[Finding]:
    if windows.problem:
        yield _finding(
            "KF-812", Severity.WARNING, f"the registry is not read: {windows.problem}", told.root,
            "start Windows once and shut it down, then copy its disks again",
        )  # fmt: skip
    if windows.hibernated:
        yield _finding(
            "KF-811", Severity.WARNING, "Windows is hibernated, or was shut down by Fast Startup",
            told.root, "shut it down fully: shutdown /s /t 0, after powercfg /h off",
        )  # fmt: skip
    if windows.static_addresses:
        yield _finding(
            "KF-809", Severity.NOTE,
            f"{windows.static_addresses} adapter(s) have a static address", told.root,
            "Windows ties them to the adapter: a new one gets its address from DHCP",
        )  # fmt: skip


def _finding(code: str, severity: Severity, message: str, subject: str, action: str) -> Finding:
    return Finding(code, severity, message, subject, action)
