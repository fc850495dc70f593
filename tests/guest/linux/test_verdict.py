"""Which devices a kernel starts from, told from its files."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from kensho.guest.devices import CONTROLLERS, NICS
from kensho.guest.linux.adapt.drivers import wanted_drivers
from kensho.guest.linux.initramfs.codecs import pack
from kensho.guest.linux.initramfs.cpio import write_archive
from kensho.guest.linux.initramfs.image import open_initramfs
from kensho.guest.linux.initramfs.overlay import with_overlay
from kensho.guest.linux.modules.index import module_name, read_index
from kensho.guest.linux.modules.modinfo import read_modinfo
from kensho.guest.linux.verdict import (
    Kernel,
    Place,
    judge_controller,
    judge_nic,
    modules_in,
)
from kensho.model.errors import CorruptError
from kensho.model.machine import ControllerModel, NicModel
from tests.guest.linux.trees import INDEX, MODULES, debian_base, elf, entry

VERSION = MODULES.rpartition("/")[2]
VIRTIO = (
    "kernel/drivers/virtio/virtio.ko",
    "kernel/drivers/virtio/virtio_ring.ko",
    "kernel/drivers/virtio/virtio_pci.ko",
    "kernel/drivers/block/virtio_blk.ko.zst",
)


def kernel(*modules: str) -> Kernel:
    image = open_initramfs(write_archive(debian_base(*modules)))
    return Kernel(VERSION, read_index(INDEX), modules_in(image, VERSION))


def test_a_kvm_only_initramfs() -> None:
    guest = kernel(*VIRTIO)
    virtio = judge_controller(guest, ControllerModel.VIRTIO_BLK)
    assert virtio is not None
    assert (virtio.place, virtio.works) == (Place.INITRAMFS, True)
    assert set(virtio.drivers) == {"virtio_pci", "virtio_blk"}
    pvscsi = judge_controller(guest, ControllerModel.PVSCSI)
    assert pvscsi is not None
    assert (pvscsi.place, pvscsi.works) == (Place.ROOT, False)
    assert pvscsi.lacking == ("vmw_pvscsi", "sd_mod")
    nvme = judge_controller(guest, ControllerModel.NVME)
    assert nvme is not None
    assert (nvme.place, nvme.works) == (Place.KERNEL, True)
    lsi = judge_controller(guest, ControllerModel.LSILOGIC)
    assert lsi is not None
    assert (lsi.place, lsi.works) == (Place.NOWHERE, False)
    assert lsi.lacking[-1].startswith("pci:v00001000d00000030")


def test_an_adapter_may_wait_for_the_root_file_system() -> None:
    nic = judge_nic(kernel(), NicModel.VMXNET3)
    assert nic is not None
    assert (nic.place, nic.works) == (Place.ROOT, True)
    e1000 = judge_nic(kernel(), NicModel.E1000)
    assert e1000 is not None
    assert not e1000.works


def test_a_module_counts_only_with_all_it_needs() -> None:
    half = kernel("kernel/drivers/scsi/vmw_pvscsi.ko", "kernel/drivers/scsi/sd_mod.ko")
    assert judge_controller(half, ControllerModel.PVSCSI).works is False  # type: ignore[union-attr]
    whole = kernel(
        "kernel/drivers/scsi/vmw_pvscsi.ko",
        "kernel/drivers/scsi/sd_mod.ko",
        "kernel/drivers/scsi/scsi_mod.ko",
    )
    assert judge_controller(whole, ControllerModel.PVSCSI).works is True  # type: ignore[union-attr]


def test_names_stand_in_where_the_kernel_does_not_tell_what_is_built_in() -> None:
    texts = INDEX | {
        "modules.builtin": "kernel/ata_piix.ko\nkernel/sd_mod.ko\n",
        "modules.builtin.modinfo": "",
    }
    old = Kernel(VERSION, read_index(texts))
    verdict = judge_controller(old, ControllerModel.IDE)
    assert verdict is not None
    assert (verdict.place, verdict.works) == (Place.KERNEL, True)


def test_the_closure_is_in_the_order_of_loading() -> None:
    index = read_index(INDEX)
    order = index.closure(["ahci", "virtio-blk"])
    assert order == (
        "scsi_mod", "libata", "libahci", "crc32c_generic", "ahci",
        "virtio_ring", "virtio", "virtio_blk",
    )  # fmt: skip


def test_an_overlay_turns_the_verdict() -> None:
    data = pack(write_archive(debian_base(*VIRTIO)), "zstd")
    base = open_initramfs(data)
    index = read_index(INDEX)
    wanted = index.closure(["vmw_pvscsi", "sd_mod"])
    files = {f"lib/modules/{VERSION}/{index.files[name]}": b"\x7fELF" for name in wanted}
    image = open_initramfs(with_overlay(base, files))
    after = Kernel(VERSION, index, modules_in(image, VERSION))
    for model in (ControllerModel.PVSCSI, ControllerModel.VIRTIO_BLK):
        verdict = judge_controller(after, model)
        assert verdict is not None
        assert verdict.works


def test_a_driver_of_virtios_bus_drives_no_disk() -> None:
    """A kernel with virtio's bus and its plain disks built in, and nothing of its SCSI or network."""
    texts = {
        "modules.builtin": "".join(
            f"kernel/{n}.ko\n" for n in ("virtio_pci", "virtio_blk", "sd_mod")
        )
    }
    kernel = Kernel(VERSION, read_index(texts))
    disks = {
        m: judge_controller(kernel, m)
        for m in (ControllerModel.VIRTIO_BLK, ControllerModel.VIRTIO_SCSI)
    }
    assert [verdict and verdict.works for verdict in disks.values()] == [True, False]
    nic = judge_nic(kernel, NicModel.VIRTIO)
    assert nic is not None
    assert not nic.works


