"""Settings of a VMX that the model does not have, written back beside what it has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kensho.model.machine import Extra
from kensho.platforms.extras import Fate, fate_of

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,254}", re.ASCII)
_DEVICE = re.compile(
    r"(?:sched\.)?((?:scsi|sata|ide|nvme|floppy|ethernet|serial|parallel|usb|usb_xhci|ehci|sound)"
    r"[0-9]*(?::[0-9]+)?)\..*",
    re.ASCII,
)


def kept(
    extras: Iterable[Extra], written: Iterable[tuple[str, str | int | bool]]
) -> Iterator[tuple[str, str]]:
    """Yield the settings to add to what is ``written``.

    What is written has the word; a setting of a device goes with its device. Keys that are none,
    and those that `kensho.platforms.extras` leaves out, are never written, whoever asks.
    """
    there = {key.lower(): value for key, value in written}
    for extra in extras:
        key = extra.where.lower()
        if extra.dialect != "vmx" or key in there or not _KEY.fullmatch(extra.where):
            continue
        device = _DEVICE.fullmatch(key)
        gone = device is not None and there.get(f"{device[1]}.present") is not True
        if not gone and fate_of(extra) is Fate.BACK:
            there[key] = extra.text
            yield extra.where, extra.text
