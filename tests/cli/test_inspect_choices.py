"""``kensho inspect`` of packages that leave something to choose, from files, servers and pipes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.appliances.ovf_samples import envelope, hardware, package_folder, system
from tests.appliances.test_ovf_choices import BOTH, BUNDLES, NOTE, OPTIONS, configured
from tests.cli.conftest import Kensho
from tests.storage.web import serving


def test_what_there_is_to_choose_is_listed(kensho: Kensho, tmp_path: Path) -> None:
    text = envelope(BOTH, sections=OPTIONS, after=BUNDLES)
    path = package_folder(tmp_path, text)
    code, out, _ = kensho("inspect", path)
    assert code == 0
    assert " * large: Large, For many" in out
    assert "   small: Small" in out
    assert " * vmx-07 vmx-10" in out
    assert "   for-xen xen-3.0-x64" in out
    assert "en-US, de-DE, de, fr-CA" in out
    _, out, _ = kensho("inspect", path, "--hardware", "for-xen", "--configuration", "small")
    assert " * small: Small" in out
    assert " * for-xen xen-3.0-x64" in out


def test_choices_in_json(kensho: Kensho, tmp_path: Path) -> None:
    path = package_folder(tmp_path, configured())
    _, out, _ = kensho("inspect", path, "--configuration", "small", "--json")
    read = json.loads(out)
    assert read["selection"] == {"configuration": "small"}
    assert read["appliance"]["configuration"] == "small"
    assert read["appliance"]["machines"][0]["memory"]["size"] == 512 << 20
    texts = package_folder(tmp_path / "b", envelope(system(NOTE + hardware()), after=BUNDLES))
    _, out, _ = kensho("inspect", texts, "--locale", "de-AT", "--json")
    assert json.loads(out)["appliance"]["machines"][0]["annotation"] == "Deutsch"


def test_a_choice_that_is_not_there_is_a_usage_error(kensho: Kensho, tmp_path: Path) -> None:
    path = package_folder(tmp_path, configured())
    code, _, err = kensho("inspect", path, "--configuration", "huge")
    assert (code, "small, large" in err) == (2, True)


def test_a_server(kensho: Kensho) -> None:
    with serving({"/a.ovf": configured().encode()}) as web:
        code, out, _ = kensho("inspect", f"{web.url}/a.ovf")
        assert (code, "web01" in out, "KF-201" in out) == (0, True, True)


def test_a_pipe() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kensho", "inspect", "-", "--json"],
        input=configured().encode(),
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["appliance"]["machines"][0]["id"] == "web01"
    refused = subprocess.run(
        [sys.executable, "-m", "kensho", "convert", "-", "--to", "kvm"],
        input=configured().encode(),
        capture_output=True,
    )
    assert (refused.returncode, b"without its disks" in refused.stderr) == (12, True)


def test_what_has_one_state_offers_no_choice(kensho: Kensho, tmp_path: Path) -> None:
    """Asked for a snapshot, the current state is not given instead."""
    domain = tmp_path / "web.xml"
    domain.write_text("<domain type='kvm'><name>web</name><memory>1</memory></domain>")
    image = tmp_path / "web.img"
    image.write_bytes(bytes(1 << 20))
    for source in (domain, image, "local:"):
        assert kensho("inspect", source)[0] == 0
        code, _, err = kensho("inspect", source, "--configuration", "before-update")
        assert (code, "before-update" in err) == (2, True)
