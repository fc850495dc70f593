"""Small files to begin with: from kensho's own writers, by hand for formats it only reads."""

import functools
import gzip
import hashlib
import io
import json
import struct
import sys
import tarfile
from pathlib import Path

from packed import REPAIR, SELF, SIBLINGS, pack

from kensho.disks import FORMATS, ParentRef, copy_disk, create_disk, open_disk
from kensho.disks.registry import open_layer
from kensho.storage import MemorySink, MemorySource

KIB, MIB = 1 << 10, 1 << 20
TESTS = Path(__file__).parent.parent
NEAR = bytearray(192 * KIB)
NEAR[:64], NEAR[70 * KIB : 70 * KIB + 40], NEAR[-8:] = b"boot" * 16, b"data" * 10, b"the end."
FAR = bytes(NEAR) + bytes(5 * MIB)


def _written(content, fmt, sub):
    sink, others = MemorySink(), {}

    def other(name):
        return others.setdefault(name, MemorySink())

    made = open_disk(MemorySource(content), format="raw")
    copy_disk(
        made,
        create_disk(
            fmt, sub, sink, len(content), identity=b"fuzz", sibling_sink=other, name=f"disk.{fmt}"
        ),
        threads=1,
    )
    return [bytes(sink.data), *(bytes(o.data) for o in others.values())]


def _by_hand(name):
    """Return files of the kinds no writer makes."""
    sys.path[:0] = [str(TESTS / "disks"), str(TESTS)]
    if name == "vmdk":
        import test_vmdk_delta as t

        lines = (
            'RW 8 FLAT "a" 0',
            'RW 8 ZERO\nRW 8 SPARSE "disk"',
            'RW 8 VMFSSPARSE "a"',
            'RW 9 SESPARSE "b"',
        )
        for line in lines:
            yield t.descriptor("custom", line)
            yield t.descriptor("custom", line, parent="000000aa", hint="base.vmdk")
    if name == "vhdx":
        import test_readers as r
        import test_vhdx_chains as t

        clean = _written(NEAR, "vhdx", None)[0]
        dirty = bytearray(r.dirty_vhdx(clean, r.GUID))
        writes = [(4 * MIB, b"1" * 4096), (4 * MIB + 8192, 8192)]
        entry = r.log_entry(7, 0, writes, len(clean))
        dirty[MIB : MIB + len(entry)] = entry
        yield bytes(dirty)
        links = {"parent_linkage": base_of(name)[1], "relative_path": "base.vhdx"}
        child = t.by_hand([(3, b"x" * 512)], links)
        yield child.replace(b"?" * 512, bytes(512))
    if name == "qcow2":
        blob = bytearray(_written(NEAR, name, None)[0])
        l1_size, l1_offset = struct.unpack_from(">IQ", blob, 36)
        entry = struct.pack(">QIHH20xI", l1_offset, l1_size, 1, 4, 16)
        entry += struct.pack(">QQ", 0, len(NEAR)) + b"1snap"
        struct.pack_into(">IQ", blob, 60, 1, len(blob))
        yield bytes(blob) + entry.ljust(64 * KIB, b"\0")
        for feature in (4, 16):  # external data, extended L2
            changed = bytearray(blob)
            changed[79] |= feature
            yield bytes(changed)
    if name == "asif":
        import test_asif as t

        yield t.asif(3 * t.CHUNK, {0: b"one", 2: {0: b"x" * 512, 3: b"y" * 512}})
    if name == "hdd":
        import test_hdd as t

        for extended in (True, False):
            yield t.hds(640 * KIB, {0: b"one", 3: b"two"}, extended=extended)
        yield t.descriptor([(0, 128, [(t.ROOT, "Compressed", "a.hds")])], [])
    if name == "qed":
        for features in (0, 1):
            head = struct.pack(
                "<4sIIIQQQQQII", b"QED\0", 4096, 1, 1, features, 0, 0, 4096, 64 * KIB, 72, 4
            )
            tables = struct.pack("<Q", 8192).ljust(4096, b"\0") + struct.pack("<3Q", 12288, 1, 0)
            blob = head.ljust(72, b"\0") + b"base"
            yield blob.ljust(4096, b"\0") + tables.ljust(8192, b"\0") + b"data".ljust(4096, b"\0")


