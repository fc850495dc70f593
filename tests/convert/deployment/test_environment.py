"""The environment on platforms that never heard of OVF: what is attached, and what is said."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from lxml import etree

from kensho.appliances import open_package
from kensho.appliances.ovfenv.xml import NAMESPACE
from kensho.appliances.vmx.parse import read_dictionary
from kensho.convert.deployment.attach import Way
from kensho.convert.deployment.settings import read_setting
from kensho.convert.deployment.settle import Deployment
from kensho.convert.plan import Plan, Request, make_plan, read_plan, write_plan
from kensho.convert.run import run_plan
from kensho.model.errors import UnsafePathError
from kensho.model.selection import Selection
from tests.convert.deployment.deployable import CD, GOOD, OPTIONS, SECRET, package

OE = f"{{{NAMESPACE}}}"


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENSHO_TEST_PW", SECRET)


def planned(
    source: Path,
    target: str,
    *,
    form: str | None = None,
    settings: tuple[str, ...] = GOOD,
    machine: str | None = None,
    networks: tuple[tuple[str, str], ...] = (),
    configuration: str | None = None,
) -> Plan:
    deployment = Deployment(settings=tuple(map(read_setting, settings)), networks=networks)
    return make_plan(
        Request(
            str(source),
            target,
            form=form,
            machine=machine,
            selection=Selection(configuration=configuration),
            deployment=deployment,
        )
    )


def on_image(path: Path) -> dict[str | None, str | None]:
    """Return the properties that a guest finds on a CD-ROM."""
    line = ["isoinfo", "-R", "-i", str(path), "-x", "/ovf-env.xml"]
    root = etree.fromstring(subprocess.run(line, check=True, capture_output=True).stdout)
    return _properties(root)


def _properties(root: etree._Element) -> dict[str | None, str | None]:
    found = root.iterfind(f"{OE}PropertySection/{OE}Property")
    return {p.get(f"{OE}key"): p.get(f"{OE}value") for p in found}


needs_isoinfo = pytest.mark.skipif(shutil.which("isoinfo") is None, reason="isoinfo not installed")


@needs_isoinfo
@pytest.mark.parametrize("items", ["", CD], ids=["no drive", "a drive"])
@pytest.mark.parametrize(
    ("target", "document", "says"),
    [
        ("kvm", "web.xml", '<source file="/var/lib/libvirt/images/web-ovf-env.iso"/>'),
        ("proxmox", "web-import.sh", '"$HERE/"web-ovf-env.iso,media=cdrom'),
        ("hyperv", "web-import.ps1", "-Path (Join-Path $PSScriptRoot 'web-ovf-env.iso')"),
    ],
)
def test_ansible_50299_properties_reach_the_guest_on_a_cd_rom(
    tmp_path: Path, target: str, document: str, says: str, items: str
) -> None:
    made = planned(package(tmp_path, items=items), target)
    assert [step.way for step in made.environments] == [Way.CD]
    assert "KF-763" in {f.code for f in made.findings}
    assert "KF-366" not in {f.code for f in made.findings}
    assert [row.kind for row in made.devices].count("cdrom") == 1
    run_plan(made, tmp_path / "out")
    text = (tmp_path / "out" / document).read_text(encoding="utf-8-sig")
    assert says in text
    checker = {"kvm": "virt-xml-validate", "proxmox": "bash -n"}.get(target, "").split()
    if checker and shutil.which(checker[0]):
        subprocess.run([*checker, tmp_path / "out" / document], check=True, capture_output=True)
    found = on_image(tmp_path / "out/web-ovf-env.iso")
    assert found["com.example.hostname.1"] == "web"
    assert found["com.example.root_password.1"] == SECRET
    assert found["disksize"] == "64"


@pytest.mark.parametrize(
    ("transport", "way"),
    [
        ("com.vmware.guestInfo", Way.GUESTINFO),
        ("iso com.vmware.guestInfo", Way.GUESTINFO),
        ("iso", Way.CD),
        ("", Way.GUESTINFO),
    ],
)
def test_terraform_provider_esxi_57_a_bare_esxi_gets_guestinfo_or_a_cd_rom(
    tmp_path: Path, transport: str, way: Way
) -> None:
    made = planned(package(tmp_path, transport=transport), "vmware", form="vmx")
    assert [step.way for step in made.environments] == [way]
    run_plan(made, tmp_path / "out")
    path = tmp_path / "out/web.vmx"
    values = read_dictionary(path.read_bytes(), path="x")[0].values
    if way is Way.GUESTINFO:
        root = etree.fromstring(values["guestinfo.ovfenv"].encode())
        assert _properties(root)["com.example.root_password.1"] == SECRET
        assert path.stat().st_mode & 0o077 == 0
        assert not (tmp_path / "out/web-ovf-env.iso").exists()
    else:
        assert "guestinfo.ovfenv" not in values
        opened = open_package(path)
        files = [f.href for f in opened.appliance.files]
        opened.close()
        assert "web-ovf-env.iso" in files


@needs_isoinfo
@pytest.mark.parametrize("target", ["virtualbox", "xenserver"])
def test_terraform_provider_esxi_156_where_nothing_can_be_attached_the_user_is_told_how(
    tmp_path: Path, target: str
) -> None:
    made = planned(package(tmp_path), target)
    finding = next(f for f in made.findings if f.code == "KF-765")
    assert "web-ovf-env.iso" in finding.action
    run_plan(made, tmp_path / "out")
    assert on_image(tmp_path / "out/web-ovf-env.iso")["com.example.hostname.1"] == "web"


@pytest.mark.parametrize(("target", "form"), [("ova", None), ("vmware", "ova")])
def test_targets_that_know_ovf_get_no_image(tmp_path: Path, target: str, form: str | None) -> None:
    made = planned(package(tmp_path), target, form=form)
    assert made.environments == ()
    run_plan(made, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.iso"))


def test_files_that_should_lie_beside_the_environment_are_missed_aloud(tmp_path: Path) -> None:
    section = '<EnvironmentFilesSection ovf:required="false"><Info/></EnvironmentFilesSection>'
    made = planned(package(tmp_path, eula=section), "kvm")
    assert "KF-776" in {f.code for f in made.findings}


def test_a_package_that_looks_for_nothing_gets_nothing_unless_asked(tmp_path: Path) -> None:
    source = package(tmp_path, transport="")
    assert planned(source, "kvm", settings=()).environments == ()
    made = planned(source, "kvm")
    assert [step.stated for step in made.environments] == [False]
    assert "KF-775" in {f.code for f in made.findings}


@needs_isoinfo
def test_defaults_reach_a_guest_that_looks_for_them(tmp_path: Path) -> None:
    made = planned(package(tmp_path), "kvm", settings=())
    run_plan(made, tmp_path / "out")
    found = on_image(tmp_path / "out/web-ovf-env.iso")
    assert found["com.example.root_password.1"] == "factory-default"
    assert found["com.example.hostname.1"] == ""


@needs_isoinfo
def test_one_machine_of_a_collection_knows_its_siblings(tmp_path: Path) -> None:
    source = package(tmp_path, siblings=2)
    settings = ("web:hostname=a", "web:port=1", "db0:port=99", "site=here")
    made = planned(source, "kvm", settings=settings, machine="web")
    run_plan(made, tmp_path / "out")
    line = ["isoinfo", "-R", "-i", str(tmp_path / "out/web-ovf-env.iso"), "-x", "/ovf-env.xml"]
    root = etree.fromstring(subprocess.run(line, check=True, capture_output=True).stdout)
    assert root.get(f"{OE}id") == "web"
    assert _properties(root)["site"] == "here"
    entities = {e.get(f"{OE}id"): _properties(e) for e in root.iterfind(f"{OE}Entity")}
    assert entities["db0"]["port"] == "99"
    assert entities["db1"]["port"] == "5432"


def test_terraform_provider_vsphere_1987_a_disk_is_as_large_as_the_property_says(
    tmp_path: Path,
) -> None:
    source = package(tmp_path)
    assert planned(source, "kvm").disks[0].virtual_size == 64 << 20
    assert planned(source, "kvm", settings=(*GOOD, "disksize=100")).disks[0].virtual_size == (
        100 << 20
    )


def test_terraform_provider_vsphere_1708_the_result_has_that_size_too(tmp_path: Path) -> None:
    made = planned(package(tmp_path), "kvm", settings=(*GOOD, "disksize=100"))
    result = run_plan(made, tmp_path / "out")
    assert result.disks[0].virtual_size == 100 << 20
    path = tmp_path / "out" / result.disks[0].filename
    assert int.from_bytes(path.read_bytes()[24:32], "big") == 100 << 20  # QCOW2's header


def test_terraform_provider_vsphere_1305_the_deployment_option_counts(tmp_path: Path) -> None:
    source = package(tmp_path, options=OPTIONS)
    assert planned(source, "kvm").after.machines[0].cpu.count == 1
    large = planned(source, "kvm", configuration="large")
    assert large.after.machines[0].cpu.count == 4


@pytest.mark.parametrize(
    ("target", "name", "document", "says"),
    [
        ("kvm", "prod", "web.xml", '<source network="prod"/>'),
        ("kvm", "bridge:br7", "web.xml", '<source bridge="br7"/>'),
        ("proxmox", "vmbr7", "web-import.sh", "bridge='vmbr7"),
        ("proxmox", "vmbr7", "web.conf", "bridge=vmbr7"),
        ("hyperv", "Prod LAN", "web-import.ps1", "-SwitchName 'Prod LAN'"),
    ],
)
def test_adapters_are_plugged_into_the_network_that_was_named(
    tmp_path: Path, target: str, name: str, document: str, says: str
) -> None:
    made = planned(package(tmp_path), target, networks=(("VM Network", name),))
    assert "KF-773" in {f.code for f in made.findings}
    run_plan(made, tmp_path / "out")
    text = (tmp_path / "out" / document).read_text(encoding="utf-8-sig")
    assert says.replace("'vmbr7", "vmbr7") in text.replace("bridge='", "bridge=")
    if target == "kvm" and shutil.which("virt-xml-validate"):
        line = ["virt-xml-validate", str(tmp_path / "out" / document)]
        subprocess.run(line, check=True, capture_output=True)


def test_a_plan_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_plan(planned(package(tmp_path), "kvm"), path)
    assert read_plan(path).environments
    path.write_bytes(path.read_bytes().replace(b"web-ovf-env.iso", b"../ovf-env.iso"))
    with pytest.raises(UnsafePathError):
        read_plan(path)
