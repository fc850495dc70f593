"""Identity, cloud-init and SELinux: what is taken away, told, and asked for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from kensho.guest.linux.adapt.cloud_init import plan_cloud_init
from kensho.guest.linux.adapt.identity import plan_identity
from kensho.guest.linux.adapt.kernels import plan_kernels
from kensho.guest.linux.adapt.selinux import plan_labels
from kensho.guest.linux.adapt.steps import STEPS
from kensho.guest.linux.initramfs.cpio import write_archive
from kensho.model.machine import ControllerModel
from kensho.model.yamlsafe import load_all
from tests.guest.images_of import run, tool
from tests.guest.linux.adapt.making import adapted, aims_for, codes, guest_in, plant
from tests.guest.linux.trees import INDEX, entry

DEBIAN = {
    "usr/lib/systemd/systemd": "",
    "usr/bin/ssh-keygen": "",
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "var/lib/dbus/machine-id": "->/etc/machine-id",
    "etc/ssh/ssh_host_ed25519_key": "secret",
    "etc/ssh/ssh_host_ed25519_key.pub": "public",
    "etc/ssh/sshd_config": "",
    "etc/hostname": "web01\n",
    "var/lib/dhcp/dhclient.ens192.leases": "lease {}",
    "var/lib/systemd/random-seed": "x",
}


def test_a_copy_is_told_apart(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", DEBIAN)
    assert adapted(tree, plan_identity, aims_for()).edits == ()
    draft = adapted(tree, plan_identity, aims_for(identity=True))
    assert draft.findings == []
    assert (tree / "etc/machine-id").read_bytes() == b""
    assert (tree / "var/lib/dbus/machine-id").is_symlink()
    assert [p.name for p in (tree / "etc/ssh").iterdir()] == ["sshd_config"]
    assert not list((tree / "var/lib/dhcp").iterdir())
    assert not list((tree / "var/lib/systemd").iterdir())
    assert (tree / "etc/hostname").read_text() == "web01\n"
    unit = tree / "etc/systemd/system/kensho-host-keys.service"
    assert run("systemd-analyze", "verify", "--man=no", unit) == ""
    assert "Before=ssh.service" in unit.read_text()


def test_keys_are_made_before_a_socket_listens(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", DEBIAN)
    adapted(tree, plan_identity, aims_for(identity=True))
    vendor = Path("/usr/lib/systemd/system")
    if not (vendor / "sockets.target").exists():
        pytest.skip("no systemd here")
    units = tmp_path / "units"
    units.mkdir()
    for name in ("basic", "sysinit", "sockets", "local-fs", "multi-user", "shutdown"):
        (units / f"{name}.target").write_bytes((vendor / f"{name}.target").read_bytes())
    made = (tree / "etc/systemd/system/kensho-host-keys.service").read_text()
    (units / "keys.service").write_text(made.replace("ssh-keygen -A", "true"))
    (units / "ssh.service").write_text("[Service]\nExecStart=/bin/true\n")
    (units / "ssh.socket").write_text("[Socket]\nListenStream=2222\n")
    for wishes, unit in (("sockets", "ssh.socket"), ("multi-user", "keys.service")):
        (units / f"{wishes}.target.wants").mkdir()
        (units / f"{wishes}.target.wants" / unit).symlink_to(units / unit)
    told = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", units / "multi-user.target"],
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{units}"}, capture_output=True, text=True,
    ).stderr  # fmt: skip
    assert "cycle" not in told


def test_machine_ids_that_are_links_to_each_other_stay_so(tmp_path: Path) -> None:
    other = {"etc/machine-id": "->/var/lib/dbus/machine-id"}
    tree = plant(tmp_path / "tree", DEBIAN | other | {"var/lib/dbus/machine-id": f"{'0' * 31}1\n"})
    adapted(tree, plan_identity, aims_for(identity=True))
    assert (tree / "var/lib/dbus/machine-id").read_bytes() == b""
    assert not (tree / "var/lib/dbus/machine-id").is_symlink()


def test_sshd_under_upstart_waits_for_its_keys(tmp_path: Path) -> None:
    bare = {name: text for name, text in DEBIAN.items() if "systemd" not in name}
    files = {"etc/rc2.d/README": "", "etc/init/ssh.conf": "start on runlevel [2345]\nrespawn\n"}
    tree = plant(tmp_path / "tree", bare | files)
    adapted(tree, plan_identity, aims_for(identity=True))
    told = (tree / "etc/init/kensho-host-keys.conf").read_text()
    assert "\nstart on starting ssh\ntask\n" in told
    assert not (tree / "etc/rc2.d/S01kensho-host-keys").is_symlink()
    script = told.partition("\nscript\n")[2].removesuffix("end script\n")
    ssh, made = tmp_path / "ssh", tmp_path / "made"
    ssh.mkdir()
    script = script.replace("/etc/ssh/", f"{ssh}/").replace(
        "/usr/bin/ssh-keygen -A", f"touch {made}"
    )
    run("sh", "-ec", script)
    assert made.exists()


def test_host_keys_of_dropbear_are_said(tmp_path: Path) -> None:
    key = {"etc/dropbear/initramfs/dropbear_ed25519_host_key": "secret"}
    tree = plant(tmp_path / "tree", DEBIAN | key)
    assert codes(adapted(tree, plan_identity, aims_for(identity=True))) == ["KF-880"]


def test_what_a_dhcp_server_has_let_stays(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", DEBIAN | {"var/lib/dhcp/dhcpd.leases": "lease 10.0.0.9 {}"})
    adapted(tree, plan_identity, aims_for(identity=True))
    assert [p.name for p in (tree / "var/lib/dhcp").iterdir()] == ["dhcpd.leases"]


def test_a_script_is_listed_where_startpar_reads_a_list(tmp_path: Path) -> None:
    bare = {name: text for name, text in DEBIAN.items() if "systemd" not in name}
    listed = (
        "TARGETS = rsyslog cron ssh rc.local\nINTERACTIVE =\ncron: rsyslog\nrc.local: cron ssh\n"
    )
    files = {"etc/rc2.d/README": "", "etc/init.d/.depend.start": listed}
    tree = plant(tmp_path / "tree", bare | files)
    adapted(tree, plan_identity, aims_for(identity=True))
    assert (tree / "etc/init.d/.depend.start").read_text() == (
        "TARGETS = kensho-host-keys rsyslog cron ssh rc.local\nINTERACTIVE =\ncron: rsyslog\n"
        "rc.local: cron ssh\nssh: kensho-host-keys\n"
    )


def test_where_the_guest_makes_its_keys_itself(tmp_path: Path) -> None:
    maker = {"usr/lib/systemd/system/sshd-keygen@.service": ""}
    tree = plant(tmp_path / "tree", DEBIAN | maker)
    adapted(tree, plan_identity, aims_for(identity=True))
    assert not (tree / "etc/systemd").exists()
    assert not (tree / "etc/ssh/ssh_host_ed25519_key").exists()


def test_keys_that_nothing_would_make_stay(tmp_path: Path) -> None:
    bare = {name: text for name, text in DEBIAN.items() if not name.startswith("usr/")}
    tree = plant(tmp_path / "tree", bare)
    assert codes(adapted(tree, plan_identity, aims_for(identity=True))) == ["KF-880"]
    assert (tree / "etc/ssh/ssh_host_ed25519_key").exists()


def test_an_old_debian_makes_keys_by_a_script(tmp_path: Path) -> None:
    bare = {name: text for name, text in DEBIAN.items() if "systemd" not in name}
    tree = plant(tmp_path / "tree", bare | {"etc/rc2.d/README": ""})
    adapted(tree, plan_identity, aims_for(identity=True))
    assert (
        str((tree / "etc/rc2.d/S01kensho-host-keys").readlink()) == "/etc/init.d/kensho-host-keys"
    )
    script = (tree / "etc/init.d/kensho-host-keys").read_text()
    keys, made = tmp_path / "ssh", tmp_path / "made"
    keys.mkdir()
    script = script.replace("/etc/ssh/", f"{keys}/").replace(
        "/usr/bin/ssh-keygen -A", f"touch {made}"
    )
    subprocess.run([tool("dash"), "-c", script, "sh", "stop"], check=True)
    (keys / "ssh_host_rsa_key").touch()
    subprocess.run([tool("dash"), "-c", script, "sh", "start"], check=True)
    assert not made.exists()
    (keys / "ssh_host_rsa_key").unlink()
    subprocess.run([tool("dash"), "-c", script, "sh", "start"], check=True)
    assert made.exists()


CLOUD = {
    "etc/cloud/cloud.cfg": "users: [default]\n",
    "etc/cloud/cloud.cfg.d/90_dpkg.cfg": "datasource_list: [ Ec2, None ]\n",
    "var/lib/cloud/data/instance-id": "i-0123\n",
}


def test_a_pinned_cloud_is_said(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", CLOUD)
    draft = adapted(tree, plan_cloud_init, aims_for("kvm", "aws"))
    assert (codes(draft), draft.edits) == (["KF-881"], ())
    assert "which kvm has not" in draft.findings[0].message
    assert codes(adapted(tree, plan_cloud_init, aims_for("aws"))) == []


@pytest.mark.parametrize("more", [
    {"etc/cloud/cloud.cfg.d/95_own.cfg": "datasource_list: [NoCloud, Ec2]\n"},
    {"etc/cloud/cloud-init.disabled": ""},
    {"etc/cloud/cloud.cfg.d/90_dpkg.cfg": "datasource_list: ["},
])  # fmt: skip
def test_no_cloud_is_waited_for(tmp_path: Path, more: dict[str, str]) -> None:
    tree = plant(tmp_path / "tree", CLOUD | more)
    assert codes(adapted(tree, plan_cloud_init, aims_for("kvm"))) == []


def test_a_seed_that_is_no_new_instance(tmp_path: Path) -> None:
    identify = "etc/cloud/ds-identify.cfg"
    tree = plant(tmp_path / "tree", CLOUD | {identify: "# pinned\ndatasource: Ec2\n"})
    assert codes(adapted(tree, plan_cloud_init, aims_for("kvm", seed=True))) == []
    seed = tree / "var/lib/cloud/seed/nocloud"
    assert (seed / "meta-data").read_text() == "instance-id: i-0123\n"
    (config,) = load_all((tree / "etc/cloud/cloud.cfg.d/99_kensho.cfg").read_bytes(), "")
    assert config == {
        "datasource_list": ["NoCloud", "None"], "network": {"config": "disabled"},
    }  # fmt: skip
    assert (tree / identify).read_text() == "# pinned\ndatasource: NoCloud\n"


def test_new_files_take_the_label_of_their_folder(tmp_path: Path) -> None:
    config = {"etc/selinux/config": "SELINUX=enforcing\n", "etc/systemd/x": "", "srv/x": ""}
    tree = plant(tmp_path / "tree", config)
    try:
        for folder in ("etc", "etc/systemd"):
            os.setxattr(tree / folder, "security.selinux", b"system_u:object_r:etc_t:s0\0")
    except OSError:
        pytest.skip("no labels without rights")
    guest = guest_in(tree, aims_for())
    guest.draft.write("/etc/systemd/network/a.link", "x", "new")
    plan_labels(guest)
    assert [e.path for e in guest.draft.edits] == ["/etc/systemd/network/a.link"]
    guest.draft.write("/srv/new", "x", "new")
    plan_labels(guest)
    assert "/.autorelabel" in [e.path for e in guest.draft.edits]
    assert codes(guest.draft) == ["KF-879"]


def test_an_initramfs_of_nash_is_left_and_said(tmp_path: Path) -> None:
    version, script = (
        "2.6.18-8.el5",
        b"#!/bin/nash\ninsmod /lib/scsi_mod.ko\ninsmod /lib/sd_mod.ko\n",
    )
    tree = plant(
        tmp_path / "tree",
        {f"lib/modules/{version}/{name}": text for name, text in INDEX.items()}
        | {f"boot/vmlinuz-{version}": ""},
    )
    modules = (entry(f"lib/{name}.ko") for name in ("scsi_mod", "sd_mod"))
    data = write_archive([entry("init", script), *modules])
    (tree / f"boot/initrd-{version}").write_bytes(data)
    guest = guest_in(tree, aims_for("vmware"))
    (plan,) = plan_kernels(guest)
    assert (plan.version, plan.added) == (version, ())
    assert ControllerModel.PVSCSI in plan.missing
    assert ControllerModel.NVME not in plan.missing  # built in
    assert "KF-883" in codes(guest.draft)
    assert guest.draft.edits == ()


def test_all_steps_together_are_done_once(tmp_path: Path) -> None:
    def all_steps(guest) -> None:
        for step in STEPS:
            step(guest)

    tree = plant(tmp_path / "tree", DEBIAN | CLOUD | {"usr/bin/apt-get": ""})
    aims = aims_for("kvm", identity=True, agents=True, seed=True)
    assert adapted(tree, all_steps, aims).edits
    assert adapted(plant(tmp_path / "none", {"etc/x": ""}), all_steps, aims_for()).edits == ()