@functools.cache
def base_of(name):
    """Return a disk the children in the seeds are based on, packed, and what it calls itself."""
    fmt = name if any(d.writers for d in FORMATS if d.name == name) else "raw"
    blob = _written(NEAR, fmt, "monolithicSparse" if name == "vmdk" else None)[0]
    layer = open_layer(MemorySource(blob), format=fmt)
    known = layer.details
    return pack(blob), str(known.get("identity", known.get("cid", "")))


def _children(descriptor):
    for sub in descriptor.child_writers:
        base = ParentRef("base", descriptor.name, base_of(descriptor.name)[1])
        sink, size = MemorySink(), 6 * MIB
        writer = create_disk(descriptor.name, sub, sink, size, identity=b"fuzz", parent=base)
        step = writer.granularity
        writer.own([(0, step), (2 * step, 4 * step)])
        writer.commit(writer.encode(0, memoryview(b"mine".ljust(step, b"\0"))))
        writer.finish()
        yield bytes(sink.data)


def disk_seeds(name):
    """Yield packed disks of a format."""
    descriptor = next(d for d in FORMATS if d.name == name)
    blobs = []
    for sub in (*descriptor.writers, *descriptor.folder_writers):
        for content in (bytes(NEAR), FAR):
            if not (content is FAR and sub in {"sparse", "fixed", "twoGbMaxExtentFlat"}):
                blobs += _written(content, name, sub)
    for blob in (*blobs, *_children(descriptor), *_by_hand(name)):
        for flags in (0, REPAIR | SIBLINGS, SELF):
            yield pack(blob, flags).dump()


def esx_seeds():
    """Yield the data of ESX deltas, which a descriptor of their own names."""
    sys.path[:0] = [str(TESTS / "disks"), str(TESTS)]
    import test_vmdk_delta as t

    for blob in (
        t.cowd(8 * MIB, {0: b"one", 5000: b"two"}),
        t.cowd(8 * MIB, {0: b"one", 7: b"two"}, grain=8),
        t.sesparse(8 * MIB, {0: b"one".ljust(4096, b"\0"), 1: 1, 2: 2}),
    ):
        for flags in (0, SIBLINGS):
            yield pack(blob, flags).dump()


def tar_seeds():
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        blob = io.BytesIO()
        with tarfile.open(fileobj=blob, mode="w", format=form) as archive:
            for member in ("a.ovf", "d/" + "n" * 90 + "/b.vmdk", "u\u00e9.mf"):
                info = tarfile.TarInfo(member)
                info.size = 5
                archive.addfile(info, io.BytesIO(b"hello"))
        for flags in (0, REPAIR):
            yield pack(blob.getvalue()[:6144], flags).dump()


def vma_seeds():
    sys.path[:0] = [str(TESTS / "appliances")]
    import vma_samples as v

    for blob in (v.archive(bytes(NEAR)), v.archive(bytes(NEAR), order=lambda c: c[::-1])):
        yield pack(blob).dump()
        yield pack(blob, REPAIR).dump()


def lzop_seeds():
    sys.path[:0] = [str(TESTS / "appliances")]
    import test_vma_read as t

    yield t.lzop_of(bytes(NEAR))
    yield t.lzop_of(b"stored", packed=False) + t.lzop_of(b"more")


def gzip_seeds():
    one, two = gzip.compress(b"hello " * 50, mtime=0), gzip.compress(bytes(3000), 1, mtime=0)
    yield one
    yield one + two + bytes(512)


