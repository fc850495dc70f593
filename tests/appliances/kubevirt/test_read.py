from __future__ import annotations

import json

import pytest
import yaml
from kubevirt_samples import MANIFEST

from kensho.appliances import open_package
from kensho.appliances.kubevirt.quantity import quantity, whole
from kensho.convert.plan import Request, make_plan
from kensho.convert.run import run_plan
from kensho.model.errors import KenshoError, PackageError
from kensho.model.machine import Bus, ControllerModel, Firmware, NicModel
from kensho.model.units import GIB, MIB


def write(folder, text=MANIFEST, name="web.yaml"):
    path = folder / name
    path.write_text(text)
    return path


def read(path):
    package = open_package(path)
    package.close()
    return package


def raw(path, size=MIB):
    with path.open("wb") as file:
        file.write(b"\xeb\0boot")
        file.truncate(size)


def test_all_of_it(tmp_path):
    raw(tmp_path / "web-root.img")
    raw(tmp_path / "x.img")
    package = read(write(tmp_path))
    assert package.kind == "kubevirt"
    (machine,) = package.appliance.machines
    assert (machine.name, machine.annotation) == ("web", "two\nlines")
    assert (machine.cpu.count, machine.cpu.cores_per_socket) == (8, 4)
    assert machine.memory.size == 3 * GIB // 2
    assert machine.firmware.kind is Firmware.UEFI
    assert machine.firmware.secure_boot
    assert machine.firmware.tpm
    assert machine.uuid == "5d307ca9-b3ef-428c-8861-06e72d69f223"
    assert machine.guest.id == "debian12"
    buses = {d.id: machine.controller(d.controller).bus for d in machine.drives}
    assert buses == {
        "root": Bus.VIRTIO,
        "data": Bus.VIRTIO,
        "extra": Bus.SCSI,
        "plain": Bus.SATA,
        "iso": Bus.SATA,
        "empty": Bus.SATA,
    }
    root, data, extra, plain, empty = machine.disks
    assert root.controller != data.controller
    assert extra.shared
    assert {d.unit for d in (plain, *machine.cdroms, empty)} == {0, 1, 2}
    assert empty.cache == "none"
    hrefs = {f.id: f.href for f in package.appliance.files}
    images = {i.id: i for i in package.appliance.images}
    assert hrefs[images[root.image].file] == "web-root.img"
    assert hrefs[images[extra.image].file] == "x.img"
    assert hrefs[images[data.image].file] == "web-data.qcow2"
    assert hrefs[images[plain.image].file] == "cirros.qcow2"
    assert images[empty.image].file is None
    assert images[empty.image].capacity == 2 * GIB
    first, second = machine.nics
    assert (first.model, first.network) == (NicModel.VIRTIO, "pod")
    assert (second.model, second.network) == (NicModel.E1000E, "prod/back")
    assert (second.mac, second.connected) == ("02:00:00:00:00:01", False)
    places = {e.where for e in machine.extras}
    assert places >= {
        "/spec/template/spec/hostname",
        "/spec/template/spec/domain/clock",
        "/spec/template/spec/domain/cpu/model",
        "/spec/template/spec/domain/devices/watchdog",
        "/spec/template/spec/volumes/-",
        "/metadata/labels",
    }
    codes = sorted(f.code for f in package.findings if f.code.startswith("KF-5"))
    assert codes == ["KF-509", "KF-509", "KF-509", "KF-510"]


def test_a_return_trip_is_the_same_machine(tmp_path):
    text = "\n".join(
        line
        for line in MANIFEST.splitlines()
        if not any(w in line for w in ("name: plain", "name: iso", "state: down", "name: back"))
    )
    raw(tmp_path / "web-root.img")
    raw(tmp_path / "web-data.qcow2", 3 * MIB)
    raw(tmp_path / "x.img")
    before = read(write(tmp_path, text)).appliance.machines[0]
    plan = make_plan(Request(str(tmp_path / "web.yaml"), "kubevirt"), out=tmp_path / "out")
    assert run_plan(plan, tmp_path / "out").check == "ok"
    package = read(tmp_path / "out" / "web.yaml")
    after = package.appliance.machines[0]
    for field in ("name", "cpu", "memory", "firmware", "uuid", "guest", "nics", "annotation"):
        one, other = getattr(before, field), getattr(after, field)
        if field == "nics":
            one, other = (
                [(n.model, n.mac, n.network) for n in one],
                [(n.model, n.mac, n.network) for n in other],
            )
        assert one == other, field
    buses = [[m.controller(d.controller).model for d in m.disks] for m in (before, after)]
    # Linux has the drivers: what was on SATA gets virtio.
    assert buses[0][:3] == buses[1][:3]
    manifest = [*yaml.safe_load_all((tmp_path / "out" / "web.yaml").read_text())][-1]
    spec = manifest["spec"]["template"]["spec"]
    assert spec["hostname"] == "web"
    assert spec["domain"]["clock"] == {"utc": {}}
    assert {"name": "init", "cloudInitNoCloud": {"userData": "#cloud-config"}} in spec["volumes"]
    names = [d["name"] for d in spec["domain"]["devices"]["disks"]]
    assert sorted(names) == sorted(v["name"] for v in spec["volumes"])


def test_kensho_finds_its_own_files_in_a_folder(tmp_path):
    raw(tmp_path / "Web_01.raw", 5 * MIB)
    plan = make_plan(Request(str(tmp_path / "Web_01.raw"), "kubevirt"), out=tmp_path / "out")
    run_plan(plan, tmp_path / "out")
    package = read(tmp_path / "out")
    assert package.kind == "kubevirt"
    assert [f.href for f in package.appliance.files] == ["Web_01-disk1.qcow2"]
    assert not [f for f in package.findings if f.code == "KF-509"]


