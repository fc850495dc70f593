"""Services of a hypervisor that the machine has left: kept from starting, not removed.

They look for their hypervisor's devices, and some stop Windows when there are none. Source: what the
vendors' tools install (VMware Tools, XenServer VM Tools, Parallels Tools, VirtualBox Guest
Additions, the QEMU guest agent), and virt-v2v's manual for those that harm.
"""

from __future__ import annotations

from collections.abc import Iterable

from kensho.guest.windows.changes import Editor
from kensho.guest.windows.control_sets import control_sets
from kensho.guest.windows.hive import dword, multi_sz

DISABLED = 4

#: By the platform they belong to, in lower case. Drivers of disks and adapters are not among them:
#: they wait for their devices and do no harm, and a machine that goes back needs them.
OWN: dict[str, frozenset[str]] = {
    "vmware": frozenset({"vmtools", "vmvss", "vgauthservice", "vmmemctl", "vm3dservice", "vmhgfs"}),
    "xenserver": frozenset({"xenagent", "xensvc", "xenlite", "xenguestagent", "xenvss"}),
    "virtualbox": frozenset({"vboxservice", "vboxsf"}),
    "parallels": frozenset(
        {"prl_boot", "prl_dd", "prl_eth5", "prl_fs", "prl_memdev", "prl_mouf", "prl_pv32"}
        | {"prl_pv64", "prl_scsi", "prl_sound", "prl_strg", "prl_tg", "prl_time", "prl_uprof"}
        | {"prl_va"}
    ),
    "rhev": frozenset({"rhelscsi"}),
}
_DISK_CLASS = "{4d36e967-e325-11ce-bfc1-08002be10318}"
_FILTERS = frozenset({"prl_strg"})


def disable_services(system: Editor, platforms: Iterable[str]) -> tuple[str, ...]:
    """Disable the services of platforms that the machine leaves; return those that were there."""
    wanted = frozenset().union(*(OWN.get(platform, frozenset()) for platform in platforms))
    found: dict[str, None] = {}
    for control_set in control_sets(system.hive):
        services = system.hive.find(rf"{control_set}\Services")
        names = [key.name for key in services.subkeys()] if services is not None else []
        for name in names:
            if name.lower() in wanted:
                system.set(rf"{control_set}\Services\{name}", dword("Start", DISABLED))
                found[name] = None
        _drop_filters(system, control_set, wanted)
    return tuple(found)


def _drop_filters(system: Editor, control_set: str, wanted: frozenset[str]) -> None:
    """Take a disabled driver off the disks it filters: Windows stops when a filter is missing."""
    path = rf"{control_set}\Control\Class\{_DISK_CLASS}"
    key = system.hive.find(path)
    value = key.value("LowerFilters") if key is not None else None
    if value is None:
        return
    kept = [name for name in value.strings if name.lower() not in _FILTERS & wanted]
    if len(kept) == len(value.strings):
        return
    if kept:
        system.set(path, multi_sz("LowerFilters", kept))
    else:
        system.delete_value(path, "LowerFilters")
