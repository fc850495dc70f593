"""libvirt's daemons on a machine of their own: namespaces of mounts, network and processes.

Everything libvirt reads or writes (/etc/libvirt, /var/lib/libvirt, its sockets in /run) is a private
folder there, and its bridge, tap devices, dnsmasq and firewall rules are in a network of their own:
nothing of the host changes. The daemons, QEMU among them, end with process 1 of the namespace, however
that ends. Source: libvirt's docs/daemons.rst and qemu.conf.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

URI = "qemu:///system"
CONFIG, STATE, LOGS = Path("/etc/libvirt"), Path("/var/lib/libvirt"), Path("/var/log/libvirt")
_PRIVATE = (CONFIG, STATE, LOGS, Path("/var/cache/libvirt"), Path("/var/log/swtpm"))
_LOCAL_CA = Path("/var/lib/swtpm-localca")  #: where swtpm keeps the keys it signs TPMs with
_NETWORK = """\
<network>
  <name>default</name>
  <bridge name='virbr0'/>
  <forward/>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp>
  </ip>
</network>
"""  # what libvirt-daemon-config-network installs
#: No systemd, hence nobody who gives out control groups. The group is that of /dev/kvm, as Debian sets
#: it: when the daemon may open that and QEMU may not, libvirt asks QEMU for its abilities every time.
_QEMU_CONF = 'cgroup_controllers = [ ]\nuser = "libvirt-qemu"\ngroup = "kvm"\n'
_START = 30.0
PROGRAMS = ("libvirtd", "virtlogd", "virsh", "virt-host-validate", "dnsmasq", "ip", "unshare",
            "setpriv", "mount", "qemu-img", "qemu-system-x86_64", "swtpm_setup")  # fmt: skip
_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


class NotHereError(Exception):
    """libvirt cannot be run on this machine; the text says why and what to do."""


class VirshError(Exception):
    """libvirt refused; the text is its own."""


def needs() -> None:
    """Raise NotHereError unless everything is here that a run takes."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=_PATH) is None]
    if missing:
        raise NotHereError(
            f"{', '.join(missing)} not found; on Debian: apt-get install --no-install-recommends "
            "libvirt-daemon-system libvirt-clients dnsmasq-base iptables iproute2 swtpm swtpm-tools "
            "qemu-system-x86 qemu-utils ovmf"
        )
    if os.geteuid() != 0:
        raise NotHereError("namespaces and bridges take root: run it as root")


def entered(command: Sequence[str]) -> list[str]:
    """Return a command line that runs ``command`` as process 1 of namespaces that end with it."""
    alone = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return ["setpriv", "--pdeathsig", "KILL", *alone, *command]


def start(folder: Path) -> None:
    """Inside the namespaces: give libvirt private folders, start its daemons, wait for them."""
    if os.getppid() != 1:
        raise NotHereError("this changes mounts: only in namespaces of its own")
    os.environ["PATH"] = _PATH
    for place in _PRIVATE:
        own = folder / str(place).strip("/").replace("/", "-")
        own.mkdir(parents=True)
        place.mkdir(
            parents=True, exist_ok=True
        )  # a mount point; empty on a machine without libvirt
        _run("mount", "--bind", own, place)
    _run("mount", "-t", "tmpfs", "-o", "mode=700,uid=tss", "swtpm", _LOCAL_CA)
    networks = CONFIG / "qemu" / "networks"
    networks.mkdir(parents=True)
    (networks / "default.xml").write_text(_NETWORK)
    (CONFIG / "qemu.conf").write_text(_QEMU_CONF)
    (STATE / "images").mkdir()
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "run", "/run")
    Path("/run/lock").mkdir()  # of consoles
    _run("mount", "-t", "sysfs", "sysfs", "/sys")  # of this network, without control groups
    _run("ip", "link", "set", "lo", "up")
    for daemon in ("virtlogd", "libvirtd"):
        _run(daemon, "--daemon")
    end = time.monotonic() + _START
    while True:
        try:
            virsh("uri")
        except VirshError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return


def virsh(*words: str | Path, timeout: float = 120) -> str:
    """Run virsh against the system's libvirtd and return what it printed; VirshError with its words."""
    line = ["virsh", "--quiet", "--connect", URI, *map(str, words)]
    try:
        done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout, check=False)  # fmt: skip
    except subprocess.TimeoutExpired:
        raise VirshError(f"virsh {words[0]} does not end") from None
    if done.returncode:
        raise VirshError(" ".join(done.stderr.split()) or f"virsh ended with {done.returncode}")
    return done.stdout.strip()


def _run(*words: str | Path) -> None:
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
    if done.returncode:
        raise NotHereError(f"{' '.join(map(str, words))} ended with {done.returncode}")
