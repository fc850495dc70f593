"""The files beside a VMX: locks, a suspended machine's state, the extended configuration.

Workstation makes a folder ``NAME.lck`` beside each file in use and removes it when the machine is
shut down; ESXi makes a file ``NAME.vmx.lck``. ``checkpoint.vmState`` names the ``.vmss`` of a
suspended machine, whose memory is in a ``.vmem`` beside it.
"""

from __future__ import annotations

from kensho.appliances.store import Store, find, read_text_file
from kensho.appliances.vmx.parse import Dictionary
from kensho.model.appliance import Appliance
from kensho.model.errors import KenshoError
from kensho.model.finding import Finding, Severity
from kensho.model.machine import Extra

_MAX_VMXF = 1024 * 1024


def locks(store: Store, vmx: str, appliance: Appliance) -> list[Finding]:
    """Say that the machine is in use when the VMX or one of its files is locked.

    On a web server, where each name is a request, nobody asks.
    """
    if store.base:
        return []
    names = [vmx, *(file.href for file in appliance.files)]
    locked = [f"{name}.lck" for name in names if _is_locked(store, f"{name}.lck")]
    if not locked:
        return []
    return [
        Finding(
            "KF-463",
            Severity.WARNING,
            f"the machine is running, or its host stopped while it was: {locked[0]} is there",
            subject=vmx,
            action="shut it down first; what is read while it runs may not fit together",
        )
    ]


def _is_locked(store: Store, name: str) -> bool:
    try:
        return bool(store.entries(name)) or store.size_of(name) is not None
    except KenshoError:  # the name is no file's
        return False


def suspended(values: Dictionary, vmx: str) -> list[Finding]:
    """Say that the memory of a suspended machine stays behind."""
    state = values.get("checkpoint.vmstate").strip()
    if not state:
        return []
    return [
        Finding(
            "KF-462",
            Severity.WARNING,
            f"the machine is suspended: what is in its memory is in {state[:100]}",
            subject=vmx,
            action="not carried over, as if the power was cut; shut it down before a conversion",
        )
    ]


def extended_configuration(store: Store, values: Dictionary) -> tuple[Extra, ...]:
    """Return the ``.vmxf``, VMware's XML about teams and tools, word for word; () without one."""
    name = values.get("extendedconfigfile").strip()
    try:
        there = find(store, name) if name else None
        if there is None:
            return ()
        text = read_text_file(store, there, _MAX_VMXF).decode("utf-8", "replace")
    except KenshoError:  # nothing of the machine is in it; the VMX's key for it is kept
        return ()
    return (Extra("vmxf", there, text),)