def test_instances_lists_and_json(tmp_path):
    instance = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {"name": "i"},
        "spec": {"domain": {"resources": {"requests": {"memory": "64M", "cpu": "1500m"}}}},
    }
    value = {"apiVersion": "v1", "kind": "List", "items": [instance, instance]}
    first, second = read(write(tmp_path, json.dumps(value), "l.json")).appliance.machines
    assert (first.id, second.id) == ("i", "i-2")
    assert first.cpu.count == 2
    assert first.memory.size == 64_000_000
    assert first.firmware.kind is Firmware.BIOS


def test_the_file_a_volume_is_filled_from_is_looked_for(tmp_path):
    text = MANIFEST.replace(
        "spec:\n      storage:",
        'spec:\n      source: {http: {url: "https://x.example/a/Cloud%20Base.qcow2?x=1"}}\n      storage:',
    )
    assert text != MANIFEST
    raw(tmp_path / "Cloud Base.qcow2")
    package = read(write(tmp_path, text))
    assert "Cloud Base.qcow2" in [f.href for f in package.appliance.files]
    bad = MANIFEST.replace(
        "spec:\n      storage:", 'spec:\n      source: {http: {url: "http://[x"}}\n      storage:'
    )
    read(write(tmp_path, bad))


def test_instance_types_and_missing_memory_are_said(tmp_path):
    text = """
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {name: a}
spec: {instancetype: {name: u1.small}, template: {spec: {domain: {devices: {}}}}}
"""
    package = read(write(tmp_path, text))
    assert {f.code for f in package.findings} == {"KF-112", "KF-508"}


BOMB = "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\na: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(9)
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nx: !!python/object/apply:os.system [id]",
        "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nspec: {a: 1, a: 2}",
        "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nx: &x {y: *x}",
        "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\n" + "[" * 5000,
        "apiVersion: kubevirt.io/v1\nkind: VirtualMachinePool\n",
        "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\n\tx: 1",
    ],
)
def test_bad_files_are_errors(tmp_path, text):
    with pytest.raises(KenshoError):
        read(write(tmp_path, text))


def test_odd_types_do_not_matter(tmp_path):
    for odd in ("3", "[]", "null", "{a: []}", "[{name: [1]}]", "text", "true"):
        for key in ("cpu", "memory", "firmware", "devices", "features"):
            text = f"""
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {{name: a}}
spec: {{template: {{spec: {{domain: {{{key}: {odd}}}, volumes: {odd}, networks: {odd}}}}}}}
"""
            assert read(write(tmp_path, text)).appliance.machines[0].cpu.count == 1
    devices = "{disks: [1, {name: 2, disk: 3, bootOrder: x}], interfaces: [{name: {}, model: []}]}"
    text = f"""
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: 5
spec: {{template: {{spec: {{domain: {{devices: {devices}}}}}}}}}
"""
    assert read(write(tmp_path, text)).appliance.machines[0].name == "machine1"


def test_files_outside_the_folder_are_not_looked_for(tmp_path):
    (tmp_path / "secret.img").write_bytes(b"\0" * 512)
    inner = tmp_path / "in"
    inner.mkdir()
    text = MANIFEST.replace("claimName: web-data", "claimName: ../secret")
    package = read(write(inner, text))
    assert not [f for f in package.appliance.files if "secret" in f.href]


def test_other_yaml_is_no_machine(tmp_path):
    with pytest.raises(KenshoError) as error:
        read(write(tmp_path, "apiVersion: v1\nkind: Pod\n"))
    assert not isinstance(error.value, PackageError)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2Gi", 2 * GIB), ("512Mi", 512 * MIB), ("1.5Gi", 3 * GIB // 2), ("1e3", 1000), (7, 7),
        ("1500m", 2), ("64M", 64_000_000), ("100k", 100_000), ("-1", None), ("x", None),
        ("9" * 20 + "Ei", None), (True, None), ([], None), ("1Zi", None),
    ],
)  # fmt: skip
def test_quantities(text, number):
    assert whole(text) == number


@pytest.mark.parametrize("size", [512, MIB, 3 * MIB, GIB, 5 * GIB, GIB + 512])
def test_quantities_come_back(size):
    assert whole(quantity(size)) == size


def test_no_ide(tmp_path):
    text = MANIFEST.replace("{name: plain}", "{name: plain, disk: {bus: usb}}")
    machine = read(write(tmp_path, text)).appliance.machines[0]
    plain = next(d for d in machine.disks if d.id == "plain")
    assert machine.controller(plain.controller).model is ControllerModel.AHCI


def test_half_characters_of_yaml_are_no_crash(tmp_path):
    raw(tmp_path / "a.img")
    text = """
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {name: "a\\ud800", annotations: {description: "x\\udfff"}}
spec:
  template:
    spec:
      domain: {devices: {disks: [{name: a, disk: {bus: virtio}}]}}
      volumes: [{name: a, dataVolume: {name: a}}]
"""
    run_plan(make_plan(Request(str(write(tmp_path, text)), "kubevirt")), tmp_path / "out")
    assert b"uFFFD" in (tmp_path / "out" / "a.yaml").read_bytes()


@pytest.mark.parametrize("count", ['"4"', "-1", "1.5", "999999", "true", "[2]"])
def test_a_number_of_processors_that_is_none(tmp_path, count):
    text = (
        "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: a}\nspec:\n  template:\n"
        "    spec: {domain: {devices: {}, memory: {guest: 1Gi}, cpu: {cores: %s, threads: 2}}}\n"
    )
    package = read(write(tmp_path, text % count))
    assert package.appliance.machines[0].cpu.count == 2
    assert [f.code for f in package.findings] == ["KF-112"]
