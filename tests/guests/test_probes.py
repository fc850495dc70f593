"""`kensho prove --probe`: services of a Debian, asked from outside and inside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Kensho, kensho
from tests.guests import services
from tests.guests.overlays import beside

pytestmark = pytest.mark.boot
__all__ = ["kensho"]


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
    assert {"root file system", "network", "login", "report", "service"} <= set(marks)
    assert marks.index("kernel") < marks.index("network") < marks.index("service")
    assert ("shutdown" in marks) == (not told.get("notes")), told
    assert any("virtio serial port" in words for words in stated["untested"])
