"""The demo's Debian with a static address on ens192: it has that elsewhere after `kensho adapt`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import appliance
from kensho.cli.exits import run
from kensho.disks import open_disk
from kensho.guest.adapt.carry_out import write_overlay
from kensho.guest.edit.backends import edit_volume
from kensho.guest.edit.patch import pieces
from kensho.guest.edit.plan import FileEdit
from kensho.guest.inspect.systems import Opened, find_systems
from kensho.guest.volumes.scan import scan
from kensho.proof.watch.boot import boot_domain
from kensho.proof.watch.result import Verdict
from kensho.storage import FileSource

MAC = "00:50:56:aa:bb:01"
OLD = "0123456789abcdef0123456789abcdef"
ADDRESS = "10.0.2.77/24"
UNITS = "/etc/systemd/system"
STATIC = f"[Match]\nName=ens192\n\n[Network]\nAddress={ADDRESS}\n"
#: Thrice, for the kernel may say something in the middle of a line.
TELL = f"""\
[Unit]
After=systemd-networkd.service
Before=serial-getty@ttyS0.service getty.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'for n in $(seq 120); do ip -o -4 a | grep -q {ADDRESS} && break; \
[ $n -lt 10 ] || [ -e /sys/class/net/ens192 ] || break; sleep 1; done; \
for n in 1 2 3; do for a in $(ls /sys/class/net); do echo "ADAPTER $a $(ip -o -4 a show $a | grep -o {ADDRESS}) END"; done >/dev/ttyS0; \
echo MACHINE $(cat /etc/machine-id) END >/dev/ttyS0; sleep 1; done'
"""
DOMAIN = """\
<domain type='kvm'><name>guest</name><memory unit='MiB'>512</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
<source file='{disk}'/><target dev='vda' bus='virtio'/></disk>
<interface type='user'><mac address='{mac}'/><model type='{nic}'/></interface></devices></domain>
"""


def with_static_address(source: Path, path: Path) -> Path:
    """Make an overlay in which the guest has its address on ens192, and tells what it has."""
    edits = (
        FileEdit("/etc/systemd/network/80-dhcp.network", None, "no DHCP"),
        FileEdit("/etc/systemd/network/20-lan.network", STATIC.encode(), "a static address"),
        FileEdit("/etc/machine-id", f"{OLD}\n".encode(), "an id of its own"),
        FileEdit(f"{UNITS}/tell.service", TELL.encode(), "tells"),
        FileEdit(f"{UNITS}/multi-user.target.wants/tell.service", None, "tells", mode=0o777,
                 target=f"{UNITS}/tell.service"),
    )  # fmt: skip
    with FileSource(source) as file:
        disk = open_disk(file)
        opened = Opened(scan([disk]))
        opened.open_all()
        (system,) = find_systems(opened)
        work = path.with_suffix(".work")
        work.mkdir()
        changes = [piece for _, piece in pieces(edit_volume(system.volume, edits, work))]
        write_overlay(changes, disk, (source.name, "raw"), path)
    return path


def adapters(disk: Path, nic: str, folder: Path, mac: str = MAC) -> tuple[dict[str, str], str]:
    """Start the guest; return its adapters with their addresses, and its machine-id."""
    folder.mkdir()
    xml = folder / "guest.xml"
    xml.write_text(DOMAIN.format(disk=disk, nic=nic, mac=mac))
    log = folder / "serial.log"
    result = boot_domain(xml, log=log, timeout=1200)
    assert result.verdict is Verdict.LOGIN, result
    text = log.read_text(errors="replace")
    found = re.findall(r"ADAPTER (\S+) (\S*) ?END", text)
    (own,) = set(re.findall(r"MACHINE ([0-9a-f]{32}) END", text))
    return {name: address for name, address in found if name != "lo"}, own


@pytest.mark.boot
def test_a_static_address_stays_with_its_adapter(tmp_path: Path) -> None:
    built = appliance.build(Path(appliance.__file__).parents[1] / ".cache" / "demo")
    source = tmp_path / "guest.img"  # beside its overlays: none outside a folder is read
    subprocess.run(["cp", "--sparse=always", built, source], check=True)
    before = with_static_address(source, tmp_path / "before.qcow2")
    machine = tmp_path / "machine.xml"
    machine.write_text(DOMAIN.format(disk=before, nic="vmxnet3", mac=MAC))
    after = tmp_path / "after.qcow2"
    wishes = ("--for", "all", "--no-roots", "--identity", "new", "--agents")
    assert run(["adapt", str(machine), *wishes, "-o", str(after)]) == 0
    had, own = adapters(before, "virtio", tmp_path / "unadapted")
    assert had
    assert ADDRESS not in had.values()
    assert own == OLD
    # The address goes along, or the target draws one.
    for nic, mac in (("virtio", MAC), ("e1000", "52:54:00:11:22:33")):
        has, own = adapters(after, nic, tmp_path / nic, mac)
        assert has == {"ens192": ADDRESS}
        assert own != OLD
