"""What was kept of an xl or xm configuration, as a new one can say it again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kensho.appliances.xen.parse import Value, parse_config
from kensho.appliances.xen.quote import is_key
from kensho.model.errors import KenshoError
from kensho.model.machine import Firmware, Machine
from kensho.platforms.extras import Fate, fate_of

DIALECT = "xen"
PARAVIRTUAL = "pv/"  #: in front of the settings by which a paravirtualized guest starts
_KINDS = frozenset({"pv", "pvh"})
#: How a paravirtualized guest starts; an HVM guest has firmware, and maybe a kernel of the host.
STARTS_WITH = ("kernel", "ramdisk", "cmdline", "extra", "root", "bootloader", "bootloader_args")
_VIF = re.compile(r"vif/([0-9]{1,3})")
_PAIR = re.compile(r"[a-z_]{1,20}=[^,\"'\\\s]{1,200}")


@dataclass(frozen=True, slots=True)
class Kept:
    """``paravirtual`` is ``pv`` or ``pvh`` for such a guest, else empty; ``vifs`` by number."""

    paravirtual: str
    settings: Mapping[str, Value]
    vifs: Mapping[int, tuple[str, ...]]


def kept_of(machine: Machine) -> Kept:
    """Return the settings that may be written back; what is no literal is left out."""
    values: dict[str, Value] = {}
    starts: dict[str, Value] = {}
    vifs: dict[int, tuple[str, ...]] = {}
    for extra in machine.extras:
        if extra.dialect != DIALECT or fate_of(extra) is not Fate.BACK:
            continue
        match = _VIF.fullmatch(extra.where)
        key = extra.where.removeprefix(PARAVIRTUAL)
        if match is not None:
            pairs = extra.text.split(",")
            vifs[int(match[1])] = tuple(p for p in pairs if _PAIR.fullmatch(p))
        elif is_key(key) and (value := _value(key, extra.text)) is not None:
            (values if key == extra.where else starts)[key] = value
    kind = starts.pop("type", "")
    bios = machine.firmware.kind is Firmware.BIOS
    if not (isinstance(kind, str) and kind in _KINDS and bios):
        return Kept("", values, vifs)
    return Kept(kind, values | starts, vifs)


def _value(key: str, text: str) -> Value | None:
    """Return a setting's value; None unless the text is one literal and nothing else."""
    try:
        found = parse_config(f"{key} = {text}\n".encode(), path=key)
    except KenshoError:
        return None
    return found[key].value if set(found) == {key} else None
