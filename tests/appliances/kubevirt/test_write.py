from __future__ import annotations

import json

import msgspec
import pytest
import yaml
from clouds_words import strings_of
from mapped_machines import HOSTILE, disk_machine, placed, with_machine
from stand_in import run_script

from kensho.appliances.kubevirt.write import render, to_yaml
from kensho.model.errors import UnsupportedError
from kensho.model.machine import ControllerModel, Extra, Firmware, NicModel


def machine(**wishes):
    wishes.setdefault("disk", ControllerModel.VIRTIO_SCSI)
    return disk_machine(cdrom=None, **wishes)


def documents(appliance):
    return render(appliance, placed(appliance))


def manifests(appliance):
    return list(yaml.safe_load_all(documents(appliance)[1].data))


def test_the_machine_and_its_volumes():
    first, second, vm = manifests(machine(firmware=Firmware.UEFI, secure_boot=True, tpm=True))
    assert first["kind"] == second["kind"] == "DataVolume"
    assert first["spec"]["source"] == {"upload": {}}
    assert first["spec"]["storage"]["resources"]["requests"]["storage"] == "1Gi"
    spec = vm["spec"]["template"]["spec"]
    domain = spec["domain"]
    assert domain["cpu"] == {"sockets": 2, "cores": 2, "threads": 1}
    assert domain["memory"] == {"guest": "2Gi"}
    assert domain["firmware"]["bootloader"] == {"efi": {"secureBoot": True}}
    assert domain["features"]["smm"] == {"enabled": True}
    assert domain["devices"]["tpm"]
    assert [d["disk"]["bus"] for d in domain["devices"]["disks"]] == ["scsi", "scsi"]
    assert domain["devices"]["disks"][0]["bootOrder"] == 1
    assert domain["devices"]["interfaces"] == [
        {
            "name": "default",
            "model": "virtio",
            "masquerade": {},
            "macAddress": "00:50:56:01:02:03",
        },
        {"name": "backup", "model": "virtio", "bridge": {}},
    ]
    assert spec["networks"] == [
        {"name": "default", "pod": {}},
        {"name": "backup", "multus": {"networkName": "backup"}},
    ]
    names = [v["dataVolume"]["name"] for v in spec["volumes"]]
    assert names == [first["metadata"]["name"], second["metadata"]["name"]]


def test_bios_and_the_users_networks():
    appliance = machine(disk=ControllerModel.AHCI, nic=NicModel.E1000)
    nics = [
        msgspec.structs.replace(n, target_network="prod/VLAN 7") for n in appliance.machines[0].nics
    ]
    vm = manifests(with_machine(appliance, nics=tuple(nics)))[-1]
    spec = vm["spec"]["template"]["spec"]
    assert spec["domain"]["firmware"]["bootloader"] == {"bios": {}}
    assert {n["multus"]["networkName"] for n in spec["networks"]} == {"prod/vlan-7"}
    assert len({n["name"] for n in spec["networks"]}) == 2
    without = manifests(with_machine(appliance, nics=()))[-1]
    devices = without["spec"]["template"]["spec"]["domain"]["devices"]
    assert devices["autoattachPodInterface"] is False


def test_the_script_applies_and_uploads(tmp_path):
    appliance = machine()
    calls = run_script(
        documents(appliance),
        tmp_path,
        ["--insecure"],
        tools=["kubectl", "virtctl"],
        files=["web01-disk1.qcow2", "web01-disk2.qcow2"],
    )
    apply, *rest = calls
    uploads = [call for call in rest if call[0] == "virtctl"]
    assert apply[:2] == ["kubectl", "apply"]
    assert [u[1:5] for u in uploads] == [
        ["image-upload", "dv", "web01-disk1", "--no-create"],
        ["image-upload", "dv", "web01-disk2", "--no-create"],
    ]
    assert all(u[-1] == "--insecure" for u in uploads)


def test_a_second_run_uploads_what_is_missing(tmp_path):
    # virtctl refuses a volume that is filled: the script never came to the second disk.
    calls = run_script(
        documents(machine()),
        tmp_path,
        [],
        tools=["kubectl", "virtctl"],
        files=["web01-disk1.qcow2", "web01-disk2.qcow2"],
        replies={"get web01-disk1": "Succeeded", "get web01-disk2": "UploadReady"},
    )
    assert [call[3] for call in calls if call[0] == "virtctl"] == ["web01-disk2"]


def test_hostile_text_stays_text(tmp_path):
    appliance = with_machine(machine(), name=HOSTILE, annotation=HOSTILE)
    appliance = msgspec.structs.replace(appliance, name=HOSTILE)
    vm = manifests(appliance)[-1]
    assert vm["metadata"]["annotations"]["description"] == HOSTILE
    name = vm["metadata"]["name"]
    assert name.replace("-", "").isalnum()
    assert name == name.lower()
    files = ["web01-disk1.qcow2", "web01-disk2.qcow2"]
    run_script(documents(appliance), tmp_path, [], tools=["kubectl", "virtctl"], files=files)


