"""The agent's installer: what starts it, and the script itself, run in a root of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from kensho.guest.linux.adapt import platform_tools
from kensho.guest.linux.adapt.platform_tools.agents import plan_agents
from tests.guest.images_of import run, tool
from tests.guest.linux.adapt.making import adapted, aims_for, codes, plant

SYSTEMD = {"usr/lib/systemd/systemd": "", "usr/bin/apt-get": ""}
OPENRC = {"sbin/openrc-run": "", "sbin/apk": ""}
SYSV = {"etc/rc.d/rc3.d/README": "", "etc/rc3.d": "->rc.d/rc3.d", "usr/bin/yum": ""}
SCRIPT = "usr/local/sbin/kensho-agent"
#: A package manager that knows of one package, and what it was asked.
APT = """\
#!/bin/sh
echo "$@" >>/asked
case "$*" in *" install qemu-guest-agent") [ -e /network ] && : >/installed ;; esac
"""
DPKG = (
    '#!/bin/sh\n[ -e /installed ] && [ "$4" = qemu-guest-agent ] && echo "install ok installed"\n'
)


def test_only_if_asked_for(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", SYSTEMD)
    assert adapted(tree, plan_agents, aims_for("kvm")).edits == ()
    empty = plant(tmp_path / "empty", {"etc/x": ""})
    assert codes(adapted(empty, plan_agents, aims_for("kvm", agents=True))) == ["KF-877"]


def test_a_unit_that_systemd_takes(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", SYSTEMD)
    adapted(tree, plan_agents, aims_for("kvm", agents=True))
    unit = tree / "etc/systemd/system/kensho-agent.service"
    wish = tree / "etc/systemd/system/multi-user.target.wants/kensho-agent.service"
    assert str(wish.readlink()) == "/etc/systemd/system/kensho-agent.service"
    assert os.access(tree / SCRIPT, os.X_OK)
    # What it would run has to be there where it is checked.
    text = unit.read_text().replace(f"/bin/sh /{SCRIPT}", f"/bin/sh {tree / SCRIPT}")
    checked = tmp_path / "kensho-agent.service"
    checked.write_text(text)
    assert run("systemd-analyze", "verify", "--man=no", checked) == ""


@pytest.mark.parametrize("init", [OPENRC, SYSV])
def test_scripts_of_other_inits(tmp_path: Path, init: dict[str, str]) -> None:
    tree = plant(tmp_path / "tree", init)
    adapted(tree, plan_agents, aims_for("kvm", agents=True))
    script = tree / "etc/init.d/kensho-agent"
    run("dash", "-n", script)
    level = tree / ("etc/runlevels/default" if init is OPENRC else "etc/rc.d/rc3.d")
    link = level / ("kensho-agent" if init is OPENRC else "S99kensho-agent")
    assert str(link.readlink()) == "/etc/init.d/kensho-agent"


def test_the_script_is_a_posix_shells(tmp_path: Path) -> None:
    script = tmp_path / "agent.sh"
    script.write_bytes(files(platform_tools).joinpath("agent.sh").read_bytes())
    run("shellcheck", "--shell=sh", script)


@pytest.fixture(params=["dash", "busybox"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a root with a shell, the script, and a package manager of ours."""
    if os.geteuid():
        pytest.skip("only root has a root of its own")
    tree = tmp_path / "root"
    plant(
        tree,
        SYSTEMD
        | {"var/lib/x": "", "dev/null": "", "bin/x": "", "sys/class/dmi/id/sys_vendor": "QEMU\n"},
    )
    adapted(tree, plan_agents, aims_for("kvm", agents=True))
    _copy_with_libraries(Path(tool("busybox")), tree / "bin/busybox", tree)
    for applet in ("sh", "cat", "grep", "rm", "echo"):
        (tree / "bin" / applet).symlink_to("busybox")
    if request.param == "dash":
        (tree / "bin/sh").unlink()
        _copy_with_libraries(Path(tool("dash")), tree / "bin/sh", tree)
    for name, text in (("apt-get", APT), ("dpkg-query", DPKG)):
        (tree / "usr/bin" / name).write_text(text)
        (tree / "usr/bin" / name).chmod(0o755)
    return tree


def _copy_with_libraries(program: Path, to: Path, tree: Path) -> None:
    shutil.copy(program, to)
    # Of a program without libraries ldd says that, and fails.
    listed = subprocess.run([tool("ldd"), program], capture_output=True, text=True).stdout
    for word in listed.split():
        if word.startswith("/"):
            place = tree / word[1:]
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(word, place)


def start(root: Path) -> str:
    done = subprocess.run(
        [tool("chroot"), root, "/bin/sh", f"/{SCRIPT}"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_tries_again_and_removes_itself(root: Path) -> None:
    assert "once more at the next start (1 of 5)" in start(root)
    assert (root / SCRIPT).exists()
    (root / "network").touch()
    assert "qemu-guest-agent is installed now, for kvm" in start(root)
    assert not (root / SCRIPT).exists()
    assert not (root / "var/lib/kensho-agent.tries").exists()
    assert list((root / "etc/systemd/system/multi-user.target.wants").iterdir()) == []
    assert (root / "asked").read_text().splitlines()[-1].endswith("install qemu-guest-agent")


def test_it_gives_up(root: Path) -> None:
    said = [start(root) for _ in range(5)]
    assert "giving up" in said[-1]
    assert not (root / SCRIPT).exists()


def test_elsewhere_nothing_is_asked_of_the_network(root: Path) -> None:
    (root / "sys/class/dmi/id/sys_vendor").write_text("Somebody\n")
    assert "no agent is known for none" in start(root)
    assert not (root / "asked").exists()
