"""What `open_package` recognises, refuses and finds wrong with a package's files."""

from __future__ import annotations

import gzip
import os
import random
import tarfile
from pathlib import Path

import pytest
from tests.appliances.ovf_samples import (
    BASE,
    DISKS,
    NETWORKS,
    codes,
    envelope,
    hardware,
    item,
    package_folder,
    system,
    tar,
)

from kensho.appliances import open_package
from kensho.appliances.xmlsafe import MAX_XML
from kensho.model.errors import (
    CorruptError,
    LimitError,
    LocatorError,
    PackageError,
    TruncatedError,
    UnsafePathError,
    UnsupportedError,
)

OVF = envelope().encode()
DISK = b"KDMV" + b"d" * 5000
VMX = b'.encoding = "UTF-8"\nconfig.version = "8"\nvirtualHW.version = "13"\nmemsize = "64"\n'


def references(*files: str) -> str:
    return f"<References>{''.join(files)}</References>"


# --- recognition ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.ovf", "a.txt", "a", "a.vmdk"])
def test_content_decides(tmp_path: Path, name: str) -> None:
    for data, kind in ((OVF, "ovf"), (VMX, "vmx")):
        (tmp_path / name).write_bytes(data)
        package = open_package(tmp_path / name)
        assert package.kind == kind
        package.close()
    package = open_package(tar(tmp_path / name, [("a.ovf", OVF)]))
    assert package.kind == "ova"
    package.close()


def test_utf_16_and_bom(tmp_path: Path) -> None:
    text = envelope().replace("UTF-8", "UTF-16")
    (tmp_path / "a.ovf").write_bytes(text.encode("utf-16"))
    assert open_package(tmp_path / "a.ovf").kind == "ovf"
    (tmp_path / "a.ovf").write_bytes(b"\xef\xbb\xbf\n" + OVF.partition(b"\n")[2])
    assert open_package(str(tmp_path / "a.ovf")).kind == "ovf"


