"""libvirt domains as a source: what kensho wrote, libvirt's own tests, and hostile files."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from libvirt_facts import corpus_folder, count_domains, count_pairs, facts
from mapped_machines import disk_machine, many_libvirt_machines, placed, with_machine

from kensho.appliances import open_package
from kensho.appliances.libvirt.write import libvirt_name, render
from kensho.convert.mapping import Devices, choose_policy, map_machine
from kensho.convert.source import opened_image
from kensho.model.errors import (
    CorruptError,
    KenshoError,
    LimitError,
    PackageError,
    UnsupportedError,
)
from kensho.model.machine import (
    Cdrom,
    ControllerModel,
    Disk,
    Firmware,
    Floppy,
    NicModel,
    SerialKind,
)
from kensho.model.units import GIB, MIB
from kensho.platforms import find_platform

DOMAIN = """<domain type='{kind}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
<name>web</name><memory unit='MiB'>512</memory><vcpu>2</vcpu>{top}
<devices>{devices}</devices></domain>"""


def opened(tmp_path: Path, devices: str = "", top: str = "", kind: str = "kvm"):
    path = tmp_path / "vm.xml"
    path.write_text(DOMAIN.format(kind=kind, top=top, devices=devices), encoding="utf-8")
    package = open_package(path)
    package.close()
    return package


def machine(tmp_path: Path, devices: str = "", top: str = "", kind: str = "kvm"):
    return opened(tmp_path, devices, top, kind).appliance.machines[0]


def codes(package) -> set[str]:
    return {finding.code for finding in package.findings}


def disk(path: Path | str, dev: str = "sda", kind: str = "qcow2", more: str = "") -> str:
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='{kind}'/>"
        f"<source file='{path}'/>{more}<target dev='{dev}' bus='sata'/></disk>"
    )


def qemu_img(*arguments: object) -> None:
    subprocess.run(["qemu-img", *map(str, arguments)], check=True, capture_output=True)


needs_qemu = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs qemu-img")


# What kensho writes


def back(tmp_path: Path, appliance):
    (document,) = render(appliance, placed(appliance))
    path = tmp_path / "back.xml"
    path.write_bytes(document.data)
    package = open_package(path)
    package.close()
    assert codes(package) <= {"KF-147", "KF-201"}  # the disks are not there
    return package.appliance


def essence(found, source):
    """Return the facts of both, less what a domain does not say."""
    got, wanted = facts(found), facts(source)
    wanted["serial"] = [SerialKind.NONE] * max(1, len(source.serial_ports))
    got["name"], wanted["name"] = libvirt_name(found.name), libvirt_name(source.name)
    for result, one in ((got, found), (wanted, source)):
        result["firmware"] = msgspec.structs.replace(one.firmware, nvram=None, stated=True)
        result["guest"] = one.guest.id.removesuffix("-32")
        result["nics"] = [(n.connected, n.vlan) for n in one.nics]
        result["read_only"] = [(d.read_only, d.shared) for d in one.disks]
        result["memory of the display"] = one.video.memory if one.video else None
        result["nested"] = one.cpu.nested_virtualization
    return got, wanted


def mapped_sources():
    kvm = find_platform("kvm")
    models = [m for m in ControllerModel if m is not ControllerModel.FLOPPY]
    guests = itertools.cycle(("debian12", "win2k22", "freebsd14", "other"))
    for model, firmware, devices in itertools.product(models, Firmware, Devices):
        source = disk_machine(
            disk=model, firmware=firmware, disks=3, secure_boot=True, tpm=True, guest=next(guests)
        )
        one = source.machines[0]
        result = map_machine(one, kvm, kvm.forms[0], choose_policy(one, kvm, devices))
        yield msgspec.structs.replace(source, machines=(result,))


def test_every_mapped_machine_reads_back_as_it_was(tmp_path):
    seen = 0
    for appliance in mapped_sources():
        found = back(tmp_path, appliance)
        got, wanted = essence(found.machines[0], appliance.machines[0])
        assert got == wanted
        seen += 1
    assert seen > 90


def test_what_was_read_is_written_and_read_again_without_a_change(tmp_path):
    for appliance in [*many_libvirt_machines(), *mapped_sources()]:
        first = back(tmp_path, appliance)
        again = back(tmp_path, first)
        assert msgspec.structs.replace(again, files=()) == msgspec.structs.replace(first, files=())


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.text(min_size=1, max_size=60),
    annotation=st.text(max_size=80),
    cores=st.integers(1, 8),
    sockets=st.integers(1, 8),
    memory=st.integers(1, 1 << 24),
    networks=st.lists(st.text(max_size=20), max_size=4),
)
def test_names_numbers_and_texts_come_back(
    tmp_path, name, annotation, cores, sockets, memory, networks
):
    source = disk_machine(name=name, cpus=(cores * sockets, cores))
    one = source.machines[0]
    nics = tuple(
        msgspec.structs.replace(one.nics[0], id=f"n{i}", network=n) for i, n in enumerate(networks)
    )
    source = with_machine(
        source,
        annotation=annotation,
        nics=nics,
        memory=msgspec.structs.replace(one.memory, size=memory * 1024),
    )
    found = back(tmp_path, source).machines[0]
    assert libvirt_name(found.name) == libvirt_name(name)  # but for what XML cannot carry
    if name.isprintable() and name == " ".join(name.split()):
        assert found.name == name
    if annotation.isprintable() and annotation.strip():
        assert found.annotation == annotation
    assert (found.cpu.count, found.cpu.cores_per_socket) == (cores * sockets, cores)
    assert found.memory.size == memory * 1024
    assert len(found.nics) == len(networks)


# What libvirt has tests for


def needs_corpus() -> Path:
    corpus = corpus_folder()
    if not (corpus / "MANIFEST.csv").exists():
        pytest.skip("no corpus beside the repository (KENSHO_CORPUS)")
    return corpus


def test_the_domains_of_the_corpus_open():
    counts, refused = count_domains(needs_corpus())
    opened_, missed = counts[False, True], counts[False, False]
    assert opened_ > 150
    assert opened_ >= 0.95 * (opened_ + missed), refused


def test_vmx_and_domain_of_one_machine_agree():
    pairs, agree, differ = count_pairs(needs_corpus())
    assert pairs > 75
    # libvirt rounds the memory of one machine to VMware's 4 MiB.
    assert agree.pop("memory") == pairs - 1, differ
    assert set(agree.values()) == {pairs}, differ
    assert len(agree) == len(facts(disk_machine().machines[0])) - 1


@pytest.mark.skipif(shutil.which("virsh") is None, reason="needs virsh")
def test_libvirts_test_driver_takes_a_machine_back(tmp_path):
    (document,) = render(disk_machine(), placed(disk_machine()))
    path = tmp_path / "a.xml"
    path.write_bytes(document.data.replace(b'type="kvm"', b'type="test"', 1))
    run = subprocess.run(
        ["virsh", "-c", "test:///default", f"define {path}; dumpxml web01"],
        capture_output=True,
        text=True,
        check=False,
    )
    text = run.stdout[run.stdout.find("<domain") :]
    if "<domain" not in run.stdout:
        pytest.skip(f"virsh has no test driver that takes it: {run.stderr[:200]}")
    path.write_text(text[: text.rfind("</domain>") + len("</domain>")], encoding="utf-8")
    package = open_package(path)
    package.close()
    got, wanted = essence(package.appliance.machines[0], disk_machine().machines[0])
    assert got.pop("adapters")[0] == wanted.pop("adapters")[0]  # libvirt gives the second a MAC
    assert got == wanted


# Disks


@needs_qemu
def test_disks_at_absolute_paths_and_chains_over_folders(tmp_path):
    there, templates, home = tmp_path / "images", tmp_path / "templates", tmp_path / "home"
    for folder in (there, templates, home):
        folder.mkdir()
    base, top = templates / "base.qcow2", there / "top.qcow2"
    (tmp_path / "content").write_bytes(b"base" * 4096)
    qemu_img("convert", "-f", "raw", "-O", "qcow2", tmp_path / "content", base)
    qemu_img("create", "-f", "qcow2", "-F", "qcow2", "-b", base, top)
    below = (
        f"<backingStore type='file'><format type='qcow2'/><source file='{base}'/>"
        "<backingStore/></backingStore>"
    )
    package = opened(home, disk(top, more=below))
    assert "KF-146" in codes(package)
    package = open_package(home / "vm.xml")
    with opened_image(package, package.appliance.machines[0].disks[0].image) as reader:
        assert bytes(reader_bytes(reader, 16)) == b"base" * 4
    package.close()
    # Without the domain's word a disk may not lead to another folder.
    opened(home, disk(top))
    package = open_package(home / "vm.xml")
    with (
        pytest.raises(KenshoError, match="outside its folder"),
        opened_image(package, package.appliance.machines[0].disks[0].image),
    ):
        pass
    package.close()


@needs_qemu
def test_a_chain_in_the_disks_own_folder_needs_no_word_of_the_domain(tmp_path):
    there, home = tmp_path / "images", tmp_path / "home"
    there.mkdir()
    home.mkdir()
    (tmp_path / "content").write_bytes(b"base" * 4096)
    qemu_img("convert", "-f", "raw", "-O", "qcow2", tmp_path / "content", there / "base.qcow2")
    qemu_img(
        "create", "-f", "qcow2", "-F", "qcow2", "-b", there / "base.qcow2", there / "top.qcow2"
    )
    opened(home, disk(there / "top.qcow2"))
    package = open_package(home / "vm.xml")
    with opened_image(package, package.appliance.machines[0].disks[0].image) as reader:
        assert bytes(reader_bytes(reader, 4)) == b"base"
    package.close()


def reader_bytes(reader, count: int) -> bytearray:
    buffer = bytearray(count)
    reader.read_into(0, buffer)
    return buffer


@needs_qemu
@pytest.mark.parametrize("said", ["raw", ""])
def test_a_header_in_a_raw_disk_leads_to_no_other_file(tmp_path, said):
    qemu_img("create", "-f", "raw", tmp_path / "secret.img", "1M")
    qemu_img(
        "create", "-f", "qcow2", "-F", "raw", "-b", tmp_path / "secret.img", tmp_path / "a.img"
    )
    xml = disk(tmp_path / "a.img", kind=said or "raw")
    opened(tmp_path, xml if said else xml.replace(" type='raw'", ""))
    package = open_package(tmp_path / "vm.xml")
    assert "KF-227" in codes(package)
    with (
        pytest.raises(UnsupportedError, match="raw"),
        opened_image(package, package.appliance.machines[0].disks[0].image),
    ):
        pass
    package.close()


@needs_qemu
def test_the_image_decides_what_it_is(tmp_path):
    qemu_img("create", "-f", "vmdk", tmp_path / "a.vmdk", "1M")
    package = opened(tmp_path, disk(tmp_path / "a.vmdk", kind="qcow2"))
    assert "KF-227" in codes(package)
    package = open_package(tmp_path / "vm.xml")
    with opened_image(package, package.appliance.machines[0].disks[0].image) as reader:
        assert reader.format == "vmdk"
    package.close()


def test_what_is_beside_comes_before_the_path(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.img").write_bytes(b"o" * 1024)
    (tmp_path / "a.img").write_bytes(b"b" * 2048)
    package = opened(tmp_path, disk(other / "a.img", kind="raw"))
    assert [f.href for f in package.appliance.files] == ["a.img"]
    assert "KF-147" in codes(package)


def test_two_files_of_one_name_are_told_by_their_paths(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.img").write_bytes(name.encode() * 512)
    (tmp_path / "a.img").write_bytes(b"none" * 512)
    both = disk(tmp_path / "one/a.img", kind="raw") + disk(tmp_path / "two/a.img", "sdb", "raw")
    package = opened(tmp_path, both)
    assert [f.href for f in package.appliance.files] == [
        str(tmp_path / "one/a.img"),
        str(tmp_path / "two/a.img"),
    ]


@pytest.mark.parametrize(
    "name", ["/dev/zero", "/proc/self/mem-not", "../../etc/passwd", "/etc/../etc/passwd", "/a\tb"]
)
def test_names_that_are_no_files_are_missing(tmp_path, name):
    home = tmp_path / "home"
    home.mkdir()
    package = opened(home, disk(name.replace("\t", "&#9;"), kind="raw"))
    assert "KF-201" in codes(package) or "KF-217" in codes(package)
    package = open_package(home / "vm.xml")
    with pytest.raises(PackageError):
        package.open_file(package.appliance.files[0].id)
    package.close()


@pytest.mark.parametrize(
    "source",
    [
        "<disk type='network'><source protocol='rbd' name='pool/a'><host name='c' port='1'/></source>",
        "<disk type='volume'><source pool='default' volume='a.qcow2'/>",
        "<disk type='dir'><source dir='/etc'/>",
        "<disk type='nvme'><source type='pci' namespace='1'/>",
    ],
)
def test_disks_that_are_no_files_stay_in_the_machine_and_are_not_opened(tmp_path, source):
    package = opened(tmp_path, f"{source}<target dev='vda' bus='virtio'/></disk>")
    assert len(package.appliance.machines[0].disks) == 1
    assert "KF-149" in codes(package)
    with pytest.raises(KenshoError):
        package.open_file(package.appliance.files[0].id)


def test_an_encrypted_disk_is_not_read(tmp_path):
    (tmp_path / "a.img").write_bytes(bytes(1024))
    more = "<encryption format='luks'><secret type='passphrase' uuid='x'/></encryption>"
    package = opened(tmp_path, disk(tmp_path / "a.img", kind="raw", more=more))
    assert {"KF-149", "KF-216"} <= codes(package)
    assert package.appliance.files[0].href.startswith("luks://")
    with pytest.raises(KenshoError):
        package.open_file(package.appliance.files[0].id)


# Devices


def test_drives_have_places(tmp_path):
    def drive(dev: str, bus: str, kind: str = "disk", address: str = "") -> str:
        return (
            f"<disk type='file' device='{kind}'><source file='/{dev}.img'/>"
            f"<target dev='{dev}' bus='{bus}'/>{address}</disk>"
        )

    found = machine(
        tmp_path,
        "<controller type='scsi' index='0' model='virtio-scsi'/>"
        "<controller type='scsi' index='1' model='lsisas1068'/>"
        + drive("hdc", "ide", "cdrom")
        + drive("sda", "scsi")
        + drive("sdi", "scsi", address="<address type='drive' controller='1' target='3' unit='0'/>")
        + drive("vda", "virtio")
        + drive("vdb", "virtio")
        + drive("sdg", "sata")
        + drive("fda", "fdc", "floppy")
        + drive("xvda", "xen")
        + drive("sdz", "usb"),
    )
    places = {
        d.id: (found.controller(d.controller).model, found.controller(d.controller).index, d.unit)
        for d in found.drives
        if not isinstance(d, Floppy)
    }
    assert places == {
        "hdc": (ControllerModel.IDE, 1, 0),
        "sda": (ControllerModel.VIRTIO_SCSI, 0, 0),
        "sdi": (ControllerModel.LSISAS, 1, 3),
        "vda": (ControllerModel.VIRTIO_BLK, 0, 0),
        "vdb": (ControllerModel.VIRTIO_BLK, 1, 0),
        "sdg": (ControllerModel.AHCI, 1, 0),
        "xvda": (ControllerModel.XEN_VBD, 0, 0),
    }
    assert any("sdz" in extra.text for extra in found.extras)


def test_two_drives_in_one_place_get_two(tmp_path):
    place = "<address type='drive' controller='0' bus='0' target='0' unit='0'/>"
    twice = "".join(
        f"<disk type='file'><source file='/{d}'/><target dev='{d}' bus='sata'/>{place}</disk>"
        for d in ("sda", "sdb")
    )
    package = opened(tmp_path, twice)
    assert [d.unit for d in package.appliance.machines[0].disks] == [0, 1]
    assert "KF-115" in codes(package)


def test_flags_of_a_disk_and_the_boot_order(tmp_path):
    drives = (
        "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
        "<disk type='block' device='disk'><source dev='/dev/vg/a'/><readonly/><shareable/>"
        "<transient/><target dev='sdb' bus='sata' rotation_rate='1'/></disk>"
        "<interface type='bridge'><source bridge='br0'/><model type='virtio'/></interface>"
    )
    top = "<os><type>hvm</type><boot dev='cdrom'/><boot dev='hd'/><boot dev='network'/></os>"
    found = machine(tmp_path, drives, top)
    (one,) = found.disks
    assert (one.read_only, one.shared, one.nonpersistent, one.solid_state) == (True,) * 4
    assert [d.boot_order for d in found.drives] == [1, 2]
    assert found.nics[0].boot_order == 3
    assert isinstance(found.drives[0], Cdrom)
    assert isinstance(found.drives[1], Disk)


def test_adapters(tmp_path):
    found = machine(
        tmp_path,
        "<interface type='network'><mac address='52:54:00:AA:bb:01'/>"
        "<source network='lan'/><vlan><tag id='42'/></vlan><model type='e1000e'/></interface>"
        "<interface type='bridge'><source bridge='br0'/><link state='down'/></interface>"
        "<interface type='hostdev'><mac address='no'/></interface>"
        "<interface type='user'><model type='odd'/></interface>",
    )
    first, second, third, fourth = found.nics
    assert (first.model, first.mac, first.network, first.vlan) == (
        NicModel.E1000E,
        "52:54:00:aa:bb:01",
        "lan",
        42,
    )
    assert (second.network, second.connected, second.model) == ("br0", False, NicModel.RTL8139)
    assert (third.model, third.mac) == (NicModel.SRIOV, None)
    assert (fourth.model, fourth.vendor_model) == (NicModel.UNKNOWN, "odd")


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ("<memory>1048576</memory>", GIB),
        ("<memory unit='GB'>1</memory>", 1000**3),
        ("<memory unit='b'>4096</memory>", 4096),
        ("<memory unit='MiB'>3</memory>", 3 * MIB),
        ("<cpu><numa><cell memory='512' unit='MiB'/><cell memory='1024'/></numa></cpu>", 513 * MIB),
        ("<memory unit='PiB'>1024</memory>", MIB),
        ("<memory>-1</memory>", GIB),
        ("<memory>99999999999999999999999</memory>", GIB),
        ("", GIB),
    ],
)
def test_memory(tmp_path, size, wanted):
    path = tmp_path / "a.xml"
    path.write_text(f"<domain type='kvm'><name>a</name>{size}</domain>")
    package = open_package(path)
    assert package.appliance.machines[0].memory.size == wanted


@pytest.mark.parametrize(
    ("xml", "kind", "secure"),
    [
        ("<os/>", Firmware.BIOS, False),
        ("<os firmware='efi'/>", Firmware.UEFI, False),
        ("<os firmware='bios'><loader type='rom'>/x/efi.rom</loader></os>", Firmware.BIOS, False),
        (
            "<os firmware='efi'><firmware><feature name='secure-boot' enabled='yes'/></firmware></os>",
            Firmware.UEFI,
            True,
        ),
        (
            "<os><loader type='pflash' secure='yes'>/x/CODE.fd</loader></os>",
            Firmware.UEFI,
            True,
        ),
        ("<os><loader>/usr/share/ovmf/OVMF.fd</loader></os>", Firmware.UEFI, False),
        ("<os><loader>/usr/lib/xen/boot/hvmloader</loader></os>", Firmware.BIOS, False),
    ],
)
def test_firmware(tmp_path, xml, kind, secure):
    firmware = machine(tmp_path, top=xml).firmware
    assert (firmware.kind, firmware.secure_boot) == (kind, secure)


def test_the_variable_store_is_a_file_of_the_machine(tmp_path):
    (tmp_path / "vars.fd").write_bytes(b"v")
    found = opened(tmp_path, top="<os firmware='efi'><nvram>/var/lib/x/vars.fd</nvram></os>")
    assert found.appliance.machines[0].firmware.nvram == "nvram"
    assert found.appliance.file("nvram").href == "vars.fd"
    assert "KF-145" in codes(opened(tmp_path, top="<os><nvram>/var/gone.fd</nvram></os>"))


def test_processors(tmp_path):
    top = (
        "<vcpu current='4'>8</vcpu>"
        "<cpu mode='host-model'><topology sockets='2' dies='1' cores='2' threads='2'/>"
        "<feature policy='require' name='vmx'/></cpu>"
    )
    path = tmp_path / "a.xml"
    path.write_text(f"<domain type='kvm'><name>a</name><memory>1024</memory>{top}</domain>")
    cpu = open_package(path).appliance.machines[0].cpu
    assert (cpu.count, cpu.cores_per_socket, cpu.hot_add) == (4, 4, True)
    assert cpu.nested_virtualization


def test_what_is_not_understood_is_kept_word_for_word(tmp_path):
    hostdev = "<hostdev mode='subsystem' type='pci'><source><address bus='0x1'/></source></hostdev>"
    top = (
        "<metadata><app:x xmlns:app='urn:a'>y &amp; z</app:x></metadata>"
        "<qemu:commandline><qemu:arg value='-device $(touch pwned)'/></qemu:commandline>"
    )
    package = opened(tmp_path, hostdev, top)
    extras = {e.where: e.text for e in package.appliance.machines[0].extras}
    assert any("y &amp; z" in text for text in extras.values())
    assert any("$(touch pwned)" in text for text in extras.values())
    assert '<address bus="0x1"/>' in extras["/domain/devices/hostdev"]
    assert {"KF-139", "KF-148"} <= codes(package)


def test_what_is_kept_is_bounded(tmp_path):
    package = opened(tmp_path, top="<metadata>" + "<a/>" * 100_000 + "</metadata>")
    assert len(package.appliance.machines[0].extras) == 1024
    assert "KF-125" in codes(package)


def test_other_processors_and_kernels_of_the_host_are_said(tmp_path):
    top = "<os><type arch='aarch64'>hvm</type><kernel>/boot/vmlinuz</kernel></os>"
    package = opened(tmp_path, top=top)
    assert {"KF-225", "KF-226"} <= codes(package)
    assert not package.appliance.machines[0].firmware.stated


def test_vmware_words_mean_vmware_devices(tmp_path):
    xml = (
        "<disk type='file'><driver name='{}'/><source file='[ds] a/b.vmdk'/>"
        "<target dev='sdp' bus='scsi'/></disk>"
    )
    found = machine(tmp_path, xml.format("lsilogic"), kind="vmware")
    (controller,) = found.controllers
    assert (controller.model, controller.index) == (ControllerModel.LSILOGIC, 1)
    found = machine(tmp_path, xml.format("qemu"), kind="kvm")
    assert found.controllers[0].model is ControllerModel.LSI53C895A


# Bad input


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("<domain type='lxc'><name>a</name></domain>", UnsupportedError),
        ("<domain type='kvm'><os><type>exe</type></os></domain>", UnsupportedError),
        ("<domainsnapshot><domain><name>n</name></domain></domainsnapshot>", UnsupportedError),
        ("<domstatus state='running'><domain/></domstatus>", UnsupportedError),
        ("<domain type='kvm'><name>a", CorruptError),
        ("<domain xmlns='urn:a' type='kvm'/>", CorruptError),
        ("<domain><name>no type</name></domain>", CorruptError),
        ("<!DOCTYPE domain [<!ENTITY x SYSTEM '/etc/passwd'>]><domain>&x;</domain>", KenshoError),
        ("<domain><devices>" + "<disk/>" * 5000 + "</devices></domain>", LimitError),
        ("<domain>" + "<a>" * 500 + "</a>" * 500 + "</domain>", LimitError),
    ],
)
def test_what_is_refused(tmp_path, text, error):
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(error):
        open_package(path)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_domain_opens_or_is_refused(tmp_path_factory, data):
    (document,) = render(disk_machine(), placed(disk_machine()))
    raw = bytearray(document.data)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        del raw[at : at + data.draw(st.integers(0, 20))]
        raw[at:at] = data.draw(st.sampled_from([b"", b"<", b"'", b"\0", b"9" * 30, b"-1", b"\xff"]))
    path = tmp_path_factory.mktemp("damaged") / "a.xml"
    path.write_bytes(raw)
    with contextlib.suppress(KenshoError):
        open_package(path).close()


def test_a_domain_is_found_in_its_folder(tmp_path):
    opened(tmp_path)
    (tmp_path / "other.xml").write_text("<a/>")
    (tmp_path / "disk.img").write_bytes(bytes(1024))
    package = open_package(tmp_path)
    assert package.kind == "libvirt"
    package.close()


def test_a_domain_in_an_archive_gets_nothing_of_this_machine(tmp_path):
    (tmp_path / "secret.img").write_bytes(bytes(1024))
    opened(tmp_path, disk(tmp_path / "secret.img", kind="raw"))
    archive = tmp_path / "far" / "a.tar"
    archive.parent.mkdir()
    subprocess.run(["tar", "-C", tmp_path, "-cf", archive, "vm.xml"], check=True)
    package = open_package(f"{archive}#vm.xml")
    assert [f.href for f in package.appliance.files] == ["secret.img"]
    with pytest.raises(PackageError):
        package.open_file(package.appliance.files[0].id)
    package.close()
