"""kensho validate and kensho fix."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kensho.cli.app import VERBS
from tests.cli.conftest import Kensho
from tests.packages.validate.samples import SIZE, changed, package


def test_a_good_package(kensho: Kensho, tmp_path: Path) -> None:
    code, out, err = kensho("validate", package(tmp_path), "--mode", "strict")
    assert (code, err) == (0, "")
    assert "0 errors, 0 warnings, 0 notes" in out


def test_errors_are_exit_1_and_have_lines(kensho: Kensho, tmp_path: Path) -> None:
    path = package(tmp_path, changed((">lan<", ">wan<")), manifest=None)
    code, out, _ = kensho("validate", path)
    assert code == 1
    assert re.search(r"KF-640 +error +test\.ovf:\d+", out)
    assert kensho("validate", path, "--mode", "lax")[0] == 0


def test_warnings_are_exit_3_in_strict_mode_only(kensho: Kensho, tmp_path: Path) -> None:
    path = package(tmp_path, changed((' ovf:size="@SIZE@"', "")), manifest=None)
    assert kensho("validate", path, "--mode", "strict")[0] == 3
    assert kensho("validate", path)[0] == 0


def test_a_refusal_is_exit_10(kensho: Kensho, tmp_path: Path) -> None:
    path = package(tmp_path, changed(("vmx-13", "virtualbox-2.2")))
    code, out, _ = kensho("validate", path, "--for", "esxi-7,virtualbox-7")
    assert code == 10
    assert "VMware ESXi and vCenter 7.0: refuse" in out
    assert "Oracle VirtualBox 7: accept with loss" in out
    assert "not run" in out


def test_json(kensho: Kensho, tmp_path: Path) -> None:
    path = package(tmp_path, changed((">lan<", ">wan<")), manifest=None)
    code, out, _ = kensho("validate", path, "--for", "xo", "--json")
    result = json.loads(out)
    assert code == 1
    (violation,) = [v for v in result["violations"] if v["code"] == "KF-640"]
    assert violation["line"] > 1
    assert violation["mendable"] is True
    assert result["verdicts"][0]["target"] == "xcp-ng"


def test_the_descriptor_alone(kensho: Kensho, tmp_path: Path) -> None:
    path = package(tmp_path, files={}, manifest=None)
    assert kensho("validate", path)[0] == 1
    assert kensho("validate", path, "--descriptor")[0] == 0


def test_a_descriptor_from_a_pipe(tmp_path: Path) -> None:
    path = package(tmp_path, changed((">lan<", ">wan<")), ova=True)
    run = subprocess.run(
        [sys.executable, "-m", "kensho", "validate", "-", "--json"],
        input=path.read_bytes(),
        capture_output=True,
        check=False,
    )
    assert run.returncode == 1
    assert {v["code"] for v in json.loads(run.stdout)["violations"]} == {"KF-640"}


def test_rules_are_listed(kensho: Kensho) -> None:
    rules = json.loads(kensho("validate", "--rules", "--json")[1])
    assert {"code", "grade", "clause", "fix", "mendable"} <= set(rules[0])
    assert "KF-640" in kensho("validate", "--rules")[1]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<a/>",
        b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><Envelope>&b;</Envelope>",
        b"\x00" * 9,
    ],
)
def test_what_is_no_package(kensho: Kensho, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.ovf"
    path.write_bytes(content)
    for more in ((), ("--descriptor",)):
        code, _, err = kensho("validate", path, *more)
        assert code in {1, 12}
        assert err.startswith("kensho: KE-")


def test_fix(kensho: Kensho, tmp_path: Path) -> None:
    path = package(tmp_path / "in", changed(("vmx-13", "virtualbox-2.2")))
    out = tmp_path / "out.ova"
    code, text, _ = kensho("fix", path, "--for", "esxi-7", "-o", out, "--diff")
    assert code == 0
    assert "virtualbox-2.2 became vmx-17" in text
    assert "+        <vssd:VirtualSystemType>vmx-17</vssd:VirtualSystemType>" in text
    assert kensho("validate", out, "--for", "esxi-7")[0] == 0
    assert kensho("verify", out)[0] == 0
    assert kensho("fix", path, "-o", out)[0] == 2  # it is there already
    assert kensho("fix", path, "-o", out, "--overwrite")[0] == 0


def test_fix_says_what_is_left(kensho: Kensho, tmp_path: Path) -> None:
    path = package(tmp_path / "in", changed(("Quantity>1024<", "Quantity>much<")))
    code, text, _ = kensho("fix", path, "-o", tmp_path / "out.ova")
    assert code == 1
    assert "KF-651" in text.partition("left:")[2]


def test_no_mend_is_promised_that_fix_does_not_make(kensho: Kensho, tmp_path: Path) -> None:
    in_mib = f'ovf:capacity="{SIZE >> 20}" ovf:capacityAllocationUnits="byte * 2^20"'
    path = package(tmp_path / "in", changed((f'ovf:capacity="{SIZE}"', in_mib)))
    _, before, _ = kensho("validate", path, "--for", "virtualbox-7")
    _, after, _ = kensho("fix", path, "--for", "virtualbox-7", "--dry-run")
    for text in (before, after):
        assert "byte * 2^20" in text
        assert "kensho fix" not in text


def test_fix_dry_run_writes_nothing(kensho: Kensho, tmp_path: Path) -> None:
    path = package(tmp_path / "in", changed(("vmx-13", "virtualbox-2.2")))
    before = sorted(p.name for p in tmp_path.rglob("*"))
    out = tmp_path / "out.ova"
    code, text, _ = kensho("fix", path, "--for", "esxi-7", "-o", out, "--dry-run", "--json")
    result = json.loads(text)
    assert code == 0
    assert [c["code"] for c in result["changes"]] == ["KF-696"]
    assert "vmx-17" in result["diff"]
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


def test_fix_without_a_place_for_the_result(kensho: Kensho, tmp_path: Path) -> None:
    assert kensho("fix", package(tmp_path))[0] == 2


def test_fix_writes_no_package_with_a_file_outside(kensho: Kensho, tmp_path: Path) -> None:
    (tmp_path / "disk1.vmdk").write_bytes(b"x")
    path = package(tmp_path / "in", changed(('"disk1.vmdk"', '"../disk1.vmdk"')), manifest=None)
    assert kensho("fix", path, "-o", tmp_path / "out")[0] == 1
    assert not (tmp_path / "out").exists()


def test_fix_writes_no_package_without_its_files(kensho: Kensho, tmp_path: Path) -> None:
    path = package(tmp_path / "in", files={}, manifest=None)
    code, _, err = kensho("fix", path, "-o", tmp_path / "out.ova")
    assert code == 1
    assert "'disk1.vmdk' is missing" in err
    assert not (tmp_path / "out.ova").exists()
    assert kensho("fix", path, "--dry-run")[0] == 0
    assert kensho("fix", "-", "-o", tmp_path / "out.ova")[0] == 2


def test_the_verbs_are_there() -> None:
    assert {"validate", "fix"} <= set(VERBS)