@pytest.mark.parametrize("word", ["yes", "null", "1e3", "0x10", "- a", "a: b", "*x", "!!python/x"])
def test_words_that_yaml_could_take_for_others(word):
    vm = manifests(with_machine(machine(), annotation=word))[-1]
    assert word in set(strings_of(vm))


def test_extras_come_back_where_nothing_contradicts():
    extras = (
        Extra("kubevirt", "/spec/template/spec/domain/clock", json.dumps({"utc": {}})),
        Extra("kubevirt", "/spec/template/spec/domain/cpu/cores", "64"),
        Extra("kubevirt", "/metadata/labels/a~1b", '"c"'),
        Extra("kubevirt", "/spec/template/spec/volumes/-", '{"name": "ci", "secret": {}}'),
        Extra("kubevirt", "/spec/template/spec/volumes/-", '{"name": "disk1", "secret": {}}'),
        Extra("kubevirt", "/spec/runStrategy/x", "1"),
        Extra("kubevirt", "/spec/instancetype", '{"name": "u1.small"}'),
        Extra("vmx", "/spec/other", "1"),
    )
    vm = manifests(with_machine(machine(), extras=extras))[-1]
    spec = vm["spec"]["template"]["spec"]
    assert spec["domain"]["clock"] == {"utc": {}}
    assert spec["domain"]["cpu"]["cores"] == 2
    assert vm["metadata"]["labels"] == {"a/b": "c"}
    assert [v["name"] for v in spec["volumes"]] == ["disk1", "disk2", "ci"]
    assert vm["spec"]["runStrategy"] == "Halted"
    assert "other" not in vm["spec"]
    assert "instancetype" not in vm["spec"]


@pytest.mark.parametrize(
    "appliance",
    [
        machine(disk=ControllerModel.IDE),
        machine(nic=NicModel.VMXNET3),
        disk_machine(),
        msgspec.structs.replace(machine(), machines=()),
    ],
)
def test_what_kubevirt_lacks_is_refused(appliance):
    with pytest.raises(UnsupportedError):
        documents(appliance)


#: Names of the fields of KubeVirt's API, v1 (OpenAPI of KubeVirt 1.7), as far as they are used here.
FIELDS = {
    ("spec",): {"runStrategy", "template"},
    ("spec", "template", "spec"): {"domain", "networks", "volumes"},
    ("spec", "template", "spec", "domain"): {
        "chassis",
        "clock",
        "cpu",
        "devices",
        "features",
        "firmware",
        "ioThreads",
        "ioThreadsPolicy",
        "launchSecurity",
        "machine",
        "memory",
        "rebootPolicy",
        "resources",
    },
    ("spec", "template", "spec", "domain", "cpu"): {"cores", "sockets", "threads", "model"},
    ("spec", "template", "spec", "domain", "devices"): {
        "autoattachPodInterface",
        "autoattachSerialConsole",
        "disks",
        "interfaces",
        "rng",
        "sound",
        "tpm",
    },
    ("spec", "template", "spec", "domain", "firmware"): {"bootloader", "uuid", "serial"},
    ("spec", "template", "spec", "domain", "features"): {"acpi", "smm"},
}


@pytest.mark.parametrize("firmware", Firmware)
def test_only_fields_of_the_api_are_written(firmware):
    from kensho.model.machine import Sound

    appliance = with_machine(machine(firmware=firmware, tpm=True), sound=Sound("hda"))
    vm = manifests(appliance)[-1]
    for place, known in FIELDS.items():
        value = vm
        for key in place:
            value = value[key]
        assert set(value) <= known, place
    spec = vm["spec"]["template"]["spec"]
    for disk in spec["domain"]["devices"]["disks"]:
        assert set(disk) <= {"name", "disk", "bootOrder", "shareable", "cache"}
        assert set(disk["disk"]) <= {"bus", "readonly"}
    for nic in spec["domain"]["devices"]["interfaces"]:
        assert set(nic) <= {"name", "model", "macAddress", "bootOrder", "bridge", "masquerade"}
    assert spec["domain"]["devices"]["sound"] == {"name": "sound", "model": "ich9"}


@pytest.mark.parametrize("text", ["1e3", "0o14", "y", "N", "12:30:45", "~", "on", "a: b", "- x"])
def test_a_text_is_a_text_to_kubectl(text):
    # Go's YAML takes other bare words for numbers and switches than PyYAML does.
    data = to_yaml([{text: text}])
    assert yaml.safe_load(data) == {text: text}
    tokens = [t for t in yaml.scan(data) if isinstance(t, yaml.ScalarToken)]
    assert [(t.value, t.plain) for t in tokens] == [(text, False)] * 2


def test_half_characters_do_not_come_into_a_manifest():
    assert list(yaml.safe_load_all(to_yaml([{"a\ud800": "\udfff"}]))) == [{"a\ufffd": "\ufffd"}]
