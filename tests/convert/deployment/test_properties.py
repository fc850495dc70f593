"""Properties set on an appliance: names, values, what is missing, what nobody may see."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from kensho.appliances import open_package
from kensho.convert.deployment.settings import Setting, read_setting
from kensho.convert.deployment.settle import Deployment
from kensho.convert.plan import Plan, Request, make_plan
from kensho.convert.run import run_plan
from kensho.model.errors import UsageError
from tests.convert.deployment.deployable import GOOD, SECRET, package


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENSHO_TEST_PW", SECRET)


def plan(source: Path, *settings: str, target: str = "kvm", machine: str | None = None) -> Plan:
    wanted = tuple(map(read_setting, settings))
    return make_plan(
        Request(str(source), target, machine=machine, deployment=Deployment(settings=wanted))
    )


def test_govmomi_288_properties_are_set_by_key_and_by_full_name(tmp_path: Path) -> None:
    made = plan(package(tmp_path), "hostname=web", "com.example.port.1=443")
    products = made.before.machines[0].products
    values = {p.key: p.value for product in products for p in product.properties}
    assert values["hostname"] == "web"
    assert values["port"] == "443"
    assert "KF-760" in {f.code for f in made.findings}


def test_govmomi_1659_all_that_is_missing_or_wrong_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        plan(package(tmp_path), "hostnme=web", "disksize=many", "ip0=10.0.0.300")
    said = error.value.message
    assert "hostnme: there is no such property, did you mean hostname?" in said
    assert 'disksize: "many" is not a whole number from 0 to 4294967295' in said
    assert 'ip0: "10.0.0.300" is not an IPv4 or IPv6 address' in said
    assert "com.example.hostname.1: needs a value" in said
    assert "com.example.port.1: needs a value" in said
    assert error.value.exit_code == 2
    assert "com.example.port.1" in error.value.hint


def test_a_file_of_nonsense_is_told_in_short(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        plan(package(tmp_path), *(f"nonsense{n}=x" for n in range(3000)))
    assert "more" in error.value.message
    assert len(error.value.message) < 10_000


def test_govmomi_1617_without_any_property_the_missing_ones_are_a_finding(tmp_path: Path) -> None:
    made = plan(package(tmp_path))
    finding = next(f for f in made.findings if f.code == "KF-761")
    assert "com.example.hostname.1, com.example.port.1" in finding.message


def test_a_property_the_vendor_keeps_for_himself_is_set_and_said(tmp_path: Path) -> None:
    made = plan(package(tmp_path), *GOOD, "build=8")
    assert next(f for f in made.findings if f.code == "KF-762").message.endswith(
        "com.example.build.1"
    )


def test_one_key_in_several_machines_needs_the_machine(tmp_path: Path) -> None:
    source = package(tmp_path, siblings=2)
    with pytest.raises(UsageError, match="port: there are several; say db0:port or db1:port"):
        plan(source, "com.example.port.1=1", "hostname=a", "port=2", machine="web")
    made = plan(source, "web:port=1", "hostname=a", "db0:port=2", "site=here", machine="web")
    assert made.before.machines[0].products[0].properties[1].value == "1"
    assert made.before.products[0].properties[0].value == "here"


@pytest.mark.parametrize("given", ["root_password=" + SECRET, "root_password=@env:KENSHO_TEST_PW"])
@pytest.mark.parametrize("target", ["kvm", "vmware", "ova", "virtualbox"])
def test_no_password_in_plan_report_or_findings(tmp_path: Path, given: str, target: str) -> None:
    source = package(tmp_path)
    settings = tuple(map(read_setting, ("hostname=web", "port=1", given)))
    request = Request(str(source), target, deployment=Deployment(settings=settings))
    made = make_plan(request)
    assert SECRET.encode() not in msgspec.json.encode(made)
    assert b"factory-default" not in msgspec.json.encode(made)
    out = tmp_path / "out"
    result = run_plan(made, out, settings=settings)
    assert SECRET.encode() not in msgspec.json.encode(result)
    for file in out.iterdir():
        may = file.suffix == ".iso"
        assert may or SECRET.encode() not in file.read_bytes(), file.name
        if SECRET.encode() in file.read_bytes():
            assert file.stat().st_mode & 0o077 == 0


def test_a_password_in_an_error_is_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        plan(package(tmp_path), "root_password=hunter2")
    assert "hunter2" not in str(error.value)


def test_what_came_by_reference_is_a_secret_whatever_the_vendor_says(tmp_path: Path) -> None:
    made = plan(package(tmp_path), "hostname=@env:KENSHO_TEST_PW", "port=1")
    assert SECRET.encode() not in msgspec.json.encode(made)
    assert b"@env:KENSHO_TEST_PW" in msgspec.json.encode(made)


def test_a_kept_plan_asks_for_the_password_it_does_not_hold(tmp_path: Path) -> None:
    made = plan(package(tmp_path), "hostname=web", "port=1", "root_password=" + SECRET)
    assert "KF-769" in {f.code for f in made.findings}
    with pytest.raises(UsageError, match="root_password: the plan does not keep this password"):
        run_plan(made, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    run_plan(made, tmp_path / "out", settings=(Setting("root_password", SECRET),))
    assert SECRET.encode() in (tmp_path / "out/web-ovf-env.iso").read_bytes()


def test_values_go_into_an_ovf_result_and_passwords_do_not(tmp_path: Path) -> None:
    settings = tuple(map(read_setting, GOOD))
    request = Request(str(package(tmp_path)), "ova", deployment=Deployment(settings=settings))
    made = make_plan(request)
    assert {"KF-766", "KF-774"} <= {f.code for f in made.findings}
    run_plan(made, tmp_path / "out")
    opened = open_package(tmp_path / "out/web.ova")
    with_values = {
        p.key: p.value for q in opened.appliance.machines[0].products for p in q.properties
    }
    opened.close()
    assert with_values["hostname"] == "web"
    assert with_values["port"] == "443"
    assert with_values["root_password"] == "factory-default"  # as the package came


def test_both_kinds_of_qualifiers_are_read(tmp_path: Path) -> None:
    source = package(
        tmp_path,
        products='<ProductSection><Info/><Property ovf:key="ip" ovf:type="string"'
        ' ovf:qualifiers="MinLen(3)" vmw:qualifiers="Ip" ovf:userConfigurable="true"/>'
        "</ProductSection>",
    )
    with pytest.raises(UsageError, match="is not an IPv4 or IPv6 address"):
        plan(source, "ip=nonsense")
    with pytest.raises(UsageError, match="needs a value"):
        plan(source, "ip=")
