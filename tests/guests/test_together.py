"""Machines of an appliance started together: they find each other on its networks, and are probed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kensho.proof.qemu.accelerator import slowness
from tests.cli.conftest import Kensho, kensho
from tests.guests.tiny import tiny_guest
from tests.proof.watch.test_boot import left_behind, printing

pytestmark = pytest.mark.boot
__all__ = ["kensho"]

#: Its address is given by nobody, and it is the only one to know it until somebody asks.
DB = """\
ip link set eth0 up; ip address add 192.168.77.2/24 dev eth0
mkdir /www; echo i am the database >/www/index.html; httpd -p 5432 -h /www
"""
BROKEN = "poweroff -f; sleep 60\n"
WEB = """\
ip link set eth0 up; ip link set eth1 up
udhcpc -i eth0 -n -q -t 60 -T 2 -s /lease; ip address add 192.168.77.3/24 dev eth1
mkdir /www; until wget -q -O /www/index.html http://192.168.77.2:5432/; do sleep 1; done; echo "told: $(cat /www/index.html)"
httpd -p 80 -h /www
"""
APPLIANCE = """\
name: shop
for: vmware
machines:
  - {name: web, memory: 128MiB, cpus: 1, disks: [web.img], nics: [{network: outer}, {network: inner}]}
  - {name: broken, memory: 128MiB, cpus: 1, disks: [broken.img], nics: [{network: inner}]}
  - {name: db, memory: 128MiB, cpus: 1, disks: [db.img], nics: [{network: inner}]}
networks: {outer: seen from outside, inner: between the machines}
startup: [db, broken, web]
"""


def packed(kensho: Kensho, folder: Path, text: str) -> Path:
    (folder / "shop.yaml").write_text(text)
    code, _, err = kensho("pack", folder / "shop.yaml", "-o", folder / "shop.ova")
    assert code == 0, err
    return folder / "shop.ova"


def test_in_their_order_on_their_networks(kensho: Kensho, tmp_path: Path) -> None:
    for name, role in (("db", DB), ("broken", BROKEN), ("web", WEB)):
        tiny_guest(tmp_path, name, role)
    kensho("platforms")  # takes what making the guests printed
    ova = packed(kensho, tmp_path, APPLIANCE)
    for image in tmp_path.glob("*.img"):
        image.unlink()
    code, out, err = kensho(
        "prove", ova, "--on", "kvm-virtio", "--shutdown", "skip", "-o", tmp_path / "proof", "--json",
        "--probe", "web=http:80/", "--probe", "db=http:5432/", "--probe", "db=tcp:5432",
        "--probe-timeout", 40 * slowness(),
    )  # fmt: skip
    assert code == 15, err
    trials = {trial["machine"]: trial for trial in json.loads(out)["trials"]}
    assert {name: trial["outcome"] for name, trial in trials.items()} == {
        "web": "pass", "broken": "fail", "db": "pass",
    }, out  # fmt: skip
    # One that does not come up holds the others up no longer than it takes to see that.
    db, broken, web = trials["db"], trials["broken"], trials["web"]
    assert db.get("began", 0) < broken["began"] < web["began"]
    rounded = 0.2
    assert broken["began"] >= db.get("began", 0) + db["milestones"]["login"] - rounded
    # By the inner network alone, where no address is given out by anybody they know.
    folder = tmp_path / "proof/kvm-virtio"
    assert "told: i am the database" in (folder / "web/serial.log").read_text()
    assert (web["met"], db["met"]) == (["db"], ["web"])
    assert [nic["lease"] for nic in web["heard"]] == ["10.0.2.15", ""]
    assert [nic["addresses"] for nic in db["heard"]] == [["192.168.77.2"]]
    assert [probe["ok"] for probe in (*web["probes"], *db["probes"])] == [True] * 3
    statement = json.loads((tmp_path / "proof/statement.json").read_text())["predicate"]
    assert statement["machines"] == ["web", "broken", "db"]
    assert len(statement["disks"]) == 3


SILENT = """\
name: silent
for: vmware
machines:
  - {name: one, memory: 32MiB, cpus: 1, disks: [silent.img], nics: [{network: inner}]}
  - {name: two, memory: 32MiB, cpus: 1, disks: [silent.img], nics: [{network: inner}]}
"""


@pytest.fixture
def near() -> Iterator[Path]:
    """Give a folder that a socket can be in."""
    with tempfile.TemporaryDirectory(prefix="together-") as name:
        yield Path(name)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_however_it_ends(
    how: signal.Signals, kensho: Kensho, tmp_path: Path, near: Path
) -> None:
    (tmp_path / "silent.img").write_bytes(printing("").ljust(1 << 20, b"\0"))
    ova = packed(kensho, tmp_path, SILENT)
    command = ["env", "--default-signal=INT", sys.executable, "-m", "kensho", "prove", ova]
    command += ["--on", "kvm-virtio", "-o", tmp_path / "proof"]
    environment = os.environ | {"TMPDIR": str(near)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        while "firmware after" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(how)
        process.communicate(timeout=300)
    assert left_behind(f"{near}/") == []
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert list(near.iterdir()) == []
        assert not list(tmp_path.glob("proof*"))
