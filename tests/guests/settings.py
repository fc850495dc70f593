"""What a guest's own files say: file systems, boot loader, makers of the initramfs, and its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import kensho.proof.inside

PROBE = "/usr/local/sbin/guest-probe"
REBUILD = "/usr/local/sbin/guest-rebuild"
REBUILT = "guest-rebuild: done"  #: said on the serial port
REPORT_SCRIPT = Path(kensho.proof.inside.__file__).with_name("report.sh")
_REPORT = "/usr/local/sbin/kensho-report"

# As PID 1, which is quick. No udev runs, so adapters' drivers are looked for here as it does, by modalias:
# twice, because virtio's devices come with the driver of their PCI function.
_PROBE = f"""\
#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
for again in 1 2; do
  for path in /sys/bus/pci/devices/* /sys/bus/virtio/devices/*; do
    case $(cat "$path/class" 2>/dev/null) in 0x02*|"") modprobe -qb "$(cat "$path/modalias")";; esac
  done
done
KENSHO_WAIT=0 {_REPORT}
echo o >/proc/sysrq-trigger
sleep 60
"""

# The guest's own makers of initramfs, for the kernel that runs, as an update of it runs them.
_REBUILD = f"""\
#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec >/dev/ttyS0 2>&1 </dev/null
mount -o remount,rw /
mount -a
if [ -e /etc/dracut.conf.d/10-guest.conf ]; then
  dracut --force && done=1
else
  update-initramfs -u -k "$(uname -r)" && done=1
fi
sync
if [ "$done" ]; then echo "{REBUILT}"; fi
umount /boot 2>/dev/null
mount -o remount,ro /
echo o >/proc/sysrq-trigger
sleep 60
"""

_UNIT = f"""\
[Unit]
Description=Report to the serial port
Before=serial-getty@ttyS0.service
[Service]
Type=oneshot
Environment=KENSHO_WAIT=0
ExecStart={_REPORT}
"""


def common() -> dict[str, str]:
    """Return the files of every guest."""
    return {
        "etc/hostname": "guest\n",
        "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 guest\n",
        "etc/systemd/system/guest-report.service": _UNIT,
        _REPORT[1:]: REPORT_SCRIPT.read_text(),
        PROBE[1:]: _PROBE,
        REBUILD[1:]: _REBUILD,
    }


def links() -> dict[str, str]:
    """Return the links of every guest: which units it starts."""
    wants = "etc/systemd/system/multi-user.target.wants"
    return {
        f"{wants}/guest-report.service": "/etc/systemd/system/guest-report.service",
        f"{wants}/systemd-networkd.service": "/lib/systemd/system/systemd-networkd.service",
    }


def entry(kernel: str, kind: str) -> str:
    """Return the name of a boot loader's entry: ``probe``, ``rebuild`` or ``full`` for a kernel."""
    return f"{kind}-{kernel}"


def grub(
    kernels: Sequence[str], boot_uuid: str, folder: str, root: str, words: Mapping[str, str]
) -> str:
    """Return ``grub.cfg``; the first kernel's ``probe`` is what starts.

    ``folder`` is where kernels are on the file system ``boot_uuid``.
    """
    lines = [
        "serial --unit=0 --speed=115200",
        "terminal_input console serial",
        "terminal_output console serial",
        "set timeout=0",
        f'set default="{entry(kernels[0], "probe")}"',
        f"search --no-floppy --fs-uuid --set=root {boot_uuid}",
    ]
    for kernel in kernels:
        for kind, extra in words.items():
            line = f"root={root} ro console=tty0 console=ttyS0,115200 {extra}".rstrip()
            name = entry(kernel, kind)
            lines += [
                f"menuentry '{name}' --id '{name}' {{",
                f"  linux {folder}/vmlinuz-{kernel} {line}",
                f"  initrd {folder}/initrd.img-{kernel}",
                "}",
            ]
    return "\n".join(lines) + "\n"


#: Kinds of entries: how they end the kernel's command line.
WORDS = {"probe": f"init={PROBE}", "rebuild": f"init={REBUILD}", "full": ""}
#: dracut looks for a root that is not there 360 times, which takes minutes, and then asks on the console.
DRACUT_WORDS = "rd.retry=5 rd.shell=0"