def test_tar_without_ustar_mark(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.ova", [("a.ovf", OVF)])
    data = bytearray(path.read_bytes())
    data[257:265] = bytes(8)
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    path.write_bytes(data)
    assert open_package(path).kind == "ova"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<domainsnapshot/>", "snapshot of a libvirt domain"),
        (b"<VirtualBox><Global/></VirtualBox>", "VirtualBox"),
        (b"<configuration/>", "some program"),
        (b"<html/>", "<html>"),
        (gzip.compress(b"\xeb\0" * 600, mtime=0), "gzip"),
        (b"BZh91AY", "bzip2"),
        (b"PK\x03\x04", "zip"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"name = 'guest'\nmemory = 512\n", "text file"),
    ],
)
def test_what_is_refused_by_name(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(UnsupportedError, match=words) as caught:
        open_package(tmp_path / "a")
    assert caught.value.hint


def test_empty_and_damaged_files(tmp_path: Path) -> None:
    (tmp_path / "a.ova").write_bytes(b"")
    with pytest.raises(CorruptError, match="empty"):
        open_package(tmp_path / "a.ova")
    (tmp_path / "a.ova").write_bytes(os.urandom(4096))
    with pytest.raises((CorruptError, UnsupportedError)):
        open_package(tmp_path / "a.ova")
    for name in ("a.vma.zst", "a.vma.gz", "a.ova.gz", "a.vmrs"):
        (tmp_path / name).write_bytes(b"\xff" * 4096)
        with pytest.raises(CorruptError, match="holds nothing of that kind"):
            open_package(tmp_path / name)
    (tmp_path / "a.ovf").write_bytes(OVF[:-20])
    with pytest.raises(CorruptError, match="not well-formed"):
        open_package(tmp_path / "a.ovf")
    with pytest.raises(LocatorError):
        open_package(tmp_path / "nothing")
    with pytest.raises(LocatorError):
        open_package("a\0b")


# --- hostile XML ------------------------------------------------------------------------------

LAUGHS = (
    '<!DOCTYPE Envelope [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]>"
)


@pytest.mark.parametrize(
    "doctype",
    [
        LAUGHS,
        '<!DOCTYPE Envelope [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE Envelope SYSTEM "http://127.0.0.1:9/x.dtd">',
        "<!DOCTYPE Envelope>",
    ],
)
def test_document_types_are_refused(tmp_path: Path, doctype: str) -> None:
    text = envelope().replace("<Envelope", f"{doctype}<Envelope", 1)
    text = text.replace("<Name>web01", "<Name>&j;" if doctype is LAUGHS else "<Name>web01")
    (tmp_path / "a.ovf").write_text(text)
    with pytest.raises((CorruptError, LimitError)):
        open_package(tmp_path / "a.ovf")


def test_undeclared_entity(tmp_path: Path) -> None:
    (tmp_path / "a.ovf").write_text(envelope().replace("<Name>web01", "<Name>&x;"))
    with pytest.raises(CorruptError):
        open_package(tmp_path / "a.ovf")


def test_depth(tmp_path: Path) -> None:
    deep = "<a>" * 5000 + "</a>" * 5000
    (tmp_path / "a.ovf").write_text(envelope(after=deep))
    with pytest.raises(LimitError):
        open_package(tmp_path / "a.ovf")


def test_a_descriptor_of_two_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.ovf"
    path.write_bytes(OVF)
    os.truncate(path, 2 << 30)
    with pytest.raises(LimitError):
        open_package(path)
    member = tarfile.TarInfo("a.ovf")
    member.size = MAX_XML + 1
    with (tmp_path / "a.ova").open("wb") as file:
        file.write(member.tobuf(tarfile.USTAR_FORMAT))
        file.truncate(MAX_XML + 1024 * 1024)
    with pytest.raises(LimitError):
        open_package(tmp_path / "a.ova")


# --- folders ----------------------------------------------------------------------------------


def test_folder_with_one_descriptor(tmp_path: Path) -> None:
    package_folder(tmp_path, envelope(), {"disk1.vmdk": DISK, "notes.txt": b"x"})
    package = open_package(tmp_path)
    assert package.kind == "ovf"
    assert package.open_file("file1").read_at(0, 4) == b"KDMV"
    package.close()


def test_folder_with_several(tmp_path: Path) -> None:
    (tmp_path / "a.ovf").write_bytes(OVF)
    (tmp_path / "b.vmx").write_bytes(VMX)
    with pytest.raises(LocatorError, match=r"a\.ovf, b\.vmx"):
        open_package(tmp_path)


def test_folder_with_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(LocatorError) as caught:
        open_package(tmp_path)
    assert caught.value.hint


def test_folder_with_an_ova(tmp_path: Path) -> None:
    tar(tmp_path / "a.ova", [("a.ovf", OVF)])
    assert open_package(tmp_path).kind == "ova"


# --- files of a folder --------------------------------------------------------------------------


def test_missing_file_can_be_inspected(tmp_path: Path) -> None:
    package = open_package(package_folder(tmp_path, envelope()))
    assert "KF-201" in codes(package.findings)
    with pytest.raises(PackageError, match="missing"):
        package.open_file("file1")
    with pytest.raises(PackageError):
        package.open_file("nonsense")
    with pytest.raises(PackageError):
        package.open_sibling("disk1.vmdk")


@pytest.mark.parametrize(
    "href",
    ["/etc/passwd", "../disk1.vmdk", "a/../../b", "..", "a\\b", "C:x", "%2e%2e/x", "a%00b", "."],
)
def test_unsafe_names(tmp_path: Path, href: str) -> None:
    text = envelope(references=references(f'<File ovf:id="file1" ovf:href="{href}"/>'))
    package = open_package(package_folder(tmp_path / "in", text))
    assert "KF-217" in codes(package.findings)
    with pytest.raises(UnsafePathError):
        package.open_file("file1")
    with pytest.raises(UnsafePathError):
        package.open_sibling(href)


@pytest.mark.parametrize("href", ["http://h/a.vmdk", "https://h/a.vmdk", "ftp://h/a", "file:///a"])
def test_references_elsewhere(tmp_path: Path, href: str) -> None:
    text = envelope(references=references(f'<File ovf:id="file1" ovf:href="{href}"/>'))
    package = open_package(package_folder(tmp_path, text))
    assert "KF-216" in codes(package.findings)
    with pytest.raises(UnsupportedError):
        package.open_file("file1")


@pytest.mark.parametrize(
    ("href", "name"),
    [
        ("my%20disk.vmdk", "my disk.vmdk"),
        ("my%20disk.vmdk", "my%20disk.vmdk"),
        ("my disk.vmdk", "my disk.vmdk"),
        ("./disks/a.vmdk", "disks/a.vmdk"),
        ("Gr%C3%BC%C3%9Fe.vmdk", "Grüße.vmdk"),
        ("100%.vmdk", "100%.vmdk"),
    ],
)
def test_names_verbatim_then_decoded(tmp_path: Path, href: str, name: str) -> None:
    text = envelope(references=references(f'<File ovf:id="file1" ovf:href="{href}"/>'))
    package = open_package(package_folder(tmp_path, text, {name: DISK}))
    source = package.open_file("file1")
    assert source.size == len(DISK)
    package.close()


def test_links_that_leave_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    path = package_folder(tmp_path / "in", envelope())
    (tmp_path / "in" / "disk1.vmdk").symlink_to("../secret")
    package = open_package(path)
    assert "KF-217" in codes(package.findings)
    with pytest.raises(UnsafePathError):
        package.open_file("file1")
    (tmp_path / "in" / "disk1.vmdk").unlink()
    (tmp_path / "in" / "disk1.vmdk").symlink_to("disk1.vmdk")
    with pytest.raises((UnsafePathError, PackageError)):
        package.open_file("file1")


def test_links_within_the_folder_and_to_the_package(tmp_path: Path) -> None:
    path = package_folder(tmp_path / "in", envelope(), {"real.vmdk": DISK})
    (tmp_path / "in" / "disk1.vmdk").symlink_to("real.vmdk")
    (tmp_path / "link.ovf").symlink_to(path)
    package = open_package(tmp_path / "link.ovf")
    assert package.open_file("file1").size == len(DISK)
    package.close()


def test_size_that_differs(tmp_path: Path) -> None:
    text = envelope(
        references=references('<File ovf:id="file1" ovf:href="disk1.vmdk" ovf:size="1"/>')
    )
    package = open_package(package_folder(tmp_path, text, {"disk1.vmdk": DISK}))
    assert "KF-205" in codes(package.findings)


def test_very_long_name(tmp_path: Path) -> None:
    name = "a" * 5000
    text = envelope(references=references(f'<File ovf:id="file1" ovf:href="{name}"/>'))
    package = open_package(package_folder(tmp_path, text))
    with pytest.raises(PackageError):
        package.open_file("file1")


# --- archives -----------------------------------------------------------------------------------


def test_ova_is_read_in_place(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.ova", [("a.ovf", OVF), ("disk1.vmdk", DISK)])
    package = open_package(path)
    source = package.open_file("file1")
    assert source.name == f"{path}#disk1.vmdk"
    assert source.read_at(0, source.size) == DISK
    assert source.kernel_file() is not None
    assert package.open_sibling("disk1.vmdk").size == len(DISK)
    assert package.findings == ()
    package.close()
    package.close()


def test_descriptor_in_a_folder_of_the_archive(tmp_path: Path) -> None:
    members = [("vm/a.ovf", OVF), ("vm/disk1.vmdk", DISK), ("./vm/a.mf", b"")]
    package = open_package(tar(tmp_path / "a.ova", members))
    assert package.open_file("file1").size == len(DISK)
    assert package.manifest == {}
    package.close()


def test_extra_and_missing_members(tmp_path: Path) -> None:
    members = [("readme.txt", b"x"), ("a.ovf", OVF), ("a.cert", b""), ("a.mf", b"")]
    package = open_package(tar(tmp_path / "a.ova", members))
    assert [f.subject for f in package.findings if f.code == "KF-202"] == ["readme.txt"]
    assert codes(package.findings) >= {"KF-201", "KF-215"}
    package.close()


def test_two_descriptors(tmp_path: Path) -> None:
    package = open_package(tar(tmp_path / "a.ova", [("a.ovf", OVF), ("sub/b.ovf", b"x")]))
    assert "KF-214" in codes(package.findings)
    package.close()


def test_archive_without_descriptor(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"no \.ovf"):
        open_package(tar(tmp_path / "a.ova", [("a.txt", b"x")]))
    with pytest.raises(UnsupportedError, match="XVA"):
        open_package(tar(tmp_path / "a.xva", [("Ref:1/00000000", b""), ("ova.xml", b"<value/>")]))


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../../b", "a\\b"])
def test_members_that_lie_outside(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsafePathError):
        open_package(tar(tmp_path / "a.ova", [("a.ovf", OVF), (name, b"x")]))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_members_that_are_no_files(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("disk1.vmdk")
    member.type = kind
    member.linkname = "/etc/passwd"
    with pytest.raises(UnsafePathError):
        open_package(tar(tmp_path / "a.ova", [("a.ovf", OVF), member]))


def test_archive_cut_short(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.ova", [("a.ovf", OVF), ("disk1.vmdk", DISK)])
    os.truncate(path, 512 + 4096)
    with pytest.raises(TruncatedError):
        open_package(path)


def test_references_from_an_archive_stay_in_it(tmp_path: Path) -> None:
    (tmp_path / "disk1.vmdk").write_bytes(DISK)
    package = open_package(tar(tmp_path / "a.ova", [("a.ovf", OVF)]))
    with pytest.raises(PackageError):
        package.open_file("file1")
    package.close()


def test_two_machines_in_one_package(tmp_path: Path) -> None:
    text = envelope(
        f'<VirtualSystemCollection ovf:id="c"><Info/>{system(name="a")}{system(name="b")}'
        "</VirtualSystemCollection>",
        sections=DISKS + NETWORKS,
    )
    package = open_package(package_folder(tmp_path, text))
    assert [m.name for m in package.appliance.machines] == ["a", "b"]


def test_what_a_missing_file_means_depends_on_what_it_is_for(tmp_path: Path) -> None:
    cd = item(9, 15, Parent=3, AddressOnParent=1, HostResource="ovf:/file/cd")
    nvram = '<vmw:Config ovf:required="false" vmw:key="nvram" vmw:value="ovf:/file/nv"/>'
    text = envelope(
        system(hardware(BASE + cd, after=nvram)),
        references=references(
            '<File ovf:id="file1" ovf:href="disk1.vmdk"/>',
            '<File ovf:id="cd" ovf:href="tools.iso"/>',
            '<File ovf:id="nv" ovf:href="a.nvram"/>',
            '<File ovf:id="icon" ovf:href="a.png"/>',
        ),
    )
    package = open_package(package_folder(tmp_path, text))
    found = {f.subject: f.severity for f in package.findings if f.code == "KF-201"}
    assert found == {"file1": "error", "cd": "note", "nv": "note", "icon": "warning"}
    package.close()


def test_drives_that_are_not_required_are_left_out_with_a_note(tmp_path: Path) -> None:
    lost = {"Parent": 3, "AddressOnParent": 1, "HostResource": "ovf:/disk/none"}
    optional = item(9, 17, more='ovf:required="false"', **lost)
    for text, severity in ((optional, "note"), (optional.replace("false", "true"), "error")):
        described = envelope(system(hardware(BASE + text)))
        package = open_package(package_folder(tmp_path, described, {"disk1.vmdk": DISK}))
        (finding,) = [f for f in package.findings if f.code == "KF-116"]
        assert (finding.severity, len(package.appliance.machines[0].disks)) == (severity, 1)
        package.close()


def test_a_disk_that_is_neither_required_nor_there_is_left_out(tmp_path: Path) -> None:
    optional = item(
        9, 17, more='ovf:required="false"', Parent=3, AddressOnParent=1,
        HostResource="ovf:/disk/extra",
    )  # fmt: skip
    more = '<Disk ovf:diskId="extra" ovf:fileRef="file2" ovf:capacity="5"/></DiskSection>'
    text = envelope(
        system(hardware(BASE + optional)),
        references=references(
            '<File ovf:id="file1" ovf:href="disk1.vmdk"/>',
            '<File ovf:id="file2" ovf:href="extra.vmdk"/>',
        ),
        sections=DISKS.replace("</DiskSection>", more) + NETWORKS,
    )
    files = {"disk1.vmdk": DISK}
    package = open_package(package_folder(tmp_path / "a", text, files))
    (machine,) = package.appliance.machines
    assert [d.image for d in machine.disks] == ["vmdisk1"]
    (finding,) = package.findings
    assert (finding.code, finding.severity) == ("KF-221", "note")
    assert "extra.vmdk is missing" in finding.message
    package.close()
    required = text.replace('ovf:required="false"', "")
    package = open_package(package_folder(tmp_path / "b", required, files))
    assert [f.code for f in package.findings] == ["KF-201"]
    assert len(package.appliance.machines[0].disks) == 2
    package.close()
    package = open_package(package_folder(tmp_path / "c", text, {**files, "extra.vmdk": DISK}))
    assert [d.required for d in package.appliance.machines[0].disks] == [True, False]
    package.close()


@pytest.mark.parametrize("head", [b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd", b"\x89LZO\0\r\n\x1a\n"])
def test_what_is_packed_and_cut_off_is_damaged(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "a.vma.x").write_bytes(head)
    with pytest.raises(TruncatedError) as caught:
        open_package(tmp_path / "a.vma.x")
    assert "unpack it first" not in caught.value.hint


def test_what_is_packed_and_damaged_is_said_to_be(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(random.Random(1).randbytes(2000)))
    data[10:30] = b"\xff" * 20
    (tmp_path / "a.ova.gz").write_bytes(data)
    with pytest.raises(CorruptError, match="gzip data are damaged"):
        open_package(tmp_path / "a.ova.gz")


MANIFEST = (
    "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: a}\nspec:\n  template:\n"
    "    spec: {domain: {devices: {}, memory: {guest: 1Gi}}}\n"
)


def test_a_manifest_with_a_dictionary_inside(tmp_path: Path) -> None:
    inside = '  note: |\n    displayName = "a"\n    guestOS = "b"\n'
    (tmp_path / "a.yaml").write_text(MANIFEST + inside)
    assert open_package(tmp_path / "a.yaml").kind == "kubevirt"


def test_a_vmx_with_a_manifest_inside(tmp_path: Path) -> None:
    note = b'annotation = "' + MANIFEST.replace("\n", "|0A").encode() + b'"\n'
    (tmp_path / "a.vmx").write_bytes(VMX + note)
    assert open_package(tmp_path / "a.vmx").kind == "vmx"


@pytest.mark.parametrize("name", ["a.cfg", "a.conf", "a.yaml", "a.json"])
def test_a_text_with_a_zero_is_no_disk(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b'memory = 512\nvcpus = 1\nname = "a\0"\n' + bytes(512))
    with pytest.raises(UnsupportedError, match="describes no machine"):
        open_package(tmp_path / name)


def test_a_manifest_of_ovf_is_told_apart_from_damage(tmp_path: Path) -> None:
    (tmp_path / "a.mf").write_bytes(b"SHA256(a.ovf)= 00\n")
    with pytest.raises(UnsupportedError, match="lies beside a descriptor"):
        open_package(tmp_path / "a.mf")
