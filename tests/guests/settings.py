"""What a guest's own files say: file systems, boot loader, makers of the initramfs, and its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

PROBE = "/usr/local/sbin/guest-report"
REBUILD = "/usr/local/sbin/guest-rebuild"
#: What the guest says of itself: `tests.guests.boots` reads it.
MARK = "GUEST-REPORT"

# Once as PID 1, which is quick, or from a full system. Drivers are looked for as udev does it, by modalias.
_REPORT = f"""\
#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
drivers() {{
  at=$(readlink -f "$1")
  while [ "$at" != /sys ] && [ "$at" != / ]; do
    if [ -e "$at/driver" ]; then basename "$(readlink -f "$at/driver")"; fi
    at=$(dirname "$at")
  done | paste -sd,
}}
adapters() {{
  for path in /sys/bus/pci/devices/* /sys/bus/virtio/devices/*; do
    case $(cat "$path/class" 2>/dev/null) in 0x02*|"") modprobe -qb "$(cat "$path/modalias")";; esac
  done
}}
if [ $$ = 1 ]; then adapters; adapters; fi
root=$(readlink -f "$(findmnt -no SOURCE / | sed 's/\\[.*//')")
disk=/sys/class/block/$(basename "$root")
for under in "$disk"/slaves/*; do if [ -e "$under" ]; then disk=$under; fi; done
for net in /sys/class/net/*; do
  if [ -e "$net/device" ]; then nets="$nets $(basename "$net")=$(drivers "$net/device")"; fi
done
firmware=bios
if [ -d /sys/firmware/efi ]; then firmware=uefi; fi
{{
  echo
  echo "{MARK} kernel=$(uname -r) firmware=$firmware root=$root drivers=$(drivers "$disk")" \\
    "nets=[$nets ]"
}} >/dev/ttyS0
if [ $$ = 1 ]; then
  echo o >/proc/sysrq-trigger
  sleep 60
fi
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
if [ "$done" ]; then echo "{MARK} rebuilt"; fi
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
ExecStart={PROBE}
"""


def common() -> dict[str, str]:
    """Return the files of every guest."""
    return {
        "etc/hostname": "guest\n",
        "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 guest\n",
        "etc/systemd/system/guest-report.service": _UNIT,
        PROBE[1:]: _REPORT,
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
#: dracut tries 360 times for a root that is not there, and asks on the console.
DRACUT_WORDS = "rd.retry=15 rd.shell=0"
