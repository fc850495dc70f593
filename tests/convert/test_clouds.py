from __future__ import annotations

import pytest

from kensho.convert.plan import Request, make_plan
from kensho.convert.run import run_plan
from kensho.model.finding import Severity
from kensho.model.units import GIB, MIB, TIB


def plan_for(tmp_path, target, size=5 * MIB + 512, **wishes):
    source = tmp_path / "web.raw"
    with source.open("wb") as file:
        file.write(b"boot")
        file.truncate(size)
    return make_plan(Request(str(source), target, **wishes))


def found(plan):
    return {f.code: f for f in plan.findings}


@pytest.mark.parametrize("target", ["aws", "azure", "openstack"])  # Google: test_gcp_image
def test_every_cloud_takes_a_disk(tmp_path, target):
    plan = plan_for(tmp_path, target, guest="debian12")
    assert run_plan(plan, tmp_path / "out").check == "ok"
    assert not plan.blocked
    assert "KF-505" in found(plan)


def test_azure_gets_whole_mib(tmp_path):
    plan = plan_for(tmp_path, "azure", guest="debian12")
    assert plan.disks[0].virtual_size == 6 * MIB
    run_plan(plan, tmp_path / "out")
    assert (tmp_path / "out" / "web-disk1.vhd").stat().st_size == 6 * MIB + 512
    assert "KF-329" in found(plan)


def test_too_large_disks_block(tmp_path):
    plan = plan_for(tmp_path, "gcp", size=2 * TIB + GIB)
    assert found(plan)["KF-501"].severity is Severity.BLOCKED


def test_too_many_disks_for_an_import_block(tmp_path):
    disks = "".join(f"{{name: d{n}, disk: {{bus: virtio}}}}," for n in range(22))
    volumes = "".join(f"{{name: d{n}, emptyDisk: {{capacity: 1Mi}}}}," for n in range(22))
    source = tmp_path / "a.yaml"
    source.write_text(
        "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: a}\nspec: {template:"
        f" {{spec: {{domain: {{memory: {{guest: 1Gi}}, devices: {{disks: [{disks}]}}}},"
        f" volumes: [{volumes}]}}}}}}\n"
    )
    plan = make_plan(Request(str(source), "aws"))
    assert "register-image" in found(plan)["KF-501"].action
    assert "KF-501" not in found(make_plan(Request(str(source), "aws", form="register-image")))


def test_guests_and_sizes(tmp_path):
    codes = found(plan_for(tmp_path, "aws", guest="freebsd14"))
    assert "register-image" in codes["KF-503"].action
    assert "KF-503" not in found(
        plan_for(tmp_path, "aws", form="register-image", guest="freebsd14")
    )
    codes = found(plan_for(tmp_path, "azure", guest="debian12-32"))
    assert "KF-504" in codes
    assert "Standard_B2s" in codes["KF-502"].message
    assert codes["KF-502"].severity is Severity.NOTE


def test_names_and_networks_of_a_cluster(tmp_path):
    package = tmp_path / "Web_Server.yaml"
    package.write_text(
        "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: Web_Server}\n"
        "spec: {template: {spec: {domain: {memory: {guest: 1Gi}, devices: {interfaces: ["
        "{name: a, masquerade: {}}, {name: b, bridge: {}}]}}, networks: ["
        "{name: a, pod: {}}, {name: b, multus: {networkName: back}}]}}}\n"
    )
    codes = found(make_plan(Request(str(package), "kubevirt")))
    assert "web-server" in codes["KF-507"].message
    assert "back" in codes["KF-511"].message
