"""Converted to Xen: what is in the folder, read back, and brought home."""

from __future__ import annotations

from pathlib import Path

import pytest

from kensho.appliances import open_package
from kensho.convert.plan import Request, make_plan
from kensho.convert.run import run_plan
from kensho.disks import open_disk
from kensho.disks.compare import compare
from kensho.storage import FileSource
from tests.images import MIB, ovf, raw_disk


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "src"
    folder.mkdir()
    for number, name in enumerate(("a.img", "b.img")):
        raw_disk(folder / name, seed=number, size=4 * MIB)
    (folder / "web01.ovf").write_text(ovf({"a.img": 4 * MIB, "b.img": 4 * MIB}))
    return folder / "web01.ovf"


@pytest.mark.parametrize("form", ["xl", "xl-qcow2", "libvirt"])
def test_a_folder_for_xen(source: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / "out"
    run_plan(make_plan(Request(source=str(source), target="xen", form=form)), out)
    name = "web01.xml" if form == "libvirt" else "web01.cfg"
    package = open_package(out / name)
    (machine,) = package.appliance.machines
    assert machine.name == "web01"
    assert len(machine.disks) == 2
    for disk, original in zip(machine.disks, ("a.img", "b.img"), strict=True):
        image = package.appliance.image(disk.image)
        assert image is not None
        assert image.file is not None
        with FileSource(source.parent / original) as before:
            after = package.open_file(image.file)
            assert compare(open_disk(before, format="raw"), open_disk(after)) is None
    package.close()


def test_home_again_from_kvm(source: Path, tmp_path: Path) -> None:
    text = """name = "web"
memory = 256
type = "pv"
bootloader = "pygrub"
on_crash = "preserve"
vcpus = 1
vif = [ 'mac=00:16:3e:00:00:01,bridge=xenbr7,rate=10Mb/s' ]
disk = [ 'a.img,raw,xvda,rw', 'b.img,raw,xvde,ro' ]
"""
    config = source.parent / "web.cfg"
    config.write_text(text)
    run_plan(make_plan(Request(source=str(config), target="kvm")), tmp_path / "kvm")
    plan = make_plan(Request(source=str(tmp_path / "kvm" / "web.xml"), target="xen"))
    run_plan(plan, tmp_path / "back")
    written = (tmp_path / "back" / "web.cfg").read_text()
    for line in (
        'type = "pv"',
        'bootloader = "pygrub"',
        'on_crash = "preserve"',
        'vif = [ "mac=00:16:3e:00:00:01,bridge=xenbr7,rate=10Mb/s" ]',
    ):
        assert line in written.splitlines()
    assert "vdev=xvda, access=rw" in written
    assert "vdev=xvde, access=ro" in written
    assert "bios" not in written


@pytest.mark.parametrize(("kind", "machine"), [("linux", "xenpv"), ("xenpvh", "xenpvh")])
def test_a_paravirtualized_domain_of_libvirt_stays_one(
    source: Path, tmp_path: Path, kind: str, machine: str
) -> None:
    domain = source.parent / "guest.xml"
    domain.write_text(
        f"""<domain type='xen'><name>guest</name><memory unit='MiB'>256</memory><vcpu>1</vcpu>
        <bootloader>/usr/bin/pygrub</bootloader>
        <os><type machine='{machine}'>{kind}</type><cmdline>console=hvc0 a="b"</cmdline></os>
        <devices><disk type='file' device='disk'><driver name='qemu' type='raw'/>
        <source file='a.img'/><target dev='xvda' bus='xen'/></disk></devices></domain>"""
    )
    run_plan(make_plan(Request(source=str(domain), target="xen")), tmp_path / "out")
    lines = (tmp_path / "out" / "guest.cfg").read_text().splitlines()
    assert f'type = "{"pvh" if machine == "xenpvh" else "pv"}"' in lines
    assert 'bootloader = "/usr/bin/pygrub"' in lines
    assert 'cmdline = "console=hvc0 a=\\"b\\""' in lines
    request = Request(source=str(domain), target="xen", form="libvirt")
    run_plan(make_plan(request), tmp_path / "domain")
    (again,) = open_package(tmp_path / "domain" / "guest.xml").appliance.machines
    kept = {e.where: e.text for e in again.extras if e.dialect == "xen"}
    assert kept["pv/bootloader"] == '"/usr/bin/pygrub"'
    assert kept["pv/cmdline"] == '"console=hvc0 a=\\"b\\""'