def ovf_seeds():
    sys.path.insert(0, str(TESTS))
    from images import ovf

    yield ovf({"a.vmdk": 1 << 30, "b.vmdk": 1 << 20}).encode()
    yield ovf({}).encode()


def manifest_seeds():
    for kind in ("md5", "sha1", "sha256", "sha512"):
        word = hashlib.new(kind, usedforsecurity=False).hexdigest()
        yield f"{kind.upper()}(a b.ovf)= {word}\r\n# x\n{kind}(b) = {word}\n".encode()


def certificate_seeds():
    """An issuer and a signer, in either order."""
    import datetime as dt

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding

    keys = [ec.derive_private_key(number, ec.SECP256R1()) for number in (1, 2)]
    names = [x509.Name.from_rfc4514_string(f"CN={name}") for name in ("issuer", "signer")]
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    pems = []
    for number, key in enumerate(keys):
        limits = x509.BasicConstraints(ca=number == 0, path_length=None)
        builder = (
            x509.CertificateBuilder(names[0], names[number], key.public_key(), number + 1)
            .not_valid_before(start)
            .not_valid_after(start + dt.timedelta(days=9000))
            .add_extension(limits, critical=True)
        )
        pems.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(Encoding.PEM))
    line = b"SHA256(a.mf)= " + keys[1].sign(b"", ec.ECDSA(hashes.SHA256())).hex().encode() + b"\n"
    return [line + pems[1] + pems[0], line + pems[0] + pems[1] + b" " * 600]


def encryption_seeds():
    """A descriptor with one file for a passphrase and one for a key."""
    from lxml import etree

    from kensho.packages.encryption.keys import HMAC_SHA256, Derivation, WrappedKey
    from kensho.packages.encryption.section import files_of, write_data, write_keys

    root = etree.fromstring(
        '<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/2"><References>'
        '<File href="a" id="a"/><File href="b" id="b"/></References></Envelope>'
    )
    for number, file in enumerate(files_of(root)):
        write_data(file, f"d{number}")
    write_keys(root, [WrappedKey("m", "d", "g", b"", b"cipher", b"")], ["d1"])
    write_keys(root, [Derivation(b"salt", 1000, 32, HMAC_SHA256)], ["d0"])
    return [etree.tostring(root)]


def vbox_seeds():
    return [
        (
            b'<VirtualBox xmlns="http://www.virtualbox.org/" version="1.16"><Machine uuid="{1}"'
            b' name="a" OSType="Debian_64"><MediaRegistry><HardDisks><HardDisk uuid="{2}"'
            b' location="a.vdi" format="VDI" type="Normal"><HardDisk uuid="{3}" location="b.vdi"'
            b' format="VDI"/></HardDisk></HardDisks></MediaRegistry><Hardware><CPU count="2"/>'
            b'<Memory RAMSize="64"/><Boot><Order position="1" device="HardDisk"/></Boot><Network>'
            b'<Adapter slot="0" enabled="true" MACAddress="080027000001"><NAT/></Adapter></Network>'
            b'</Hardware><StorageControllers><StorageController name="I" type="PIIX4">'
            b'<AttachedDevice type="HardDisk" port="0" device="1"><Image uuid="{3}"/>'
            b"</AttachedDevice></StorageController></StorageControllers></Machine></VirtualBox>"
        ),
    ]


def libvirt_seeds():
    for name in ("debian-bios.xml", "windows-uefi.xml"):
        yield (TESTS / "data/golden/libvirt" / name).read_bytes()


def facts_seeds():
    import msgspec

    from kensho.appliances.physical.saved import KIND
    from kensho.appliances.vmx.parse import read_dictionary
    from kensho.appliances.vmx.read import read_vmx

    for data in vmx_seeds():
        dictionary, _ = read_dictionary(data, path="a.vmx")
        found, _ = read_vmx(dictionary, path="a.vmx", fallback="a", locate=lambda n: (n, True))
        yield msgspec.json.encode({"kind": KIND, "appliance": found})


