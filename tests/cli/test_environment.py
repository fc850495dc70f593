"""``kensho environment`` and ``kensho eula``, and the options of convert that go with them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.cli.conftest import Kensho
from tests.convert.deployment.deployable import EULA, SECRET, package

GOOD = ("--property", "hostname=web", "--property", "com.example.port.1=443")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return package(tmp_path, eula=EULA)


def test_the_environment_goes_to_standard_output(kensho: Kensho, source: Path) -> None:
    code, out, _ = kensho("environment", source, *GOOD)
    assert code == 0
    assert etree.fromstring(out.encode()).tag.endswith("Environment")


def test_what_is_missing_is_listed(kensho: Kensho, source: Path) -> None:
    code, out, err = kensho("environment", source, "--property", "port=x")
    assert code == 2
    assert not out
    assert "com.example.hostname.1: needs a value" in err
    assert 'port: "x" is not' in err


@pytest.mark.parametrize("format_", ["xml", "iso", "guestinfo", "nocloud", "ignition"])
def test_every_format_is_written_for_its_owner_alone(
    kensho: Kensho, source: Path, tmp_path: Path, format_: str
) -> None:
    target = tmp_path / "out" / f"e.{'iso' if format_ in {'iso', 'nocloud'} else 'txt'}"
    secret = tmp_path / "pw"
    secret.write_text(SECRET + "\n")
    line = ("environment", source, *GOOD, "--property", f"root_password=@file:{secret}")
    line = (*line, "--format", format_, "-o", target)
    code, out, err = kensho(*line, "--json")
    assert code == 0, err
    assert json.loads(out)["files"] == [{"name": str(target), "bytes": target.stat().st_size}]
    assert SECRET.encode() in target.read_bytes()
    assert SECRET not in out + err
    assert target.stat().st_mode & 0o077 == 0
    assert kensho(*line)[0] == 2  # there already
    assert kensho(*line, "--overwrite")[0] == 0
    assert kensho(*line, "--dry-run")[0] == 0
    assert [p.name for p in target.parent.iterdir()] == [target.name]


def test_a_seed_can_be_a_folder(kensho: Kensho, source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "seed"
    line = ("environment", source, *GOOD, "--property", "ip0=10.0.0.5", "--format", "nocloud")
    code, _, err = kensho(*line, "-o", folder)
    assert code == 0
    assert "no netmask for 10.0.0.5" in err
    assert {p.name for p in folder.iterdir()} == {"meta-data", "user-data"}


def test_an_image_is_not_thrown_at_a_terminal(kensho: Kensho, source: Path) -> None:
    assert kensho("environment", source, *GOOD, "--format", "iso")[0] == 2
    assert kensho("environment", source, *GOOD, "--json")[0] == 2


def test_one_machine_of_several_has_to_be_named(kensho: Kensho, tmp_path: Path) -> None:
    source = package(tmp_path, siblings=1)
    code, _, err = kensho("environment", source, *GOOD)
    assert code == 2
    assert "web, db0" in err
    code, out, _ = kensho("environment", source, "--machine", "db0")
    assert code == 0
    assert 'oe:id="db0"' in out


def test_the_licence_is_shown(kensho: Kensho, as_json: Any, source: Path) -> None:
    code, out, _ = kensho("eula", source)
    assert code == 0
    assert "Be good, be très good." in out
    licence = as_json("eula", source)["licences"][0]
    assert licence["text"] == "Be good, be très good."
    done = subprocess.run(["sha256sum"], input=licence["text"].encode(), capture_output=True)
    assert done.stdout.decode().split()[0] == licence["sha256"]


def test_convert_stops_at_a_licence(kensho: Kensho, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    line = ("convert", source, "--to", "kvm", "-o", out)
    code, _, err = kensho(*line)
    assert code == 16
    assert "KE-410" in err
    assert "--accept-eula" in err
    assert not out.exists()
    assert kensho(*line, "--dry-run")[0] == 16
    code, text, _ = kensho(*line, "--dry-run", "--json")
    assert code == 16
    assert json.loads(text)["kensho_plan"] == 1
    assert kensho(*line, "--accept-eula")[0] == 0
    assert (out / "web.eula-accepted.json").exists()


def test_a_kept_plan_takes_passwords_and_acceptance_and_nothing_else(
    kensho: Kensho, source: Path, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.json"
    password = ("--property", f"root_password={SECRET}")
    assert kensho("plan", source, "--to", "kvm", *GOOD, *password, "-o", plan)[0] == 0
    assert SECRET not in plan.read_text()
    out = tmp_path / "out"
    assert kensho("convert", plan, "-o", out)[0] == 16
    code, _, err = kensho("convert", plan, "-o", out, "--accept-eula")
    assert code == 2
    assert "root_password: the plan does not keep this password" in err
    assert kensho("convert", plan, "-o", out, "--machine", "web", "--accept-eula")[0] == 2
    code, text, err = kensho("convert", plan, "-o", out, "--accept-eula", *password, "--events")
    assert code == 0, err
    assert SECRET not in text + err
    assert SECRET.encode() in (out / "web-ovf-env.iso").read_bytes()


def test_a_wrong_network_is_an_error(kensho: Kensho, source: Path) -> None:
    code, _, err = kensho("plan", source, "--to", "kvm", "--network", "VM Netwrok=br0")
    assert code == 2
    assert "did you mean 'VM Network'?" in err
    assert "'Storage'" in err


def test_a_wrong_configuration_is_an_error(kensho: Kensho, source: Path) -> None:
    assert kensho("plan", source, "--to", "kvm", "--configuration", "huge")[0] == 2


def test_inspect_lists_what_can_be_set_and_no_password(kensho: Kensho, source: Path) -> None:
    code, out, _ = kensho("inspect", source)
    assert code == 0
    assert "com.example.port.1" in out
    assert "(needed)" in out
    assert "(hidden)" in out
    assert "factory-default" not in out
    assert "com.example.build.1" not in out  # the vendor's own


def test_a_property_takes_one_word_wherever_it_stands(kensho: Kensho, source: Path) -> None:
    code, out, _ = kensho("environment", *GOOD, source)
    assert code == 0
    assert "web" in out
    code, out, _ = kensho("convert", "--help")
    assert "--empty-" not in out