def test_every_device_of_the_model_has_its_drivers() -> None:
    no_driver = {ControllerModel.SCSI, ControllerModel.FLOPPY}
    assert set(CONTROLLERS) == set(ControllerModel) - no_driver
    # Old VMware adapters have had no driver in Linux since 2.6; SR-IOV depends on the host.
    unknown = {NicModel.VMXNET, NicModel.VMXNET2, NicModel.SRIOV, NicModel.UNKNOWN}
    assert set(NICS) == set(NicModel) - unknown


@pytest.mark.parametrize("codec", [None, "gzip", "xz", "zstd"])
def test_modinfo_is_what_modinfo_says(tmp_path: Path, codec: str | None) -> None:
    records = b"license=GPL\0alias=pci:v000015ADd000007C0sv*sd*bc*sc*i*\0depends=scsi_mod\0firmware=a/b.bin\0"
    data = elf(records)
    pairs = read_modinfo(pack(data, codec), "x.ko")
    assert pairs == tuple(tuple(r.decode().split("=", 1)) for r in records.split(b"\0") if r)
    tool = shutil.which("modinfo") or shutil.which("/sbin/modinfo")
    if tool and codec is None:
        (tmp_path / "x.ko").write_bytes(data)
        run = subprocess.run(
            [tool, "-F", "alias", str(tmp_path / "x.ko")],
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == dict(pairs)["alias"]


def test_what_is_no_module() -> None:
    with pytest.raises(CorruptError):
        read_modinfo(b"MZ" + bytes(100), "x.ko")
    with pytest.raises(CorruptError):
        read_modinfo(elf(b"a=b\0")[:200], "x.ko")


@pytest.mark.parametrize(("form", "at", "value"), [("<Q", 40, (1 << 64) - 1), ("<Q", 40, 1 << 62)])
def test_a_modules_sections_that_are_nowhere(form: str, at: int, value: int) -> None:
    data = bytearray(elf(b"a=b\0"))
    struct.pack_into(form, data, at, value)
    with pytest.raises(CorruptError):
        read_modinfo(bytes(data), "x.ko")


def test_a_modules_names_of_sections_are_none_of_them() -> None:
    data = bytearray(elf(b"a=b\0"))
    struct.pack_into("<H", data, 62, 9)  # e_shstrndx, of three sections
    assert read_modinfo(bytes(data), "x.ko") == ()


def test_names_of_modules() -> None:
    assert module_name("kernel/drivers/net/xen-netfront.ko.zst") == "xen_netfront"


NASH = b"""#!/bin/nash
echo "Loading scsi_mod.ko module"
insmod /lib/scsi_mod.ko\x20
insmod /lib/sd_mod.ko
insmod /lib/vmw_pvscsi.ko
echo Waiting for driver initialization.
stabilized --hash --interval 250 /proc/scsi/scsi
"""


def test_nash_loads_what_its_script_names_and_no_more() -> None:
    names = ("lib/scsi_mod.ko", "lib/sd_mod.ko", "lib/vmw_pvscsi.ko")
    added = f"lib/modules/{VERSION}/kernel/drivers/ata/ahci.ko.xz"
    image = open_initramfs(
        write_archive([entry("init", NASH), *(entry(name, b"ELF") for name in (*names, added))])
    )
    kernel = Kernel(VERSION, read_index(INDEX), modules_in(image, VERSION))
    works = {
        model: judge_controller(kernel, model).works  # type: ignore[union-attr]
        for model in (ControllerModel.PVSCSI, ControllerModel.AHCI)
    }
    assert works == {ControllerModel.PVSCSI: True, ControllerModel.AHCI: False}


@pytest.mark.parametrize(
    ("files", "asks"),
    [
        ({"init": NASH}, False),
        ({"init": b"\x7fELF", "etc/booster.init.yaml": b"", "usr/lib/modules/booster.alias": b""}, False),
        ({"init": b"#!/bin/sh\nmodprobe virtio_blk\n"}, False),
        ({"init": b"#!/bin/sh\nfind /sys -name modalias | xargs modprobe -a\n"}, True),
        ({"init": b"", "etc/mdev.conf": b'$MODALIAS=.* 0:0 660 @modprobe -b "$MODALIAS"\n'}, True),
        # SLES 11: mkinitrd has udev and its rules.
        ({"init": b"", "sbin/udevd": b"", "lib/udev/rules.d/80-drivers.rules":
          b'ENV{MODALIAS}=="?*", RUN+="/sbin/modprobe -b $env{MODALIAS}"\n'}, True),
        ({"init": b"", "sbin/udevd": b"", "lib/udev/rules.d/60-persistent-storage.rules": b""}, False),
        ({"init": b"", "run_all.sh": b"", "mkinitrd.config": b""}, False),
        # mkinitcpio without its hook for udev, and with systemd.
        ({"init": b"#!/usr/bin/ash\n", "init_functions": b""}, False),
        ({"init": b"", "buildconfig": b"", "usr/lib/systemd/systemd-udevd": b"",
          "usr/lib/udev/rules.d/80-drivers.rules":
          b'ENV{MODALIAS}=="?*", RUN{builtin}+="kmod load \'$env{MODALIAS}\'"\n'}, True),
    ],
)  # fmt: skip
def test_who_loads_what_the_hardware_asks_for(files: dict[str, bytes], asks: bool) -> None:
    image = open_initramfs(write_archive([entry(name, data) for name, data in files.items()]))
    assert image.asks_hardware is asks


PIIX = {
    "modules.dep": "kernel/ata_piix.ko:\nkernel/ata_generic.ko:\nkernel/sd_mod.ko:\n"
    "kernel/hv_storvsc.ko:\nkernel/xen-blkfront.ko:\n",
    "modules.alias": "alias pci:v*d*sv*sd*bc01sc01i* ata_generic\n"
    "alias pci:v00008086d00007010sv*sd*bc*sc*i* ata_piix\n"
    "alias pci:v00008086d00007111sv*sd*bc*sc*i* ata_piix\n"
    "alias vmbus:32264132cb86a2449b5c50d1417354f5 hv_storvsc\nalias xen:vbd xen-blkfront\n",
}


def ide(*inside: str, platform: str = "", without: str = "\0") -> bool:
    lines = PIIX["modules.dep"].splitlines(keepends=True)
    texts = PIIX | {"modules.dep": "".join(x for x in lines if without not in x)}
    told = judge_controller(
        Kernel(VERSION, read_index(texts), frozenset(inside)), ControllerModel.IDE, platform
    )
    assert told is not None
    return told.works


def test_a_driver_for_a_whole_class_does_not_stand_in() -> None:
    """ata_generic matches every IDE controller and drives none unless it is told to."""
    assert ide("ata_piix", "sd_mod")
    assert not ide("ata_generic", "sd_mod")


@pytest.mark.parametrize(
    ("platform", "driver"),
    [("hyperv", "hv_storvsc"), ("azure", "hv_storvsc"), ("xen", "xen_blkfront")],
)
def test_emulated_disks_that_the_platforms_own_driver_takes(platform: str, driver: str) -> None:
    """ata_piix leaves its disks to storvsc, Xen unplugs them: because the driver is there at all."""
    assert not ide("ata_piix", "sd_mod", platform=platform)
    assert ide(driver, "sd_mod", platform=platform)
    assert ide("ata_piix", "sd_mod", platform=platform, without=driver.replace("xen_", "xen-"))
    assert ide("ata_piix", "sd_mod", platform="vmware")


def test_what_xens_bus_needs_counts_where_it_is_a_module() -> None:
    texts = PIIX | {"modules.dep": PIIX["modules.dep"] + "kernel/xen-platform-pci.ko:\n"}
    index = read_index(texts)
    without = judge_controller(
        Kernel(VERSION, index, frozenset({"xen_blkfront"})), ControllerModel.XEN_VBD
    )
    assert without is not None
    assert (without.works, without.lacking) == (False, ("xen_platform_pci",))
    names = wanted_drivers(index, [ControllerModel.XEN_VBD])
    both = judge_controller(Kernel(VERSION, index, frozenset(names)), ControllerModel.XEN_VBD)
    assert both is not None
    assert both.works
