"""What the machine had of its host, and its past: devices, folders, snapshots, watchdog, clock."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, note, warning
from kensho.model import guest_os
from kensho.model.finding import Finding
from kensho.model.host_side import Clock, HostDeviceKind
from kensho.model.machine import Machine

_LISTED, _LONG = 8, 60


def check(journey: Journey) -> Iterator[Finding]:
    """Find what stays behind on the host."""
    for before, after in journey.machines():
        yield from _devices(before)
        yield from _past(before, after)
        yield from _clock(before, after)


def _devices(machine: Machine) -> Iterator[Finding]:
    redirected = HostDeviceKind.USB_REDIRECTION
    devices = [
        f"{d.kind.value} {d.name}".strip() for d in machine.host_devices if d.kind is not redirected
    ]
    if devices:
        yield warning(
            "KF-420",
            f"devices of the host stay there: {_some(devices)}",
            machine.name,
            "give the machine an equivalent at the target, or take its drivers out of the guest",
        )
    if any(d.kind is redirected for d in machine.host_devices):
        yield note(
            "KF-422",
            "USB redirection is not carried over",
            machine.name,
            "add it at the target where people plug devices into a remote screen",
        )
    if machine.shared_folders:
        names = [f.name for f in machine.shared_folders]
        yield warning(
            "KF-421",
            f"folders shared with the host are not carried over: {_some(names)}",
            machine.name,
            "an entry in the guest's fstab may keep it from starting; use a network share",
        )


def _past(before: Machine, after: Machine) -> Iterator[Finding]:
    if before.snapshots and not after.snapshots:
        yield note(
            "KF-423",
            f"{len(before.snapshots)} snapshot(s) stay behind: "
            + _some([s.name for s in before.snapshots]),
            before.name,
            "one state is converted; keep the source as long as the others are needed",
        )
    if before.watchdog and not after.watchdog:
        yield note(
            "KF-424",
            f"the watchdog ({before.watchdog}) is not carried over",
            before.name,
            "the guest's watchdog service fails until it has one there",
        )


def _clock(before: Machine, after: Machine) -> Iterator[Finding]:
    if before.clock is None or after.clock is not None:
        return
    wants_local = guest_os.get(before.guest.id).family == "windows"
    if (before.clock is Clock.LOCAL) != wants_local:
        shown = "local time" if before.clock is Clock.LOCAL else "UTC"
        yield warning(
            "KF-425",
            f"the hardware clock shows {shown}, unlike what is usual for this guest; that is not"
            " carried over",
            before.name,
            "the guest's time may be off by hours until it asks a time server",
        )


def _some(words: list[str]) -> str:
    shown = [w if len(w) <= _LONG else f"{w[:_LONG]}…" for w in words[:_LISTED]]
    return ", ".join(shown) + (" …" if len(words) > _LISTED else "")