def hyperv_seeds():
    sys.path.insert(0, str(TESTS / "appliances"))
    from hyperv_samples import as_xml, gen1, gen2
    from vmcx_builder import build_vmcx

    return [build_vmcx(gen1()), build_vmcx(gen2(), writes=[(0, b"")]), as_xml(gen1())]


def pve_seeds():
    return [
        (
            b"#a%3A b\nbios: ovmf\nboot: order=scsi0;net0\ncores: 2\nide2: none,media=cdrom\n"
            b"memory: 512\nnet0: virtio=02:00:00:00:00:01,bridge=vmbr0,tag=3\nostype: l26\n"
            b"scsi0: s:vm-1-disk-0,size=4G,ssd=1\nscsihw: lsi\n\n[PENDING]\ncores: 3\n\n[s1]\ncores: 1\n"
        ),
    ]


def kubevirt_seeds():
    return [
        b"""apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {name: a, annotations: {description: b}}
spec:
  template:
    spec:
      domain:
        cpu: {cores: 2, sockets: 1, model: host-model}
        memory: {guest: 1.5Gi}
        firmware: {bootloader: {efi: {secureBoot: false}}, uuid: 5d307ca9-b3ef-428c-8861-06e72d69f223}
        devices:
          disks: [{name: d, disk: {bus: virtio}, bootOrder: 1}, {name: c, cdrom: {bus: sata}}]
          interfaces: [{name: n, masquerade: {}, model: e1000e, macAddress: "02:00:00:00:00:01"}]
      networks: [{name: n, pod: {}}]
      volumes: [{name: d, dataVolume: {name: a-d}}, {name: c, containerDisk: {image: "r/i:1"}}]
---
{apiVersion: cdi.kubevirt.io/v1beta1, kind: DataVolume, metadata: {name: a-d},
 spec: {storage: {resources: {requests: {storage: 1Gi}}}}}
""",
    ]


def oci_seeds():
    """Yield an image of one layer, the archive of docker save, and Google's archive of a disk."""

    def packed(members):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return out.getvalue()

    layer = packed({"disk/a.img": b"\xeb\0"})
    blobs = {}

    def blob(data):
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"digest": f"sha256:{digest}", "size": len(data)}

    value = {"config": blob(b"{}"), "layers": [blob(layer)]}
    index = {"schemaVersion": 2, "manifests": [blob(json.dumps(value).encode())]}
    yield packed({"oci-layout": b"{}", **blobs, "index.json": json.dumps(index).encode()})
    listed = json.dumps([{"Config": "c.json", "Layers": ["l.tar"]}]).encode()
    yield packed({"l.tar": layer, "c.json": b"{}", "manifest.json": listed})
    yield packed({"disk.raw": b"\xeb\0" * 300})


def note_seeds():
    from kensho.appliances.vmx.parse import read_dictionary
    from kensho.appliances.vmx.read import read_vmx
    from kensho.model.appliance import Provenance
    from kensho.model.origin import dump_origin

    for data in vmx_seeds():
        dictionary, _ = read_dictionary(data, path="a.vmx")
        source, _ = read_vmx(dictionary, path="a.vmx", fallback="a", locate=lambda n: (n, True))
        origin = Provenance(kind="vmx", platform="vmware", source=source, written=source)
        yield dump_origin(origin).encode()


def vmsd_seeds():
    yield (
        b'.encoding = "UTF-8"\nsnapshot.current = "2"\nsnapshot0.uid = "1"\n'
        b'snapshot0.displayName = "a|22"\nsnapshot0.disk0.node = "scsi0:0"\n'
        b'snapshot0.disk0.fileName = "a.vmdk"\nsnapshot1.uid = "2"\nsnapshot1.parent = "1"\n'
        b'snapshot1.disk0.node = "sata0:1"\nsnapshot1.disk0.fileName = "a-000001.vmdk"\n'
    )


