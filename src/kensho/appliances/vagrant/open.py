"""Open a Vagrant box in place: the machine of its provider, read by that provider's reader.

Nothing is unpacked to disk, and nothing of the Vagrantfile is run: its text is kept as `Extra`.
"""

from __future__ import annotations

import dataclasses
from pathlib import PurePosixPath

import msgspec

from kensho.appliances.assemble import assemble
from kensho.appliances.hyperv.open import open_in as open_hyperv_in
from kensho.appliances.hyperv.places import index_of
from kensho.appliances.image.partitions import firmware_of
from kensho.appliances.mac import normal_mac
from kensho.appliances.origin import Origin
from kensho.appliances.ovf.open import read_descriptor
from kensho.appliances.package import Package
from kensho.appliances.store import Store, find, read_text_file, tar_store
from kensho.appliances.vagrant.libvirt_box import box_disks, read_libvirt
from kensho.appliances.vagrant.metadata import MAX_METADATA, NAME, NOTE, Metadata, read_metadata
from kensho.appliances.vagrant.recognise import VIRTUALBOX_OVF
from kensho.appliances.vagrant.vagrantfile import MAX_VAGRANTFILE, Vagrantfile, read_vagrantfile
from kensho.appliances.vmx.open import open_in
from kensho.disks import open_disk
from kensho.model.appliance import Appliance
from kensho.model.errors import KenshoError, PackageError, UnsupportedError, UsageError
from kensho.model.machine import Extra, Firmware, Machine
from kensho.model.origin import MAX_NOTE, try_origin
from kensho.model.selection import Selection
from kensho.storage import read_members

_VMWARE = frozenset({"vmware_desktop", "vmware_fusion", "vmware_workstation", "vmware"})
_VAGRANTFILE = "Vagrantfile"
#: Files of a box that describe it and are no part of the machine.
_OWN = (NAME, NOTE, _VAGRANTFILE, "info.json", "include/_Vagrantfile")
_UNPACK = {
    "parallels": "unpack it (tar -xf) and convert its .hdd disk alone",
    "docker": "a container is no machine; kensho has nothing to convert there",
}


def open_box(origin: Origin, selection: Selection) -> Package:
    """Open the machine in a box for libvirt, VirtualBox, VMware or Hyper-V.

    UnsupportedError for boxes of other providers, PackageError for one without its machine, and
    what the provider's reader raises.
    """
    archive = origin.open()
    try:
        members = read_members(archive, sparse=True)
        store = tar_store(archive, {m.name: m for m in members if m.type == "file"})
        return _open(store, origin, selection)
    except BaseException:
        archive.close()
        raise


def _open(store: Store, origin: Origin, selection: Selection) -> Package:
    metadata = _metadata(store, origin.path)
    vagrantfile = Vagrantfile()
    if _VAGRANTFILE in store.names:
        vagrantfile = read_vagrantfile(read_text_file(store, _VAGRANTFILE, MAX_VAGRANTFILE))
    provider = metadata.provider.lower()
    if provider == "libvirt":
        package = _libvirt(store, origin, selection, metadata, vagrantfile)
    elif provider == "virtualbox":
        package = _virtualbox(store, origin, selection, vagrantfile)
    elif provider in _VMWARE:
        package = _vmware(store, origin, selection)
    elif provider == "hyperv":
        package = _hyperv(store, origin, selection)
    else:
        raise UnsupportedError(
            f"is a Vagrant box for {metadata.provider!r}",
            path=origin.path,
            field=f"{NAME} provider",
            hint=_UNPACK.get(
                provider, "boxes for libvirt, virtualbox, vmware_desktop and hyperv are read"
            ),
        )
    return _with_note(_with_vagrantfile(package, vagrantfile), store)


def _with_note(package: Package, store: Store) -> Package:
    """Return the package with the note of where its machine came from, if it has one."""
    if NOTE not in store.names or package.appliance.origin is not None:
        return package
    found, findings = try_origin(
        lambda: read_text_file(store, NOTE, MAX_NOTE), path=f"{package.path}#{NOTE}"
    )
    return dataclasses.replace(
        package,
        appliance=msgspec.structs.replace(package.appliance, origin=found),
        findings=(*package.findings, *findings),
    )


def _metadata(store: Store, path: str) -> Metadata:
    if NAME in store.names:
        return read_metadata(read_text_file(store, NAME, MAX_METADATA), path)
    if VIRTUALBOX_OVF in store.names:  # boxes of Vagrant 1.0 had no metadata
        return Metadata("virtualbox")
    raise PackageError(
        f"no {NAME} is in this box",
        path=path,
        hint="it says which provider the box is for; make the box again with it",
    )


