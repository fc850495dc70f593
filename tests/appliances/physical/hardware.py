"""Fake /proc, /sys and /dev trees, shaped as Linux shapes them."""

from __future__ import annotations

import os
from pathlib import Path

CPU = """processor\t: {n}
vendor_id\t: GenuineIntel
model name\t: Xeon(R) Gold 6230
physical id\t: {socket}
flags\t\t: fpu lm vmx sse2
"""


class Hardware:
    """A machine under construction below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._devices = 0
        self._mounts: list[str] = []
        self.put("proc/self/mountinfo", "")

    def put(self, path: str, text: str | bytes) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)

    def link(self, path: str, to: str) -> None:
        """Make a relative link from ``path`` to ``to``, both below the root, as sysfs does."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        (self.root / to).mkdir(parents=True, exist_ok=True)
        target.symlink_to(os.path.relpath(self.root / to, target.parent))

    def usual(self, *, cpus: int = 4, sockets: int = 2, memory_kib: int = 65_000_000) -> Hardware:
        text = "\n".join(CPU.format(n=n, socket=n * sockets // cpus) for n in range(cpus))
        self.put("proc/cpuinfo", text)
        self.put("proc/meminfo", f"MemTotal:       {memory_kib} kB\nMemFree: 1 kB\n")
        self.put("proc/stat", "cpu 1 2 3\nbtime 1700000000\n")
        self.put("proc/sys/kernel/hostname", "web01\n")
        self.put("proc/sys/kernel/random/boot_id", "0b1f8d2e-0000-4000-8000-000000000001\n")
        self.put("etc/os-release", 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n')
        return self

    def disk(
        self,
        name: str,
        *,
        below: str,
        driver: str,
        size: int = 8 << 20,
        parts: int = 1,
        content: bytes | None = None,
        **fields: str,
    ) -> str:
        """Add a disk on the device path ``below`` sys/devices, its controller's driver bound."""
        controller = f"sys/devices/{below.partition('/host')[0].partition('/nvme/')[0]}"
        real = f"sys/devices/{below}/block/{name}"
        self.link(f"{controller}/driver", f"sys/bus/pci/drivers/{driver}")
        self._block(real, name, size)
        (self.root / real / "device").mkdir(exist_ok=True)
        for key, value in fields.items():
            self.put(f"{real}/{key.replace('__', '/')}", value)
        for n in range(1, parts + 1):
            part = f"{name}p{n}" if name[-1].isdigit() else f"{name}{n}"
            self._block(f"{real}/{part}", part, size // 2, whole=False)
            self.put(f"{real}/{part}/partition", f"{n}\n")
            self.put(f"{real}/{part}/start", f"{2048 * n}\n")
        self.put(f"dev/{name.replace('!', '/')}", content if content is not None else bytes(size))
        return real

    def virtual(self, name: str, size: int, uuid: str, *on: str) -> None:
        """Add a device-mapper or md device built on other devices."""
        real = f"sys/devices/virtual/block/{name}"
        self._block(real, name, size)
        self.put(f"{real}/dm/uuid", uuid)
        for below in on:
            place = self.root / f"sys/class/block/{below}"
            (Path(os.path.realpath(place)) / "holders" / name).mkdir(parents=True)
            (self.root / real / "slaves" / below).mkdir(parents=True)

    def _block(self, real: str, name: str, size: int, *, whole: bool = True) -> None:
        self._devices += 1
        self.put(f"{real}/size", f"{size // 512}\n")
        self.put(f"{real}/dev", f"8:{self._devices}\n")
        self.link(f"sys/class/block/{name}", real)
        if whole:
            self.link(f"sys/block/{name}", real)

    def mount(self, device: str, place: str, kind: str = "ext4", how: str = "rw") -> None:
        number = (self.root / f"sys/class/block/{device}/dev").read_text().strip()
        self._mounts.append(f"1 0 {number} / {place} {how} shared:1 - {kind} /dev/{device} {how}")
        self.put("proc/self/mountinfo", "\n".join(self._mounts) + "\n")

    def nic(self, name: str, mac: str, driver: str, address: str) -> None:
        device = f"sys/devices/pci0000:00/{address}"
        self.link(f"{device}/driver", f"sys/bus/pci/drivers/{driver}")
        self.put(f"{device}/net/{name}/address", f"{mac}\n")
        self.put(f"{device}/net/{name}/speed", "1000\n")
        self.link(f"{device}/net/{name}/device", device)
        self.link(f"sys/class/net/{name}", f"{device}/net/{name}")

    def bridge(self, name: str) -> None:
        self.put(f"sys/devices/virtual/net/{name}/address", "02:00:00:00:00:01\n")
        self.link(f"sys/class/net/{name}", f"sys/devices/virtual/net/{name}")

    def pci(self, address: str, kind: int, vendor: int = 0x8086, device: int = 1) -> None:
        place = f"sys/devices/pci0000:00/{address}"
        for key, value in (("class", kind), ("vendor", vendor), ("device", device)):
            self.put(f"{place}/{key}", f"{value:#06x}\n")
        self.link(f"sys/bus/pci/devices/{address}", place)


SATA = "pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0"
RAID = "pci0000:00/0000:02:00.0/host1/target1:2:0/1:2:0:0"
NVME = "pci0000:00/0000:01:00.0/nvme/nvme0"
USB = "pci0000:00/0000:00:14.0/usb1/1-1/1-1:1.0/host5/target5:0:0/5:0:0:0"
