"""XVA to XVA, and there and back: disks bit for bit by an unpacker of our own, settings as they were."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import xmlrpc.client
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "appliances"))
import xva_samples as s

from kensho.appliances import open_package
from kensho.convert.plan import Request, make_plan
from kensho.convert.run import run_plan

SYSTEM = b"boot" * (s.MIB // 4) + bytes(3 * s.MIB) + b"last" * (s.MIB // 4)
DATA = bytes(2 * s.MIB)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    text = s.metadata(
        s.vm(),
        s.vbd("Ref:10", "Ref:20", "0", qos_algorithm_type="ionice"),
        s.vbd("Ref:11", "Ref:21", "1"),
        s.vbd("Ref:12", "OpaqueRef:NULL", "3", type="CD", empty=True),
        s.vdi("Ref:20", len(SYSTEM), name_description="the system"),
        s.vdi("Ref:21", len(DATA)),
        s.vif(
            "Ref:30", "0", "Ref:40", MTU="9000", locking_mode="locked", ipv4_allowed=["10.0.0.9"]
        ),
        s.vif("Ref:31", "2", "Ref:40"),
        s.network("Ref:40", "Storage / A", "xenbr1"),
    )
    files = [("ova.xml", text), *s.blocks("Ref:20", SYSTEM), *s.blocks("Ref:21", DATA)]
    return s.pack(tmp_path / "web.xva", files)


def convert(source: Path, target: str, out: Path, form: str | None = None) -> Path:
    run_plan(make_plan(Request(source=str(source), target=target, form=form)), out)
    return out


def unpack(path: Path) -> tuple[dict[str, dict], dict[str, bytes]]:
    """Return records by class (of several: the first) and disks, by tar and concatenation alone."""
    disks: dict[str, dict[int, bytes]] = {}
    with tarfile.open(path) as tar:
        names = tar.getnames()
        for name in names[1:]:
            ref, _, number = name.partition("/")
            if "." not in number:
                block = tar.extractfile(name).read()
                disks.setdefault(ref, {})[int(number)] = block
                if f"{name}.checksum" in names:
                    told = tar.extractfile(f"{name}.checksum").read().decode()
                    assert told == hashlib.sha1(block).hexdigest()
                else:
                    told = tar.extractfile(f"{name}.xxhash").read().decode()
                    said = subprocess.run(["xxhsum", "-H64"], input=block, capture_output=True)
                    assert said.stdout.split()[0].decode().upper() == told
        text = tar.extractfile("ova.xml").read().decode().split("?>", 1)[1]
    call = f"<methodResponse><params><param>{text}</param></params></methodResponse>"
    ((found,), _) = xmlrpc.client.loads(call)
    records: dict[str, dict] = {}
    for item in found["objects"]:
        records.setdefault(item["class"], item["snapshot"])
    contents = {}
    for ref, blocks in disks.items():
        whole = bytearray((max(blocks) + 1) * s.MIB)
        for number, block in blocks.items():
            whole[number * s.MIB : number * s.MIB + len(block)] = block
        contents[ref] = bytes(whole)
    return records, contents


@pytest.mark.parametrize("form", ["xva", "xva-xxhash"])
def test_what_was_in_an_xva_is_in_the_next_one(source: Path, tmp_path: Path, form: str) -> None:
    if form == "xva-xxhash":
        import shutil

        if shutil.which("xxhsum") is None:
            pytest.skip("no xxhsum here")
    out = convert(source, "xenserver", tmp_path / "out", form) / "web.xva"
    records, disks = unpack(out)
    assert list(disks.values()) == [SYSTEM, DATA]
    vm = records["VM"]
    assert vm["uuid"] == s.UUID
    assert vm["name_description"] == "the shop's\nfront"
    assert vm["VCPUs_max"] == "8"
    assert vm["VCPUs_at_startup"] == "4"
    assert vm["memory_static_max"] == str(4096 * s.MIB)
    assert vm["memory_dynamic_max"] == str(2048 * s.MIB)
    assert vm["memory_dynamic_min"] == str(1024 * s.MIB)
    assert vm["NVRAM"] == {"EFI-variables": "VkFSUw=="}
    assert vm["tags"] == ["prod", "web"]
    assert vm["actions_after_crash"] == "preserve"
    assert vm["other_config"]["team"] == "a/b"
    assert vm["platform"]["videoram"] == "16"
    assert vm["platform"]["secureboot"] == "true"
    assert vm["platform"]["exp-nested-hvm"] == "true"
    assert vm["HVM_boot_params"]["firmware"] == "uefi"
    assert records["VBD"]["qos_algorithm_type"] == "ionice"
    assert records["VDI"]["name_description"] == "the system"
    vif = records["VIF"]
    assert (vif["MTU"], vif["locking_mode"], vif["ipv4_allowed"]) == (
        "9000",
        "locked",
        ["10.0.0.9"],
    )
    assert records["network"]["bridge"] == "xenbr1"
    before, after = (open_package(path).appliance.machines[0] for path in (source, out))
    assert after.nics == before.nics
    assert after.guest.vendor == before.guest.vendor
    assert {e.where for e in before.extras} <= {e.where for e in after.extras}


def test_it_comes_back_from_kvm(source: Path, tmp_path: Path) -> None:
    there = convert(source, "kvm", tmp_path / "kvm")
    back = convert(there / "web.xml", "xenserver", tmp_path / "back") / "web.xva"
    records, disks = unpack(back)
    assert list(disks.values()) == [SYSTEM, DATA]
    assert records["VM"]["other_config"]["team"] == "a/b"
    assert records["VM"]["NVRAM"] == {"EFI-variables": "VkFSUw=="}
    assert records["VIF"]["MTU"] == "9000"
    before, after = (open_package(path).appliance.machines[0] for path in (source, back))
    assert [(d.id, d.unit, d.controller) for d in after.disks] == [
        (d.id, d.unit, d.controller) for d in before.disks
    ]
    assert after.nics == before.nics


def test_a_paravirtualized_guest_stays_one(tmp_path: Path) -> None:
    changes = {
        "HVM_boot_policy": "", "HVM_boot_params": {}, "PV_bootloader": "pygrub",
        "domain_type": "pv", "PV_args": "console=hvc0", "platform": {}, "VTPMs": [],
    }  # fmt: skip
    text = s.metadata(s.vm(**changes), s.vbd("Ref:1", "Ref:2", "0"), s.vdi("Ref:2", s.MIB))
    source = s.pack(tmp_path / "a.xva", [("ova.xml", text), *s.blocks("Ref:2", bytes(s.MIB))])
    records, _ = unpack(convert(source, "xenserver", tmp_path / "out") / "web.xva")
    vm = records["VM"]
    assert (vm["HVM_boot_policy"], vm["domain_type"]) == ("", "pv")
    assert (vm["PV_bootloader"], vm["PV_args"]) == ("pygrub", "console=hvc0")
    assert vm["NVRAM"] == {}


def test_a_note_that_was_tampered_with_is_a_finding(source: Path, tmp_path: Path) -> None:
    for number, note in enumerate(("!", "AAAA", "eJzzSM3JyQcABowB9Q==")):
        text = s.metadata(s.vm(other_config={"kensho-origin": note}))
        path = s.pack(tmp_path / f"{number}.xva", [("ova.xml", text)])
        assert "KF-452" in {f.code for f in open_package(path).findings}
