"""`kensho convert --adapt`: what becomes of the names of adapters when their addresses change."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.conftest import Kensho
from tests.cli.small_guest import guest_tree
from tests.guest.images_of import MIB, ext, run
from tests.images import ovf

AsJson = Callable[..., Any]
MAC = "00:50:56:aa:bb:01"
LINK = "/etc/systemd/network/{}-kensho-ens192.link"
FILES = {
    "lib/udev/rules.d/80-net-setup-link.rules": "",
    "etc/network/interfaces": "auto ens192\niface ens192 inet dhcp\n",
    "etc/NetworkManager/system-connections/a": (
        f"[connection]\ninterface-name=ens192\n[ethernet]\nmac-address={MAC.upper()}\n"
    ),
}


def machine(folder: Path) -> Path:
    folder.mkdir()
    tree = guest_tree(folder / "tree", boot=False) / "root"
    for name, text in FILES.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    ext(folder / "root.img", tree, "-t", "ext4", size=32 * MIB)
    source = folder / "web01.ovf"
    nic = "<rasd:Connection>lan</rasd:Connection>"
    text = ovf({"root.img": 32 * MIB}).replace(nic, f"<rasd:Address>{MAC}</rasd:Address>{nic}")
    source.write_text(text)
    return source


def read(disk: Path, path: str) -> str:
    return run("debugfs", "-R", f"cat {path}", disk)


def test_a_copys_names_are_tied_to_its_own_addresses(tmp_path: Path, as_json: AsJson) -> None:
    source, plan, out = machine(tmp_path / "in"), tmp_path / "plan.json", tmp_path / "out"
    as_json("plan", source, "--to", "kvm", "--adapt", "--identity", "new", "-o", plan)
    as_json("convert", plan, "-o", out)
    (xml,) = out.glob("*.xml")
    found = re.search(r"mac address='([0-9a-f:]+)'|mac address=\"([0-9a-f:]+)\"", xml.read_text())
    assert found
    mac = found[1] or found[2]
    assert mac != MAC
    (disk,) = out.glob("*.qcow2")
    raw = tmp_path / "raw.img"
    run("qemu-img", "convert", "-O", "raw", disk, raw)
    assert f"MACAddress={mac}\n" in read(raw, LINK.format(10))
    assert f"mac-address={mac.upper()}\n" in read(raw, "/etc/NetworkManager/system-connections/a")


def test_at_a_cloud_the_only_adapter_has_the_name(tmp_path: Path, as_json: AsJson) -> None:
    source, out = machine(tmp_path / "in"), tmp_path / "out"
    as_json("convert", source, "--to", "aws", "--adapt", "-o", out)
    (disk,) = (path for path in out.rglob("*") if path.suffix in {".raw", ".img", ".vmdk", ".vhd"})
    raw = tmp_path / "raw.img"
    run("qemu-img", "convert", "-O", "raw", disk, raw)
    assert "OriginalName=eth0 ens192\n" in read(raw, LINK.format(97))
    assert "mac-address" not in read(raw, "/etc/NetworkManager/system-connections/a")


def test_wishes_of_the_guest_go_with_adapt(tmp_path: Path, kensho: Kensho) -> None:
    code, _, err = kensho(
        "convert", machine(tmp_path / "in"), "--to", "kvm", "--agents", "-o", tmp_path / "o"
    )
    assert code == 2
    assert "--adapt" in err


def test_a_plan_whose_addresses_were_edited_is_not_run(tmp_path: Path, kensho: Kensho) -> None:
    source, plan = machine(tmp_path / "in"), tmp_path / "plan.json"
    assert kensho("plan", source, "--to", "kvm", "--adapt", "-o", plan)[0] == 0
    facts = json.loads(plan.read_bytes())
    facts["after"]["machines"][0]["nics"][0]["mac"] = "00:50:56:aa:bb:02"
    plan.write_text(json.dumps(facts))
    code, _, err = kensho("convert", plan, "-o", tmp_path / "out")
    assert code == 1
    assert "another address" in err
    # Nor one that lost what is to be changed.
    facts["adaptation"] = None
    plan.write_text(json.dumps(facts))
    code, _, err = kensho("convert", plan, "-o", tmp_path / "out")
    assert code == 1
    assert "does not say how" in err
    assert not (tmp_path / "out").exists()
