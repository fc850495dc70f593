"""What is said to be mended is mended; what is not mended stays as it was."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from kensho.appliances.xmlsafe import parse_xml
from kensho.model.errors import KenshoError, ManifestMismatchError
from kensho.packages.source import opened_ovf
from kensho.packages.validate.engine import validate
from kensho.packages.validate.fix import mend
from kensho.packages.validate.judge import judge
from kensho.packages.validate.profiles.table import PROFILES
from kensho.packages.validate.rule import Mode, OnWriting
from kensho.packages.validate.subject import package_subject
from kensho.packages.validate.table import RULES
from kensho.packages.validate.write_fixed import write_fixed
from tests.packages.validate.samples import (
    GOOD,
    SYSTEM_END,
    changed,
    codes,
    found,
    item,
    package,
    subject,
    vmdk,
    with_items,
)
from tests.packages.validate.test_rules import FAULTS

SHARED = Path(os.environ.get("KENSHO_SHARED", Path(__file__).parents[4] / "shared"))
MENDABLE = {r.code for r in RULES if r.mend and not isinstance(r.mend, OnWriting)}
#: Sizes can be mended only where the file is.
NEEDS_FILES = {"KF-623", "KF-624", "KF-635"}


def mended(path, *targets, mode=Mode.STRICT):
    with opened_ovf(path) as opened:
        return mend(opened, [PROFILES[t] for t in targets], mode)


@pytest.mark.parametrize("code", sorted(MENDABLE & set(FAULTS) - NEEDS_FILES))
def test_a_mend_mends(tmp_path, code):
    text = changed(*FAULTS[code])
    result = mended(package(tmp_path, text))
    assert code in {c.code for c in result.changes}
    assert code not in codes(result.after.decode())


def test_a_mend_of_sizes(tmp_path):
    result = mended(package(tmp_path, changed((' ovf:size="@SIZE@"', ""))))
    assert {c.code for c in result.changes} >= {"KF-623"}
    assert 'ovf:size="' in result.after.decode()


@pytest.mark.parametrize("code", sorted(MENDABLE & set(FAULTS)))
def test_mended_descriptors_are_valid_by_the_dmtf_schema(tmp_path, code):
    path = SHARED / "xsd/ovf1/dsp8023_1.1.1.xsd"
    if not path.exists():
        pytest.skip("no DMTF schemas beside the repository")
    if code in {"KF-618", "KF-689", "KF-687"}:
        pytest.skip("vendors' sections are not in the schema")
    schema = etree.XMLSchema(etree.parse(path))
    root = mended(package(tmp_path, changed(*FAULTS[code]))).root
    for element in list(root.iter("{http://www.vmware.com/schema/ovf}*")):
        element.getparent().remove(element)
    assert schema.validate(root), schema.error_log


def test_nothing_to_mend_changes_nothing(tmp_path):
    path = package(tmp_path)
    result = mended(path)
    assert result.changes == ()
    assert result.after == path.read_bytes()


def test_only_mended_lines_differ(tmp_path):
    text = changed(
        ("vmx-13", "virtualbox-2.2"),
        ("<Name>web01</Name>", "<Name   >web01</Name>  <!-- kept -->"),
        (
            SYSTEM_END,
            "<acme:Thing a='1' ovf:required=\"false\"><acme:b/></acme:Thing>\n" + SYSTEM_END,
        ),
    )
    path = package(tmp_path, text)
    before, after = (
        path.read_text().splitlines(),
        mended(path, "esxi-7").after.decode().splitlines(),
    )
    assert [(a, b) for a, b in zip(before, after, strict=True) if a != b] == [
        (
            "        <vssd:VirtualSystemType>virtualbox-2.2</vssd:VirtualSystemType>",
            "        <vssd:VirtualSystemType>vmx-17</vssd:VirtualSystemType>",
        )
    ]


@pytest.mark.parametrize("target", [t for t in PROFILES if t != "hyper-v"])
def test_mending_twice_is_mending_once(tmp_path, target):
    text = changed(
        ("vmx-13", "virtualbox-2.2"),
        ("ovf:/disk/vmdisk1", "/disk/vmdisk1"),
        ("byte * 2^20", "MegaBytes"),
        with_items(item(9, 5, "ResourceSubType=PIIX4"), item(10, 35), item(11, 32768)),
    )
    path = package(tmp_path / "a", text)
    once = mended(path, target)
    again = mended(package(tmp_path / "b", once.after.decode(), manifest=None), target)
    assert again.after == once.after
    assert [v.verdict for v in again.verdicts] == [v.verdict for v in once.verdicts]


def test_the_result_is_a_good_package(tmp_path):
    text = changed(("vmx-13", "virtualbox-2.2"), ("byte * 2^20", "MegaBytes"))
    out = tmp_path / "out.ova"
    with opened_ovf(package(tmp_path / "in", text, ova=True)) as opened:
        write_fixed(opened, mend(opened, [PROFILES["portable-1"]]), str(out))
    with opened_ovf(out) as opened:
        new = package_subject(opened)
        assert validate(new, Mode.STRICT) == ()
        assert judge(new, PROFILES["portable-1"]).verdict == "accept"
    folder = tmp_path / "unpacked"
    folder.mkdir()
    subprocess.run(["tar", "-xf", out, "-C", folder], check=True)
    subprocess.run(["sha256sum", "--check", "--strict", "-"], check=True, cwd=folder, input=(
        "".join(
            f"{line.partition('= ')[2]}  {line.partition('(')[2].partition(')')[0]}\n"
            for line in (folder / "out.mf").read_text().splitlines()
        )
    ).encode())  # fmt: skip


def test_a_damaged_file_gets_no_good_manifest(tmp_path):
    path = package(tmp_path / "in")
    disk = tmp_path / "in/disk1.vmdk"
    disk.write_bytes(disk.read_bytes()[:-1] + b"x")
    out = tmp_path / "out.ova"
    with opened_ovf(path) as opened, pytest.raises(ManifestMismatchError):
        write_fixed(opened, mend(opened), str(out))
    assert not out.exists()


def test_chunks_are_taken_along(tmp_path):
    text = changed(
        ('ovf:size="@SIZE@"', 'ovf:size="15" ovf:chunkSize="10"'), ("vmx-13", "virtualbox-2.2")
    )
    chunks = {f"disk1.vmdk.{n:09d}": bytes([n]) * size for n, size in enumerate((10, 5))}
    path = package(tmp_path / "in", text, files=chunks)
    with opened_ovf(path) as opened:
        write_fixed(opened, mend(opened, [PROFILES["esxi-7"]]), str(tmp_path / "out/new.ovf"))
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"new.ovf", "new.mf", *chunks}


@pytest.mark.parametrize("ova", [False, True])
def test_chunks_are_joined_for_those_who_do_not(tmp_path, ova):
    disk = vmdk(tmp_path / "x.vmdk")
    size = len(disk) // 2 + 1
    text = changed(('ovf:size="@SIZE@"', f'ovf:size="{len(disk)}" ovf:chunkSize="{size}"'))
    chunks = {"disk1.vmdk.000000000": disk[:size], "disk1.vmdk.000000001": disk[size:]}
    path = package(tmp_path / "in", text, files=chunks, ova=ova)
    out = tmp_path / "out/new.ovf"
    with opened_ovf(path) as opened:
        assert judge(package_subject(opened), PROFILES["proxmox"]).verdict == "refuse"
        write_fixed(opened, mend(opened, [PROFILES["proxmox"]]), str(out))
    assert {p.name for p in out.parent.iterdir()} == {"new.ovf", "new.mf", "disk1.vmdk"}
    assert (out.parent / "disk1.vmdk").read_bytes() == disk
    with opened_ovf(out) as opened:
        assert judge(package_subject(opened), PROFILES["proxmox"]).verdict != "refuse"
        assert validate(package_subject(opened), Mode.STRICT) == ()


def test_the_package_itself_stays(tmp_path):
    path = package(tmp_path / "in", changed(("vmx-13", "virtualbox-2.2")))
    before = {p.name: p.read_bytes() for p in path.parent.iterdir()}
    with opened_ovf(path) as opened:
        write_fixed(opened, mend(opened, [PROFILES["esxi-7"]]), str(tmp_path / "out"))
    assert {p.name: p.read_bytes() for p in path.parent.iterdir()} == before


WORDS = GOOD.replace("@SIZE@", "5").split(">")
NASTY = ("", "-1", "9" * 30, "${x}", "٣", "a b", "\u0000", "&amp;", "ovf:/disk/", "//", "vmx-", "0")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_no_descriptor_makes_it_crash(tmp_path, seed):
    chance = random.Random(seed)
    parts = list(WORDS)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(parts))
        match chance.randrange(4):
            case 0:
                del parts[at]
            case 1:
                parts.insert(at, parts[chance.randrange(len(parts))])
            case 2:
                parts[at] = parts[at].replace("ovf:", chance.choice(("", "x:", "vmw:")), 1)
            case _:
                head, quote, rest = parts[at].partition('"')
                parts[at] = head + quote + chance.choice(NASTY) + '"' + rest.partition('"')[2]
    data = ">".join(parts).encode()
    folder = tmp_path / "case"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "test.ovf").write_bytes(data)
    try:
        with opened_ovf(folder / "test.ovf") as opened:
            result = mend(opened, list(PROFILES.values()), Mode.STRICT)
    except KenshoError:
        return
    # Namespaces that are no URIs stay as they are: parse_xml reads them, lxml alone does not.
    assert parse_xml(result.after, path="test.ovf")[0] is not None


def test_subjects_are_read_again_after_a_mend():
    assert found(changed()) == ()
    assert subject(changed()).systems[0].id == "web01"


def test_a_full_controller_has_no_place_for_a_drive(tmp_path):
    """More drives than places: what cannot be moved stays, and is said."""
    start, end = (
        GOOD.index("<rasd:AddressOnParent>0"),
        GOOD.index("</Item>", GOOD.index("/vmdisk1<")),
    )
    drive = GOOD[start:end]
    drives = "".join(
        f"</Item><Item>{drive.replace('InstanceID>4<', f'InstanceID>{n}<')}"
        for n in range(100, 400)
    )
    path = package(tmp_path / "in", GOOD[:end] + drives + GOOD[end:])
    with opened_ovf(path) as opened:
        mended = mend(opened)
    assert "KF-668" in {change.code for change in mended.changes}
    assert "KF-668" in {violation.code for violation in mended.left}
