"""What is fuzzed: one line per reader. Anything but a KenshoError out of it is a finding."""

import contextlib
import itertools
import zlib

import msgspec
import seeds
from guest_targets import GUESTS
from packed import SELF, SIBLINGS, Sparse
from proof_targets import PROOFS
from target import Target, file_of

from kensho.disks import FORMATS, open_disk
from kensho.disks.check import check_disk
from kensho.disks.registry import open_layer
from kensho.model.errors import KenshoError, LocatorError
from kensho.model.extent import Kind
from kensho.storage import MemorySource

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
_EXTENTS = 300
_READ = 64 * KIB


def _opener(packed, name):
    """Return an opener of other files: none, the base of the seeds, or the disk itself again."""

    def sibling(other):
        if packed.flags & SELF:
            return Sparse(packed, other)
        if packed.flags & SIBLINGS:
            return Sparse(seeds.base_of(name)[0], other)
        raise LocatorError("no such file", path=other)

    return sibling


def _disk(name):
    def run(data):
        packed, file = file_of(data, name)
        sibling = _opener(packed, name)
        _look(file, name, sibling, alone=not packed.flags & (SELF | SIBLINGS))
        if name == "qcow2" and any(file.read_at(60, 4) if file.size > 64 else b""):
            with contextlib.suppress(KenshoError):
                walk(open_disk(file, sibling=sibling, format=name, snapshot="1"))

    return Target(run, lambda: seeds.disk_seeds(name), packed=True)


def _esx(data):
    """Read the data of an ESX delta through a descriptor that is sound."""
    packed, file = file_of(data, "esx")
    for word in ("SESPARSE", "VMFSSPARSE"):
        kind = {"SESPARSE": "seSparse", "VMFSSPARSE": "vmfsSparse"}[word]
        text = f'# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="{kind}"\n'
        text += f'RW {8 * MIB // 512} {word} "delta.bin"\n'
        top = MemorySource(text.encode(), "delta.vmdk")
        _look(top, "vmdk", lambda name: file, alone=bool(packed.flags & SIBLINGS))


def _look(file, name, sibling, *, alone):
    size = 0
    with contextlib.suppress(KenshoError):
        reader = (open_layer if alone else open_disk)(file, sibling=sibling, format=name)
        try:
            size = reader.virtual_size
            walk(reader)
        finally:
            reader.close()
    if 0 < size <= 64 * MIB and file.size <= 64 * MIB:
        with contextlib.suppress(KenshoError):
            check_disk(file, sibling=sibling, format=name, data=size <= MIB)


