"""Processors and memory: DSP0243 §8.3, with DSP0004 units and those exporters make up."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.items import Item, Resource
from kensho.appliances.ovf.units import parse_unit
from kensho.model.finding import Severity
from kensho.model.machine import Cpu, Memory
from kensho.model.units import GIB, MIB, TIB, format_bytes

ASSUMED_MEMORY = GIB
_MOST_CPUS = 4096
_MOST_MEMORY = 1024 * TIB
_MOST_CAPACITY = 1 << 63
_VARIABLE = re.compile(r"\$\{([^}]+)\}")


def to_int(text: str) -> int | None:
    """Return a decimal integer of at most 24 digits, None for anything else."""
    plain = text.strip()
    if re.fullmatch(r"[+-]?[0-9]{1,24}", plain, re.ASCII):
        return int(plain)
    return None


def resolve(text: str, properties: Mapping[str, str]) -> str:
    """Replace ``${key}`` by the default value of the property ``key``, where there is one."""
    return _VARIABLE.sub(lambda m: properties.get(m[1].strip()) or m[0], text)


def read_cpu(items: Sequence[Item], properties: Mapping[str, str], notes: Notes) -> Cpu:
    """Read the processors; one is assumed when none, or no number, is given."""
    found = [item for item in items if item.type == Resource.PROCESSOR]
    if not found:
        _assumed(notes, "processors", "1 processor is assumed")
        return Cpu()
    if len(found) > 1:
        _several(notes, "processors", found)
    item = found[0]
    count, cores = _count_and_cores(item, properties)
    if count is None or not 1 <= count <= _MOST_CPUS:
        _assumed(notes, f"{item.quantity or 'no'} processors", "1 processor is assumed")
        count = 1
    if cores < 1 or count % cores:
        cores = 1
    return Cpu(
        count=count,
        cores_per_socket=cores,
        reservation_hz=_scaled(item.reservation, item.units, "hertz"),
        limit_hz=_scaled(item.limit, item.units, "hertz"),
    )


def _count_and_cores(item: Item, properties: Mapping[str, str]) -> tuple[int | None, int]:
    count = to_int(resolve(item.quantity, properties))
    cores = to_int(item.value("corespersocket")) or 1
    sockets = to_int(item.value("num_of_sockets"))  # oVirt, without a VirtualQuantity
    if count is None and sockets is not None:
        per_socket = to_int(item.value("cpu_per_socket")) or 1
        threads = to_int(item.value("threads_per_cpu")) or 1
        return sockets * per_socket * threads, per_socket
    return count, cores


def read_memory(items: Sequence[Item], properties: Mapping[str, str], notes: Notes) -> Memory:
    """Read the memory in bytes; `ASSUMED_MEMORY` when none, or no number, is given."""
    found = [item for item in items if item.type == Resource.MEMORY]
    action = f"{format_bytes(ASSUMED_MEMORY)} is assumed"
    if not found:
        _assumed(notes, "memory", action)
        return Memory(ASSUMED_MEMORY)
    if len(found) > 1:
        _several(notes, "memory", found)
    item = found[0]
    quantity = to_int(resolve(item.quantity, properties))
    factor = _memory_unit(item, quantity or 0, notes)
    size = (quantity or 0) * factor
    if not 0 < size <= _MOST_MEMORY:
        _assumed(notes, f"memory size {item.quantity!r}", action)
        return Memory(ASSUMED_MEMORY)
    reservation, limit = (to_int(t) or 0 for t in (item.reservation, item.limit))
    return Memory(
        size=size,
        reservation=reservation * factor if reservation > 0 else None,
        limit=limit * factor if limit > 0 else None,
    )


def _memory_unit(item: Item, quantity: int, notes: Notes) -> int:
    unit = parse_unit(item.units) if item.units else None
    if unit is not None and unit.base == "byte":
        if not unit.standard:
            notes.add(
                "KF-111",
                Severity.NOTE,
                f"memory in {item.units!r}, which is no unit of DSP0004",
                subject=item.id,
                action=f"read in steps of {format_bytes(unit.factor)}",
            )
        return unit.factor
    # Without a unit DSP0004 means bytes; so small a machine means that megabytes were meant.
    factor = 1 if not item.units and quantity >= MIB else MIB
    stated = f"the unit {item.units!r}" if item.units else "no unit"
    notes.add(
        "KF-111",
        Severity.WARNING,
        f"memory of {item.quantity or '?'} with {stated}",
        subject=item.id,
        action=f"read as {'bytes' if factor == 1 else 'MiB'}",
    )
    return factor


def read_capacity(
    text: str, units: str, properties: Mapping[str, str], subject: str, notes: Notes
) -> int | None:
    """Return a disk's capacity in bytes, None when it is not given or not a number.

    DSP0243 §9.1: bytes unless ovf:capacityAllocationUnits says otherwise; ``${key}`` stands for
    a property, of which the user's value or the default is taken.
    """
    if not text:
        return None
    resolved = resolve(text, properties)
    number = to_int(resolved)
    unit = parse_unit(units) if units else None
    if units and (unit is None or unit.base != "byte"):
        notes.add(
            "KF-111",
            Severity.WARNING,
            f"disk capacity in {units!r}, which is no unit of bytes",
            subject=subject,
            action="read as bytes",
        )
        unit = None
    size = None if number is None else number * (unit.factor if unit else 1)
    if size is None or not 0 < size < _MOST_CAPACITY:
        notes.add(
            "KF-124",
            Severity.WARNING,
            f"disk capacity {text!r} is not a size",
            subject=subject,
            action="the size of the disk image itself counts",
        )
        return None
    if resolved != text:
        notes.add(
            "KF-123",
            Severity.NOTE,
            f"disk capacity is {text}, set when the package is deployed",
            subject=subject,
            action=f"{resolved} is taken ({format_bytes(size)})",
        )
    return size


def _scaled(text: str, units: str, base: str) -> int | None:
    number, unit = to_int(text), parse_unit(units)
    if number is None or number <= 0 or unit is None or unit.base != base:
        return None
    return number * unit.factor


def _assumed(notes: Notes, what: str, action: str) -> None:
    missing = what in {"processors", "memory"}
    message = f"the machine's {what} is not given" if missing else f"{what} is not usable"
    notes.add("KF-112", Severity.ERROR, message, action=action)


def _several(notes: Notes, what: str, found: Sequence[Item]) -> None:
    quantities = ", ".join(item.quantity or "?" for item in found)
    notes.add(
        "KF-119",
        Severity.WARNING,
        f"{len(found)} items give {what}: {quantities}",
        action="the first one counts",
    )