def box_seeds():
    """Yield boxes: one plain, one whose image is a sparse member of GNU tar's."""
    metadata = b'{"provider":"libvirt","format":"qcow2","virtual_size":1}'
    vagrantfile = (
        b'config.vm.provider :libvirt do |v|\n  v.memory = 2_048\n  v.loader = "a#b"\nend\n'
    )
    members = (("metadata.json", metadata), ("Vagrantfile", vagrantfile), ("box.img", b"QFI\xfb"))
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    yield plain.getvalue()
    header = bytearray(tarfile.TarInfo("box.img").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"%011o\0" % 8
    header[156:157] = b"S"
    for number, value in enumerate((0, 4, 4096, 4)):
        header[386 + 12 * number : 398 + 12 * number] = b"%011o\0" % value
    header[483:495] = b"%011o\0" % 8192
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    yield bytes(header) + b"QFI\xfbabcd".ljust(512, b"\0") + bytes(1024)


def xva_seeds():
    """Yield an export with a snapshot and a disk of three small blocks, one left out."""
    sys.path[:0] = [str(TESTS / "appliances")]
    import xva_samples as t

    text = t.metadata(
        t.vm(),
        t.vm("Ref:1", is_a_snapshot=True),
        t.vbd("Ref:2", "Ref:9", "0"),
        t.vbd("Ref:3", "OpaqueRef:NULL", "3", type="CD"),
        t.vdi("Ref:9", 3 * KIB),
        t.vif("Ref:4", "0", "Ref:5"),
        t.network("Ref:5", "LAN", "xenbr0"),
    )
    content = b"a" * KIB + bytes(KIB) + b"c" * KIB
    for kind in ("checksum", "xxhash"):
        files = [("ova.xml", text), *t.blocks("Ref:9", content, kind, KIB)]
        blob = io.BytesIO()
        with tarfile.open(fileobj=blob, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for name, data in files:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        yield blob.getvalue()


def xl_seeds():
    return [
        b"""name = "a"
type = 'hvm'
memory = 64; maxmem = 0x80
disk = [ 'format=raw,vdev=hda,access=rw,target=/a,b', "file:/b.iso,hdc:cdrom,r" ]
vif = [ 'mac=00:16:3e:00:00:01,bridge=xenbr0,rate=1Mb/s', '' ]
serial = [ "pty", "tcp:x:1" ]
on_crash = "a\\"b\\n"
""",
    ]


def vmx_seeds():
    yield (
        b'.encoding = "windows-1252"\nconfig.version = "8"\nvirtualHW.version = "19"\n'
        b'displayName = "w|22|E9"\nmemsize = "1024"\nnumvcpus = "4"\n'
        b'cpuid.coresPerSocket = "2"\nfirmware = "efi"\nnvram = "w.nvram"\n'
        b'guestOS = "debian12-64"\nuuid.bios = "56 4d 00 01 02 03 04 05-06 07 08 09 0a 0b 0c 0d"\n'
        b'scsi0.present = "TRUE"\nscsi0.virtualDev = "pvscsi"\nscsi0:0.present = "TRUE"\n'
        b'scsi0:0.fileName = "w.vmdk"\nsata0.present = "TRUE"\nsata0:1.present = "TRUE"\n'
        b'sata0:1.deviceType = "cdrom-image"\nsata0:1.fileName = "w.iso"\n'
        b'ethernet0.present = "TRUE"\nethernet0.virtualDev = "vmxnet3"\n'
        b'ethernet0.address = "00:50:56:00:00:01"\nethernet0.addressType = "static"\n'
        b'serial0.present = "TRUE"\nserial0.fileType = "pipe"\nsound.present = "TRUE"\n'
        b'usb.present = "TRUE"\nsvga.vramSize = "4194304"\nvtpm.present = "TRUE"\n'
    )
