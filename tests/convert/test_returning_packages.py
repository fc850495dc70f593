"""Notes of packages: in every dialect of OVF, with products, with several machines."""

from __future__ import annotations

import tarfile
from pathlib import Path

import msgspec
import pytest
from lxml import etree

from kensho.appliances.ovf.write import render_descriptor
from kensho.appliances.ovf.write_dialects import PORTABLE, VIRTUALBOX, VMWARE
from kensho.convert.deployment.settle import Deployment
from kensho.model.appliance import Provenance
from kensho.model.machine import ControllerModel, NicModel
from kensho.model.units import MIB
from kensho.packages.validate.engine import validate
from kensho.packages.validate.judge import judge
from kensho.packages.validate.profiles.table import PROFILES
from kensho.packages.validate.subject import read_subject
from tests.appliances.written import EULA, PRODUCT, appliance_for, placed, two_machines
from tests.convert.test_returning import VMX, codes, devices, disk, go, only, read

SCHEMA = Path(__file__).parents[3] / "shared/xsd/ovf1/dsp8023_1.1.1.xsd"
ACCEPT = Deployment(accept_eulas=True)


def _packed(folder: Path, descriptor: bytes, disks: tuple[str, ...]) -> Path:
    """Put a descriptor and small disks of those names beside each other."""
    folder.mkdir()
    (folder / "web.ovf").write_bytes(descriptor)
    for name in disks:
        disk(folder / name, MIB)
    return folder / "web.ovf"


@pytest.mark.parametrize("dialect", [PORTABLE, VMWARE, VIRTUALBOX], ids=lambda d: d.name)
def test_dmtfs_schema_takes_the_note(dialect: object) -> None:
    if not SCHEMA.exists():
        pytest.skip("needs the DMTF schemas")
    source = appliance_for(ControllerModel.AHCI, NicModel.E1000)
    origin = Provenance(kind="vmx", source=source, written=source)
    noted = msgspec.structs.replace(source, origin=origin)
    plain, data = (
        etree.fromstring(render_descriptor(a, placed(a), dialect))  # type: ignore[arg-type]
        for a in (source, noted)
    )
    schema = etree.XMLSchema(etree.parse(SCHEMA))
    assert data.find(".//{urn:kensho:origin:1}Origin") is not None

    def faults(root: etree._Element) -> list[str]:
        schema.validate(root)
        return [e.message for e in schema.error_log]  # type: ignore[attr-defined]

    assert faults(data) == faults(plain)


def test_products_and_licences_come_home_without_passwords(tmp_path: Path) -> None:
    start = appliance_for(ControllerModel.AHCI, NicModel.E1000, name="web")
    secret = msgspec.structs.replace(PRODUCT.properties[2], value="s3cret-by-vendor")
    properties = (*PRODUCT.properties[:2], secret, *PRODUCT.properties[3:])
    product = msgspec.structs.replace(PRODUCT, properties=properties)
    machine = msgspec.structs.replace(start.machines[0], products=(product,))
    start = msgspec.structs.replace(start, machines=(machine,))
    disks = placed(start)
    source = _packed(
        tmp_path / "a",
        render_descriptor(start, disks, VMWARE),
        tuple(d.filename for d in disks.values()),
    )
    go(source, "kvm", tmp_path / "b", deployment=ACCEPT)
    for path in (tmp_path / "b").glob("*.kensho.json"):
        assert "s3cret" not in path.read_text()
    plan = go(tmp_path / "b" / "web.xml", "vmware", tmp_path / "c")
    assert "KF-450" in codes(plan)
    home, first = only(tmp_path / "c" / "web.ova"), only(source)
    without = tuple(msgspec.structs.replace(p, value="") if p.password else p for p in properties)
    (found,) = home.products
    assert {p.key: p for p in found.properties} == {p.key: p for p in without}
    assert [e.text.split() for e in home.eulas] == [EULA.text.split()]
    assert home.transports == first.transports
    assert devices(home) == devices(first)


def test_several_machines_come_home(tmp_path: Path) -> None:
    start = two_machines(ControllerModel.LSISAS, NicModel.E1000E)
    disks = placed(start)
    source = _packed(
        tmp_path / "a",
        render_descriptor(start, disks, VMWARE),
        tuple(d.filename for d in disks.values()),
    )
    go(source, "virtualbox", tmp_path / "b", deployment=ACCEPT)
    (middle,) = (tmp_path / "b").glob("*.ova")
    plan = go(middle, "vmware", tmp_path / "c", deployment=ACCEPT)
    (back,) = (tmp_path / "c").glob("*.ova")
    assert "KF-450" in codes(plan)
    before, after = read(source), read(back)
    assert [devices(m) for m in after.machines] == [devices(m) for m in before.machines]
    assert [s.start_delay for s in after.start_order] == [s.start_delay for s in before.start_order]


def test_a_note_in_an_ova_is_in_its_descriptor_and_no_importer_is_warned(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "web.vmx").write_text(VMX)
    disk(folder / "a.vmdk")
    disk(folder / "b.vmdk")
    for target in ("ova", "vmware", "virtualbox"):
        reports = []
        for note in (True, False):
            out = tmp_path / f"{target}-{note}"
            go(folder / "web.vmx", target, out, origin=note)
            assert not list(out.glob("*.kensho.json"))
            with tarfile.open(out / "Web-Server-01.ova") as archive:
                assert [m.name for m in archive][:2] == ["Web-Server-01.ovf", "Web-Server-01.mf"]
            reports.append(_judged(out / "Web-Server-01.ova"))
        assert reports[0] == reports[1]


def _judged(path: Path) -> object:
    with tarfile.open(path) as archive:
        descriptor = archive.extractfile("Web-Server-01.ovf")
        assert descriptor is not None
        subject = read_subject(descriptor.read(), "web.ovf")
    judged = [judge(subject, profile) for profile in PROFILES.values()]
    verdicts = [(v.target, v.verdict, [(r.code, r.message) for r in v.reasons]) for v in judged]
    return [(v.code, v.severity, v.message) for v in validate(subject)], verdicts
