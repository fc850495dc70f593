"""Licence agreements: accepted on the record, or nothing is deployed."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from kensho.convert.deployed import with_acceptance
from kensho.convert.deployment.settle import Deployment
from kensho.convert.plan import Plan, Request, make_plan
from kensho.convert.run import run_plan
from kensho.model.errors import EulaNotAcceptedError
from tests.convert.deployment.deployable import EULA, package

TEXT = "Be good, be très good."


def plan(source: Path, target: str = "kvm", *, accept: bool = False) -> Plan:
    return make_plan(Request(str(source), target, deployment=Deployment(accept_eulas=accept)))


def test_nothing_is_written_before_the_licence_is_accepted(tmp_path: Path) -> None:
    made = plan(package(tmp_path, eula=EULA))
    assert "KF-770" in {f.code for f in made.findings}
    with pytest.raises(EulaNotAcceptedError) as error:
        run_plan(made, tmp_path / "out")
    assert error.value.exit_code == 16
    assert not (tmp_path / "out").exists()


def test_the_record_says_who_when_and_of_what(tmp_path: Path) -> None:
    source = package(tmp_path, eula=EULA)
    made = with_acceptance(plan(source), accepted=True)
    result = run_plan(made, tmp_path / "out")
    record = json.loads((tmp_path / "out/web.eula-accepted.json").read_bytes())
    assert re.fullmatch(r"\S+@\S+|uid \d+@\S+", record["accepted_by"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", record["at"])
    assert record["package_sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert record["licences"] == [
        {
            "info": "Terms",
            "sha256": hashlib.sha256(TEXT.encode()).hexdigest(),
            "characters": len(TEXT),
        }
    ]
    assert result.eula is not None
    assert result.eula.licences[0].sha256 == record["licences"][0]["sha256"]
    assert (tmp_path / "out/web.eula.txt").read_bytes() == TEXT.encode()
    assert record["licences"][0]["sha256"] in Path(result.report).read_text()


def test_of_an_ova_the_record_has_the_digest_of_its_descriptor(tmp_path: Path) -> None:
    run_plan(plan(package(tmp_path, eula=EULA), "ova"), tmp_path / "ova")
    archive = next((tmp_path / "ova").glob("*.ova"))
    run_plan(plan(archive, accept=True), tmp_path / "out")
    record = json.loads(next((tmp_path / "out").glob("*.eula-accepted.json")).read_bytes())
    assert record["descriptor"].endswith(".ovf")
    import tarfile

    with tarfile.open(archive) as tar:
        member = tar.extractfile(record["descriptor"])
        assert member is not None
        assert hashlib.sha256(member.read()).hexdigest() == record["package_sha256"]


def test_a_result_that_carries_the_licence_leaves_it_to_others(tmp_path: Path) -> None:
    made = plan(package(tmp_path, eula=EULA), "ova")
    assert "KF-772" in {f.code for f in made.findings}
    run_plan(made, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.json.*eula*"))


def test_without_a_licence_there_is_nothing_to_accept(tmp_path: Path) -> None:
    run_plan(plan(package(tmp_path), accept=True), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*eula*"))
