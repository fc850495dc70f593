"""The demo's own decisions, with stand-ins for kensho and for the boot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import run
from results import Outcome, Target

RESULT = {
    "files": [{"name": "a.xml", "bytes": 1}],
    "disks": [],
    "findings": [],
    "seconds": 0.1,
    "check": "ok",
    "report": "a.html",
    "plan": {"before": {}},
}


@pytest.fixture
def kensho(tmp_path, monkeypatch):
    """A program in kensho's place that keeps its arguments and prints what it is told."""
    program = tmp_path / "kensho"
    monkeypatch.setattr(run, "KENSHO", program)
    monkeypatch.setattr(run, "OUT", tmp_path / "out")

    def prints(text: str, code: int = 0) -> Path:
        (tmp_path / "text").write_text(text)
        program.write_text(
            f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\ncat {tmp_path}/text\nexit {code}\n'
        )
        program.chmod(0o755)
        return tmp_path / "arguments"

    return prints


def test_the_command_line(kensho, tmp_path):
    arguments = kensho(json.dumps(RESULT))
    outcome = run._convert(Path("a.ova"), Target("vmware", "vmx"), tmp_path, "--name", "n")
    assert arguments.read_text().strip() == (
        f"convert a.ova --to vmware -o {tmp_path} --form vmx --name n --json --overwrite"
    )
    assert outcome.result == RESULT
    assert not outcome.ok  # its file is not there


def test_a_failed_conversion(kensho, tmp_path):
    kensho("KE-104: no such variant", code=12)
    outcome = run._convert(Path("a.ova"), Target("kvm"), tmp_path)
    assert not outcome.ok
    assert outcome.error == "KE-104: no such variant"


def test_only_a_result_of_this_run_is_booted(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "OUT", tmp_path)
    (tmp_path / "kvm").mkdir()
    (tmp_path / "kvm" / "old.xml").write_text("<domain/>")
    boot = run._boot([Outcome("a.ova", Target("kvm"), error="no")], must_login=False)
    assert boot.result is None
    assert "no domain XML" in boot.error


def test_a_domain_that_cannot_be_booted(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "OUT", tmp_path)
    made = Outcome("a.ova", Target("kvm"), result=RESULT)
    assert not run._boot([made], must_login=True).ok
    assert run._boot([made], must_login=False).ok