def walk(reader):
    """Look at the beginning, the middle and the end, and hold extents to their promise."""
    size = reader.virtual_size
    assert size >= 0
    assert reader.subformat is not None
    assert reader.details is not None
    buffer = memoryview(bytearray(_READ))
    for start in dict.fromkeys((0, size // 2 // 512 * 512, max(0, size - MIB))):
        end = min(size, start + (64 * MIB if start == 0 else MIB))
        with contextlib.suppress(KenshoError):  # a fault here does not hide those elsewhere
            position, whole = start, True
            for count, extent in enumerate(itertools.islice(reader.extents(start, end), _EXTENTS)):
                assert extent.start == position, "a gap or an overlap"
                assert extent.length > 0, "an empty extent"
                position, whole = extent.end, count < _EXTENTS - 1
                assert position <= end, "behind the range"
                for at in {extent.start, max(extent.start, extent.end - 512)}:
                    part = buffer[: min(_READ, extent.end - at)]
                    part[:16] = b"\xee" * len(part[:16])
                    reader.read_into(at, part)
                    assert extent.kind is Kind.DATA or not any(part), "zeros that are none"
            assert position == end or not whole, "extents end early"


def _tar(data):
    from kensho.storage.tar import read_members

    for member in read_members(file_of(data, "tar")[1]):
        assert ".." not in member.name.split("/")
        assert not member.name.startswith("/")


def _ovf(data):
    from kensho.appliances.ovf.read import read_envelope
    from kensho.appliances.xmlsafe import parse_xml
    from kensho.model.selection import Selection

    root, _ = parse_xml(data, path="a.ovf")
    read_envelope(root, Selection(), path="a.ovf", fallback="a")


def _ovf_version(data):
    """What is read, written and read again is the same; both versions can be written."""
    from lxml import etree

    from kensho.appliances.ovf.envelope import read_envelope_model, version_of, write_envelope
    from kensho.appliances.xmlsafe import parse_xml
    from kensho.packages.version import convert_version

    root, _ = parse_xml(data, path="a.ovf")
    model = read_envelope_model(root)
    written = write_envelope(model, version_of(root) or 1)
    again, faults = parse_xml(etree.tostring(written.getroottree(), encoding="UTF-8"), path="b.ovf")
    assert not faults, "no namespace-well-formed XML"
    assert read_envelope_model(again) == model, "another model"
    for version in (1, 2):
        convert_version(root, version)


def _vbox(data):
    from kensho.appliances.ovf.elements import Notes
    from kensho.appliances.virtualbox.read import read_vbox
    from kensho.appliances.xmlsafe import parse_xml

    root, _ = parse_xml(data, path="a.vbox")
    read_vbox(
        root,
        notes=Notes("a.vbox"),
        fallback="a",
        snapshot=None,
        locate=lambda name: (name, True),
    )


def _libvirt(data):
    from kensho.appliances.libvirt.notes import Notes, Place
    from kensho.appliances.libvirt.read import read_domain
    from kensho.appliances.xmlsafe import parse_xml

    root, _ = parse_xml(data, path="a.xml")
    return msgspec.json.encode(
        read_domain(root, Notes("a.xml", lambda name: Place(name, there=True)), fallback="a")
    )


def _facts(data):
    """The facts of a physical machine, and a plan made of them."""
    from kensho.appliances.physical.saved import _decode
    from kensho.convert.mapping import map_machine
    from kensho.convert.returning import home_policy
    from kensho.platforms import PLATFORMS

    for machine in _decode(data, "a.json").machines:
        for platform in PLATFORMS[:4]:
            map_machine(machine, platform, platform.forms[0], home_policy(platform))


def _hyperv(data):
    """The binary form and the XML of Hyper-V are one tree, and what is kept of it is XML."""
    from kensho.appliances.hyperv._structs import is_storage
    from kensho.appliances.hyperv.drives import Media
    from kensho.appliances.hyperv.export_extras import merge_extras
    from kensho.appliances.hyperv.read import read_configuration
    from kensho.appliances.hyperv.tree import Key
    from kensho.appliances.hyperv.vmcx import read_storage
    from kensho.appliances.hyperv.xml_tree import document, from_xml
    from kensho.appliances.ovf.elements import Notes
    from kensho.appliances.xmlsafe import parse_xml

    source, notes = MemorySource(data), Notes("a.vmcx")
    if is_storage(source):
        root, _ = read_storage(source)
    else:
        root = Key("", children=(from_xml(parse_xml(data, path="a.xml")[0], "a.xml"),))
    machine = read_configuration(root, notes, "a", Media(lambda name: (name, True, 0), notes))
    again = merge_extras(
        Key("configuration", children=(Key("settings"), Key("global_settings"))),
        machine.machines[0].extras,
    )
    assert from_xml(parse_xml(document(again), path="b.xml")[0], "b.xml") == again


def _pve(data):
    from kensho.appliances.proxmox.conf import looks_like_conf, parse_conf
    from kensho.appliances.proxmox.read import read_conf

    looks_like_conf(data)
    conf, _ = parse_conf(data, path="1.conf")
    read_conf(conf, path="1.conf", fallback="a", locate=lambda _key, name: (name, True))


def _kubevirt(data):
    from kensho.appliances.kubevirt.open import open_documents
    from kensho.appliances.kubevirt.write import manifest
    from kensho.appliances.sniff import is_kubevirt
    from kensho.appliances.store import Store
    from kensho.model.yamlsafe import load_all

    is_kubevirt(MemorySource(data, "a.yaml"))
    store = Store("a.yaml", lambda _name: None, lambda _name: None, lambda: None)
    appliance, _ = open_documents(load_all(data, "a.yaml"), store, "a.yaml", "a")
    for machine in appliance.machines:
        manifest(machine, "a", {disk.id: {} for disk in machine.disks})


def _oci(data):
    from kensho.appliances.oci.layout import open_layer, read_image
    from kensho.appliances.sniff import is_oci
    from kensho.appliances.store import tar_store
    from kensho.disks.gcp import disk_raw, is_gcp_image
    from kensho.storage.tar import read_members

    source = MemorySource(data, "a.tar")
    is_oci(source)
    if is_gcp_image(source):
        disk = disk_raw(source)
        disk.read_at(0, min(disk.size, 4096))
    members = read_members(source, skip_links=True)
    store = tar_store(source, {m.name: m for m in members if m.type == "file"})
    for name in read_image(store).layers:
        read_members(open_layer(store, name), skip_links=True)


def _xva(data):
    from kensho.appliances.ovf.elements import Notes
    from kensho.appliances.xmlsafe import parse_xml
    from kensho.appliances.xva.archive import scan
    from kensho.appliances.xva.devices import Place
    from kensho.appliances.xva.disk import XvaDisk
    from kensho.appliances.xva.objects import read_objects
    from kensho.appliances.xva.read import read_machines

    source = MemorySource(data, "a.xva")
    archive = scan(source)
    root, _ = parse_xml(archive.metadata, path="ova.xml")
    objects = read_objects(root, "ova.xml")
    appliance = read_machines(
        objects,
        notes=Notes("ova.xml"),
        fallback="a",
        wanted=None,
        locate=lambda vdi: Place(vdi.ref, "xva"),
    )
    for image in appliance.images:
        if (index := archive.indexes.get(image.id)) is not None:
            walk(XvaDisk(source, index, image.capacity))


def _xl(data):
    from kensho.appliances.xen.parse import parse_config
    from kensho.appliances.xen.quote import is_key, value_text
    from kensho.appliances.xen.read import _load

    _load(data, "a.cfg")
    for key, setting in parse_config(data, path="a.cfg").items():
        if is_key(key):
            text = f"{key} = {value_text(setting.value)}\n"
            parse_config(text.encode("utf-8", errors="replace"), path="b.cfg")


def _vmx(data):
    from kensho.appliances.vmx.parse import read_dictionary
    from kensho.appliances.vmx.read import read_vmx

    dictionary, _ = read_dictionary(data, path="a.vmx")
    read_vmx(dictionary, path="a.vmx", fallback="a", locate=lambda name: (name, True))


def _note(data):
    from kensho.convert.mapping import map_machine
    from kensho.convert.returning import home_policy, take_note
    from kensho.model.origin import load_origin
    from kensho.platforms import PLATFORMS

    origin = load_origin(data, path="a.kensho.json")
    now = msgspec.structs.replace(origin.written, origin=origin)
    for platform in PLATFORMS[:4]:
        returned = take_note(now, "vmx", platform)
        for machine in returned.basis.machines:
            map_machine(machine, platform, platform.forms[0], home_policy(platform))


def _vmsd(data):
    from kensho.appliances.vmx.parse import read_dictionary
    from kensho.appliances.vmx.snapshots import at_snapshot, read_vmsd

    dictionary, _ = read_dictionary(data, path="a.vmsd")
    for snapshot in read_vmsd(dictionary).all[:4]:
        at_snapshot(dictionary, snapshot)


def _box(data):
    from kensho.appliances.vagrant.metadata import read_metadata
    from kensho.appliances.vagrant.recognise import is_box
    from kensho.appliances.vagrant.vagrantfile import read_vagrantfile
    from kensho.storage.tar import open_member, read_members

    source = MemorySource(data, "a.box")
    is_box(source)
    for member in read_members(source, sparse=True):
        content = open_member(source, member)
        text = content.read_at(0, min(content.size, 4096))
        if member.name == "metadata.json":
            read_metadata(text, "a.box")
        read_vagrantfile(text)


def _gzip(data):
    from kensho.storage.gzip import GzipSource

    source = GzipSource(MemorySource(data, "a.gz"), 64 * MIB)
    for start in {0, source.size // 2, max(0, source.size - 100)}:
        source.read_at(start, min(100, source.size - start))


def _vma(data):
    from kensho.appliances.proxmox.vma import read_archive
    from kensho.appliances.proxmox.vma_disk import VmaDisk, index_clusters

    file = file_of(data, "vma")[1]
    archive = read_archive(file)
    for name, clusters in index_clusters(file, archive).items():
        walk(VmaDisk(file, archive.device(name), clusters))


def _lzop(data):
    from kensho.storage.lzop import begin_lzop

    unpack, made = begin_lzop(MemorySource(data, "a.lzo")), 0
    while made < 64 * MIB and (part := unpack(MIB)):
        made += len(part)


def _manifest(data):
    from kensho.appliances.ovf.manifest import read_manifest

    read_manifest(data, path="a.mf")


def _certificate(data):
    """Whatever is in a certificate file, its chain can be built, judged and described."""
    import datetime as dt

    from kensho.packages.signing import chain
    from kensho.packages.signing.certificate import read_certificate

    file = read_certificate(data, path="a.cert")
    found = [chain.load_certificate(der, path="a.cert") for der in file.certificates]
    for trusted in ((), found[-1:]) if found else ():
        path = chain.build_chain(found[0], found[1:], trusted)
        chain.judge_chain(path, trusted)
        chain.judge_dates(path, dt.datetime.now(dt.UTC))


def _encryption(data):
    """Keys can be read, and what is said of encryption can be taken out of the descriptor."""
    from kensho.appliances.xmlsafe import parse_xml
    from kensho.packages.encryption import section

    root, _ = parse_xml(data, path="a.ovf")
    files = section.encrypted_files(root)
    section.has_encrypted_xml(root)
    with contextlib.suppress(KenshoError):
        section.read_keys(root, path="a.ovf")
    section.remove_encryption(root, frozenset(file.data_id for file in files))
    assert not section.encrypted_files(root)


TARGETS = {
    **{descriptor.name: _disk(descriptor.name) for descriptor in FORMATS},
    "esx": Target(_esx, seeds.esx_seeds, packed=True),
    "tar": Target(_tar, seeds.tar_seeds, packed=True),
    "ovf": Target(_ovf, seeds.ovf_seeds, packed=False),
    "ovf-version": Target(_ovf_version, seeds.ovf_seeds, packed=False),
    "vbox": Target(_vbox, seeds.vbox_seeds, packed=False),
    "libvirt": Target(_libvirt, seeds.libvirt_seeds, packed=False),
    "facts": Target(_facts, seeds.facts_seeds, packed=False),
    "hyperv": Target(_hyperv, seeds.hyperv_seeds, packed=False),
    "pve": Target(_pve, seeds.pve_seeds, packed=False),
    "kubevirt": Target(_kubevirt, seeds.kubevirt_seeds, packed=False),
    "oci": Target(_oci, seeds.oci_seeds, packed=False),
    "vmx": Target(_vmx, seeds.vmx_seeds, packed=False),
    "xva": Target(_xva, seeds.xva_seeds, packed=False),
    "xl": Target(_xl, seeds.xl_seeds, packed=False),
    "note": Target(_note, seeds.note_seeds, packed=False),
    "vmsd": Target(_vmsd, seeds.vmsd_seeds, packed=False),
    "box": Target(_box, seeds.box_seeds, packed=False),
    "vma": Target(_vma, seeds.vma_seeds, packed=True),
    "lzop": Target(_lzop, seeds.lzop_seeds, packed=False),
    "gzip": Target(_gzip, seeds.gzip_seeds, packed=False),
    "manifest": Target(_manifest, seeds.manifest_seeds, packed=False),
    "certificate": Target(_certificate, seeds.certificate_seeds, packed=False),
    "encryption": Target(_encryption, seeds.encryption_seeds, packed=False),
    **GUESTS,
    **PROOFS,
}


def run_one(name, data):
    """Feed one input to a target; typed errors are what it may answer, the same ones each time."""
    told = _told(name, data)
    if zlib.crc32(data) % 16 == 0:
        assert _told(name, data) == told, "another answer the second time"


def _told(name, data):
    """Return what a target says of an input: its answer, or the error's words."""
    try:
        return TARGETS[name].run(data)
    except KenshoError as error:
        return type(error), str(error)
