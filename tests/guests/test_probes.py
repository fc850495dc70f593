"""`kensho prove --probe`: services of a Debian asked from outside and inside, and what does not answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kensho.proof.qemu.accelerator import slowness
from tests.cli.conftest import Kensho, kensho
from tests.guests import services
from tests.guests.overlays import beside
from tests.guests.tiny import tiny_guest

pytestmark = pytest.mark.boot
__all__ = ["kensho"]

LEASED = "ip link set eth0 up; udhcpc -i eth0 -s /lease -n -q -t 60 -T 2\n"
#: What is sent before the adapter has its link is lost.
STATIC = """\
ip address add 192.168.9.9/24 dev eth0; ip link set eth0 up
until [ "$(cat /sys/class/net/eth0/operstate)" = up ]; do sleep 0.2; done
arping -c 2 -A -I eth0 192.168.9.9
"""
#: A port that is closed at once, one that says nothing, one that speaks; all are there before the login.
PORTS = """\
nc -ll -p 90 -e /bin/true &
nc -ll -p 7 -e /bin/cat &
nc -ll -p 25 -e /bin/echo "220 ready" &
until [ "$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -c ' 0A ')" -ge 3 ]; do sleep 0.2; done
"""


def proven(kensho: Kensho, guest: Path, *options: object) -> tuple[int, dict, dict]:
    """Prove on one profile; returns the code, the trial and what is stated."""
    kensho("platforms")  # takes what making the guest printed
    folder = guest.parent / "proof"
    code, out, err = kensho("prove", guest, "-o", folder, "--json", *options)
    assert out, err
    (told,) = json.loads(out)["trials"]
    stated = json.loads((folder / "statement.json").read_text())["predicate"]
    page = (folder / "index.html").read_text()
    for probe in told.get("probes", ()):
        assert probe["name"] in page
    return code, told, stated


def test_services_answer_and_it_shuts_down(kensho: Kensho, tmp_path: Path) -> None:
    guest = beside(services.build(), tmp_path)
    probes = ["ssh:22", "http:80/", f"tcp:{services.SILENT}", "agent:cat /srv/index.html"]
    code, told, stated = proven(
        kensho, guest, "--on", "vmware-lsisas", *(part for p in probes for part in ("--probe", p))
    )
    assert (code, told["outcome"]) == (0, "pass"), told
    seen = {probe["name"]: probe for probe in told["probes"]}
    assert list(seen) == probes
    assert seen["ssh:22"]["seen"].startswith("SSH-2.0-OpenSSH_")
    assert seen["http:80/"]["seen"] == "HTTP/1.1 200 OK"
    assert seen["tcp:7"]["seen"] == "open; it accepts, and waits to be spoken to"
    assert seen["agent:cat /srv/index.html"]["output"] == services.PAGE
    (nic,) = told["agent"]["interfaces"]
    (inside,) = told["inside"]["nics"]
    assert inside["drivers"][0] == "e1000e"
    assert inside["address"] in nic["addresses"]
    assert told["heard"][0]["lease"] == inside["address"].partition("/")[0]
    marks = list(told["milestones"])
    assert {"root file system", "network", "report", "service"} <= set(marks)
    assert marks.index("kernel") < marks.index("network") < marks.index("service")
    assert (marks[-1], "notes" in told) == ("shutdown", False), told
    assert any("virtio serial port" in words for words in stated["untested"])


def test_what_does_not_answer(kensho: Kensho, tmp_path: Path) -> None:
    guest = tiny_guest(tmp_path, "tiny", LEASED + PORTS)
    words = ("tcp:7", "tcp:25", "tcp:81", "tcp:90", "http:25/", "ssh:7")
    code, told, _ = proven(
        kensho, guest, "--on", "xen-hvm-e1000", *(part for w in words for part in ("--probe", w)),
        "--probe-timeout", 15 * slowness(), "--ask-agent", "--timeout", "1200",
    )  # fmt: skip
    assert (code, told["outcome"], told["cause"]["code"]) == (15, "fail", "KF-974"), told
    assert "tcp:81" in told["cause"]["what"]
    seen = {probe["name"]: (probe["ok"], probe["seen"]) for probe in told["probes"]}
    assert not seen.pop("http:25/")[0]  # what it says first may be lost with the connection
    assert seen == {
        "tcp:7": (True, "open; it accepts, and waits to be spoken to"),
        "tcp:25": (True, "open; it says: 220 ready"),
        "tcp:81": (False, "the connection is closed at once"),
        "tcp:90": (False, "the connection is closed at once"),
        "ssh:7": (False, "it says nothing"),
    }
    # it knows neither ACPI's button nor an agent
    assert [note["code"] for note in told["notes"]] == ["KF-977", "KF-975"]
    assert "shutdown" not in told["milestones"]


def test_a_guest_that_is_on_another_network(kensho: Kensho, tmp_path: Path) -> None:
    guest = tiny_guest(tmp_path, "tiny", STATIC)
    code, told, _ = proven(
        kensho, guest, "--on", "xen-hvm-e1000", "--probe", "tcp:22", "--probe-timeout", "5",
        "--shutdown", "skip", "--timeout", "1200",
    )  # fmt: skip
    assert (code, told["outcome"], told["cause"]["code"]) == (15, "fail", "KF-976"), told
    assert "192.168.9.9" in told["cause"]["what"]
    assert "notes" not in told
