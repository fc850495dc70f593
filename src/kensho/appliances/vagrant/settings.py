"""The Vagrantfile of a box: what its provider has to be told.

Source: vagrant-libvirt's configuration, https://developer.hashicorp.com/vagrant/docs/providers.
Only settings that all versions of the last years know: an unknown one keeps Vagrant from starting.
"""

from __future__ import annotations

from collections.abc import Iterable

from kensho.appliances.vagrant.ruby import quote
from kensho.model import guest_os
from kensho.model.machine import ControllerModel, Firmware, Machine
from kensho.model.units import MIB
from kensho.platforms.kvm import LIBVIRT
from kensho.platforms.words import controller_word, word_for

#: Where Debian, Ubuntu and others have it; Fedora's is /usr/share/edk2/ovmf/OVMF_CODE.fd.
OVMF = "/usr/share/OVMF/OVMF_CODE.fd"


def libvirt_lines(machine: Machine) -> bytes:
    """Return the Vagrantfile of a libvirt box."""
    cpu = machine.cpu
    lines = [
        'libvirt.driver = "kvm"',
        f"libvirt.cpus = {cpu.count}",
        f"libvirt.memory = {max(1, machine.memory.size // MIB)}",
        f"libvirt.disk_bus = {quote(disk_bus(machine))}",
    ]
    if cpu.cores_per_socket > 1 and cpu.count % cpu.cores_per_socket == 0:
        sockets = cpu.count // cpu.cores_per_socket
        lines.append(
            f'libvirt.cputopology :sockets => "{sockets}",'
            f' :cores => "{cpu.cores_per_socket}", :threads => "1"'
        )
    if cpu.nested_virtualization:
        lines.append("libvirt.nested = true")
    lines += [f"libvirt.boot {quote(word)}" for word in _boot_words(machine)]
    if machine.nics:
        model = word_for(LIBVIRT.nics, machine.nics[0].model)
        lines.append(f"libvirt.nic_model_type = {quote(model or 'virtio')}")
    if machine.firmware.kind is Firmware.UEFI:
        lines += ['libvirt.machine_type = "q35"', f"libvirt.loader = {quote(OVMF)}"]
    return _file(machine, "libvirt", "libvirt", lines)


def _boot_words(machine: Machine) -> list[str]:
    """Return the kinds of devices to start from, in order; none where the disk is the first."""
    ranked = [(d.boot_order, "hd") for d in machine.disks if d.boot_order is not None]
    ranked += [(n.boot_order, "network") for n in machine.nics if n.boot_order is not None]
    words = list(dict.fromkeys(word for _, word in sorted(ranked)))
    return words if words[:1] == ["network"] else []


def disk_bus(machine: Machine) -> str:
    """Return vagrant-libvirt's one word for the bus of all disks.

    Its ``scsi`` is a controller that few guests drive, and whoever has virtio-scsi has virtio-blk.
    """
    boot = machine.boot_disk()
    controller = None if boot is None else machine.controller(boot.controller)
    if controller is None or controller.model is ControllerModel.VIRTIO_SCSI:
        return "virtio"
    word = controller_word(LIBVIRT.controllers, controller.model) or "virtio:"
    return word.partition(":")[0]


def virtualbox_lines(machine: Machine, base_mac: str) -> bytes:
    """Return the Vagrantfile of a VirtualBox box; ``base_mac`` is the first adapter's address."""
    lines = []
    if machine.firmware.kind is Firmware.UEFI:
        lines.append('vb.customize ["modifyvm", :id, "--firmware", "efi"]')
    if machine.cpu.nested_virtualization:
        lines.append('vb.customize ["modifyvm", :id, "--nested-hw-virt", "on"]')
    return _file(machine, "virtualbox", "vb", lines, [f"config.vm.base_mac = {quote(base_mac)}"])


def vmware_lines(machine: Machine) -> bytes:
    """Return the Vagrantfile of a VMware box; all of the machine is in its VMX."""
    return _file(machine, "vmware_desktop", "vmware", ())


def _file(
    machine: Machine,
    provider: str,
    variable: str,
    lines: Iterable[str],
    config: Iterable[str] = (),
) -> bytes:
    out = ["# -*- mode: ruby -*-", 'Vagrant.configure("2") do |config|']
    # The guest was not made for Vagrant: it has none of the helpers of its shared folders.
    out.append('  config.vm.synced_folder ".", "/vagrant", disabled: true')
    if guest_os.get(machine.guest.id).family == "windows":
        out += ["  config.vm.guest = :windows", '  config.vm.communicator = "winrm"']
    if machine.annotation:
        out.append(f"  config.vm.post_up_message = {quote(machine.annotation)}")
    out += [f"  {line}" for line in config]
    body = [f"    {line}" for line in lines]
    if body:
        out += [f"  config.vm.provider {quote(provider)} do |{variable}|", *body, "  end"]
    return "\n".join([*out, "end", ""]).encode("ascii")
