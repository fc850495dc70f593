"""Serial ports, USB, sound, video and what the model has no name for."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, note, warning
from kensho.model.finding import Finding
from kensho.model.machine import SerialKind


def check(journey: Journey) -> Iterator[Finding]:
    """Find devices that the target's files do not mention."""
    for before, after in journey.machines():
        for what, old, new in (
            ("serial ports", before.serial_ports, after.serial_ports),
            ("USB", before.usb, after.usb),
            ("sound", before.sound, after.sound),
            ("display settings", before.video, after.video),
        ):
            if old and not new:
                yield note("KF-350", f"left out: {what}", before.name)
        if after.serial_ports and len(after.serial_ports) < len(before.serial_ports):
            yield note(
                "KF-350",
                f"left out: serial ports after the {len(after.serial_ports)}.",
                before.name,
            )
        old_3d = before.video is not None and before.video.accelerated_3d
        if old_3d and not (after.video is not None and after.video.accelerated_3d):
            yield note(
                "KF-432",
                "3D acceleration is not carried over",
                before.name,
                "the desktop draws in software until there is a display adapter with it",
            )
        if after.usb or after.sound or after.video:
            yield note(
                "KF-354",
                "sound, USB and display become the target's nearest model",
                before.name,
                "guests find drivers for these by themselves",
            )
        if any(p.kind is not SerialKind.NONE for p in after.serial_ports):
            yield note(
                "KF-351",
                "what a serial port is connected to on the host is not carried over",
                before.name,
                "the port is there; connect it after the import",
            )
        for device in before.others:
            text = f"device {device.name or device.id} (type {device.type}) has no equivalent"
            if device.required:
                yield warning("KF-352", text, before.name, "left out")
            else:
                yield note("KF-353", text, before.name, "left out; the source calls it optional")
