"""Tools of the old platform are switched off where they are of no use, and nowhere else."""

from __future__ import annotations

from pathlib import Path

from kensho.guest.linux.adapt.platform_tools.step import plan_tools
from tests.guest.linux.adapt.making import adapted, aims_for, codes, plant

UNIT = "[Service]\nExecStart=/bin/true\n"
WISH = "etc/systemd/system/multi-user.target.wants"
DEBIAN = {
    "lib/systemd/system/vboxadd.service": UNIT,
    f"{WISH}/vboxadd.service": "->/lib/systemd/system/vboxadd.service",
    f"{WISH}/ssh.service": "->/lib/systemd/system/ssh.service",
    "lib/systemd/system/open-vm-tools.service": f"[Unit]\nConditionVirtualization=vmware\n{UNIT}",
    f"{WISH}/open-vm-tools.service": "->/lib/systemd/system/open-vm-tools.service",
    "etc/xdg/autostart/vboxclient.desktop": "[Desktop Entry]\nType=Application\nExec=VBoxClient\n",
}


def test_units_are_disabled(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", DEBIAN)
    draft = adapted(tree, plan_tools, aims_for("kvm"))
    assert sorted(p.name for p in (tree / WISH).iterdir()) == [
        "open-vm-tools.service",
        "ssh.service",
    ]
    assert "Hidden=true\nType" in (tree / "etc/xdg/autostart/vboxclient.desktop").read_text()
    assert codes(draft) == ["KF-875", "KF-876"]


def test_for_all_nothing_is_disabled(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", DEBIAN)
    for aims in (aims_for(), aims_for("kvm", "virtualbox"), aims_for("ova")):
        assert adapted(tree, plan_tools, aims).edits == ()


def test_what_a_package_starts_is_masked(tmp_path: Path) -> None:
    tree = plant(
        tmp_path / "tree",
        {"usr/lib/systemd/system/waagent.service": UNIT,
         "usr/lib/systemd/system/multi-user.target.wants/waagent.service": "->../waagent.service",
         "etc/systemd/system/x": ""},
    )  # fmt: skip
    adapted(tree, plan_tools, aims_for("kvm"))
    assert (tree / "etc/systemd/system/waagent.service").readlink() == Path("/dev/null")


def test_scripts_of_other_inits(tmp_path: Path) -> None:
    tree = plant(
        tmp_path / "tree",
        {
            "etc/init.d/vmware-tools": "#!/bin/sh\n",
            "etc/rc.d/rc3.d/S03vmware-tools": "->../init.d/vmware-tools",
            "etc/rc3.d": "->rc.d/rc3.d",
            "etc/init/vmware-tools.conf": "start on runlevel 3\n",
            "etc/runlevels/default/vmware-tools": "->/etc/init.d/vmware-tools",
        },
    )
    adapted(tree, plan_tools, aims_for("kvm"))
    links = {p.name: str(p.readlink()) for p in (tree / "etc/rc.d/rc3.d").iterdir()}
    assert links == {"K96vmware-tools": "../init.d/vmware-tools"}
    assert (tree / "etc/init/vmware-tools.override").read_text() == "manual\n"
    assert list((tree / "etc/runlevels/default").iterdir()) == []


def test_an_agent_that_is_used_elsewhere_too_stays(tmp_path: Path) -> None:
    wish = f"{WISH}/amazon-ssm-agent.service"
    files = {wish: "->/usr/lib/systemd/system/amazon-ssm-agent.service"}
    kept = plant(tmp_path / "kept", files | {"var/lib/amazon/ssm/registration": "{}"})
    assert adapted(kept, plan_tools, aims_for("kvm")).edits == ()
    gone = plant(tmp_path / "gone", files)
    assert [e.path for e in adapted(gone, plan_tools, aims_for("kvm")).edits] == [f"/{wish}"]
