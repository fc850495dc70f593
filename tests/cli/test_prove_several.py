"""`kensho prove` of an appliance with several machines, where nothing is started; for starts: tests/guests."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Kensho
from tests.cli.small_guest import guest_disk

ON = "hyperv-gen2,vmware-lsilogic"
APPLIANCE = """\
name: shop
for: vmware
machines:
  - {name: web, cpus: 1, memory: 1GiB, disks: [guest.img], nics: [{network: outer}, {network: inner}]}
  - {name: db, cpus: 1, memory: 1GiB, disks: [guest.img], nics: [{network: inner}]}
networks: {outer: seen from outside, inner: between the machines}
"""


@pytest.fixture
def shop(tmp_path: Path, kensho: Kensho) -> Path:
    guest_disk(tmp_path, boot=False)
    (tmp_path / "shop.yaml").write_text(APPLIANCE)
    code, _, err = kensho("pack", tmp_path / "shop.yaml", "-o", tmp_path / "shop.ova")
    assert code == 0, err
    return tmp_path / "shop.ova"


def proven(kensho: Kensho, shop: Path, *options: object) -> tuple[list[dict], dict]:
    folder = shop.parent / "proof"
    code, out, err = kensho("prove", shop, "--on", ON, "-o", folder, "--json", *options)
    assert out, err
    assert code in {0, 15}
    return json.loads(out)["trials"], json.loads((folder / "statement.json").read_text())


def test_every_machine_is_judged_on_every_profile(shop: Path, kensho: Kensho) -> None:
    trials, statement = proven(kensho, shop)
    assert [(t["profile"], t["machine"]) for t in trials] == [
        (profile, machine) for profile in ON.split(",") for machine in ("web", "db")
    ]
    claimed = statement["predicate"]
    assert claimed["machines"] == ["web", "db"]
    assert [disk["machine"] for disk in claimed["disks"]] == ["web", "db"]
    # nothing says in which order they start
    assert [f["code"] for f in claimed["findings"]] == ["KF-980"]
    bill = json.loads((shop.parent / "proof/sbom.cdx.json").read_text())
    refs = [part["bom-ref"] for part in bill["components"]]
    assert len(refs) == len(set(refs)) >= 2
    page = (shop.parent / "proof/index.html").read_text()
    assert ": web" in page
    assert ": db" in page


def test_all_are_adapted(shop: Path, kensho: Kensho) -> None:
    _, statement = proven(kensho, shop, "--adapt")
    changed = statement["predicate"]
    assert {c["machine"] for c in changed["changes"]} == {"web", "db"}
    assert all(disk["root_before"] != disk["root_after"] for disk in changed["disks"])


def test_one_of_them_alone_is_as_a_machine_alone(shop: Path, kensho: Kensho) -> None:
    trials, statement = proven(kensho, shop, "--machine", "db")
    assert [t.get("machine") for t in trials] == [None, None]
    assert statement["predicate"]["machines"] == ["db"]
    assert not statement["predicate"].get("findings")


def test_an_order_that_is_stated_needs_no_word(shop: Path, kensho: Kensho) -> None:
    assert kensho("edit", shop, "--startup", "db+30,web", "--in-place")[0] == 0
    _, statement = proven(kensho, shop)
    assert not statement["predicate"].get("findings")


def test_a_probe_has_to_say_of_which_machine(shop: Path, kensho: Kensho) -> None:
    for probe in ("tcp:22", "mail=tcp:25"):
        code, _, err = kensho("prove", shop, "--on", ON, "-o", shop.parent / "p", "--probe", probe)
        assert code == 2
        assert "machines: web, db" in err
    assert not (shop.parent / "p").exists()


def test_too_little_memory_for_all_at_once_is_told_for_each(shop: Path, kensho: Kensho) -> None:
    folder = shop.parent / "p"
    code, out, _ = kensho("prove", shop, "--on", "kvm-virtio", "-o", folder, "--json",
                          "--memory", 1 << 24, "--timeout", 1)  # fmt: skip
    assert code == 15
    trials = json.loads(out)["trials"]
    assert [t["machine"] for t in trials] == ["web", "db"]
    for trial in trials:
        assert not trial["started"]
        assert "are missing" in trial["reason"]
        assert "--machine" in trial["cause"]["remedy"]


@pytest.mark.parametrize(
    ("on", "most"), [("vmware-ide", 4), ("vmware-sata", 6), ("proxmox-lsi", 7)]
)
def test_more_disks_than_a_controller_takes_are_told_before_a_start(
    on: str, most: int, tmp_path: Path, kensho: Kensho
) -> None:
    disks = []
    for number in range(most + 1):
        disks.append(tmp_path / f"{number}.img")
        disks[-1].write_bytes(bytes(1 << 20))
    code, out, err = kensho("prove", *disks, "--on", on, "-o", tmp_path / "p", "--json",
                            "--timeout", 1)  # fmt: skip
    assert out, err
    (trial,) = json.loads(out)["trials"]
    assert (code, trial["how"], trial["cause"]["code"]) == (15, "not started", "KF-994")
    words = f"takes {most} disks here, and the machine has {most + 1}"
    assert words in trial["reason"]
    _, out, err = kensho("prove", *disks, "--on", on, "--dry-run", "--json")
    assert out, err
    assert any(words in said for said in json.loads(out)["dry_run"]["hindrances"])


def test_another_firmware_than_the_machine_states_is_said(shop: Path, kensho: Kensho) -> None:
    assert kensho("edit", shop, "--vm", "web", "--set", "firmware=efi", "--in-place")[0] == 0
    folder = shop.parent / "p"
    for on, told in (("kvm-virtio", ["web"]), ("vmware-lsilogic", [])):
        kensho("prove", shop, "--on", on, "-o", folder, "--memory", 1 << 24, "--timeout", 1)
        claimed = json.loads((folder / "statement.json").read_text())["predicate"]
        found = [f for f in claimed["findings"] if f["code"] == "KF-983"]
        assert [f["subject"] for f in found] == told
        shutil.rmtree(folder)