def _libvirt(
    store: Store,
    origin: Origin,
    selection: Selection,
    metadata: Metadata,
    vagrantfile: Vagrantfile,
) -> Package:
    if selection.configuration is not None:
        raise UsageError(
            "a libvirt box has no configurations", path=origin.path, hint="leave it out"
        )
    appliance, findings = read_libvirt(
        metadata,
        vagrantfile,
        name=metadata.name or origin.stem,
        firmware=_firmware_of(store, box_disks(metadata)[0].path),
        path=origin.path,
    )
    return assemble("vagrant", origin.path, appliance, store, findings, own=_OWN)


def _firmware_of(store: Store, name: str) -> Firmware | None:
    """Return what the first disk boots with, None when it cannot be read: a plan says why."""
    try:
        there = find(store, name)
        if there is None:
            return None
        source = store.open(there)
        reader = open_disk(source, sibling=store.open)
        try:
            return firmware_of(reader)
        finally:
            reader.close()
    except KenshoError:
        return None


def _virtualbox(
    store: Store, origin: Origin, selection: Selection, vagrantfile: Vagrantfile
) -> Package:
    name = _only(store, ".ovf", VIRTUALBOX_OVF, origin.path)
    appliance, findings = read_descriptor(store, name, selection, fallback=origin.stem)
    appliance = _as_vagrant_starts(appliance, vagrantfile)
    manifest = f"{PurePosixPath(name).stem}.mf"
    own = (*_OWN, name, manifest)
    return assemble("vagrant", origin.path, appliance, store, findings, own=own)


def _as_vagrant_starts(appliance: Appliance, vagrantfile: Vagrantfile) -> Appliance:
    """Return the machine with the address of its first adapter and the firmware Vagrant sets."""
    if len(appliance.machines) != 1:
        return appliance
    machine: Machine = appliance.machines[0]
    mac = normal_mac(vagrantfile.config.get("vm.base_mac", ""))
    if mac is not None and machine.nics:
        first = msgspec.structs.replace(machine.nics[0], mac=mac)
        machine = msgspec.structs.replace(machine, nics=(first, *machine.nics[1:]))
    if vagrantfile.efi:
        firmware = msgspec.structs.replace(machine.firmware, kind=Firmware.UEFI, stated=True)
        machine = msgspec.structs.replace(machine, firmware=firmware)
    return msgspec.structs.replace(appliance, machines=(machine,))


def _vmware(store: Store, origin: Origin, selection: Selection) -> Package:
    name = _only(store, ".vmx", "", origin.path)
    return open_in(
        store,
        name,
        selection,
        path=origin.path,
        fallback=origin.stem,
        kind="vagrant",
        own=_OWN,
    )


def _hyperv(store: Store, origin: Origin, selection: Selection) -> Package:
    if selection.configuration is not None:
        raise UsageError("a box has no configurations", path=origin.path, hint="leave it out")
    found = [
        name
        for name in store.names
        if name.lower().endswith((".vmcx", ".xml")) and name.lower().startswith("virtual machines/")
    ]
    if len(found) != 1:
        raise PackageError(
            f"{len(found)} configurations of Hyper-V are in this box",
            path=origin.path,
            hint="a box has one machine, in its folder Virtual Machines",
        )
    return open_hyperv_in(
        store,
        found[0],
        index_of(store.names),
        path=origin.path,
        fallback=origin.stem,
        kind="vagrant",
        beside=_OWN,
    )


def _only(store: Store, suffix: str, usual: str, path: str) -> str:
    found = [n for n in store.names if n.lower().endswith(suffix) and "/" not in n]
    found = [n for n in found if not n.startswith("._")]
    if usual in found:
        return usual
    if len(found) != 1:
        what = f"no {suffix} file is" if not found else f"{len(found)} {suffix} files are"
        raise PackageError(
            f"{what} in this box",
            path=path,
            hint="a box has one machine, at the root of the archive",
        )
    return found[0]


def _with_vagrantfile(package: Package, vagrantfile: Vagrantfile) -> Package:
    """Return the package with the Vagrantfile's text kept word for word."""
    if not vagrantfile.text:
        return package
    extra = Extra("vagrant", _VAGRANTFILE, vagrantfile.text)
    appliance = package.appliance
    message = vagrantfile.config.get("vm.post_up_message", "")
    if message and len(appliance.machines) == 1 and not appliance.machines[0].annotation:
        machine = msgspec.structs.replace(appliance.machines[0], annotation=message)
        appliance = msgspec.structs.replace(appliance, machines=(machine,))
    appliance = msgspec.structs.replace(appliance, extras=(*appliance.extras, extra))
    return dataclasses.replace(package, appliance=appliance)
