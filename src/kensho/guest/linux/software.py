"""What is installed in a Linux guest: boot loaders, hypervisors' tools, networks.

Tables of paths; the first one that is there tells. Paths with ``*`` have it in the last part.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Sequence

from kensho.guest.files.tree import GuestFiles
from kensho.model.errors import KenshoError

_BOOT_LOADERS = (
    ("grub2", ("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg")),
    ("grub-legacy", ("/boot/grub/menu.lst", "/boot/grub/grub.conf")),
    ("bls", ("/boot/loader/entries/*.conf", "/efi/loader/entries/*.conf")),
    ("extlinux", ("/boot/extlinux/extlinux.conf", "/boot/extlinux.conf")),
    ("syslinux", ("/boot/syslinux/syslinux.cfg",)),
    ("lilo", ("/etc/lilo.conf",)),
    ("freebsd-loader", ("/boot/loader", "/boot/loader.conf")),
    ("openbsd-boot", ("/etc/boot.conf", "/usr/mdec/biosboot")),
    ("netbsd-boot", ("/boot.cfg",)),
)
#: On an EFI system partition, wherever that is mounted, if it is.
_EFI_LOADERS = (
    ("grub2-efi", ("/EFI/*/grubx64.efi", "/EFI/*/grubaa64.efi", "/EFI/*/grub.cfg")),
    ("systemd-boot", ("/EFI/systemd/systemd-boot*.efi",)),
    ("uki", ("/EFI/Linux/*.efi",)),
    ("efi-fallback", ("/EFI/BOOT/BOOT*.EFI",)),
    ("freebsd-efi", ("/EFI/freebsd/loader.efi",)),
    ("windows", ("/EFI/Microsoft/Boot/bootmgfw.efi",)),
)
_TOOLS = (
    ("open-vm-tools", ("/usr/bin/vmtoolsd",)),
    ("vmware-tools", ("/etc/vmware-tools/locations", "/usr/lib/vmware-tools")),
    ("virtualbox-guest-additions", ("/usr/sbin/VBoxService", "/opt/VBoxGuestAdditions-*")),
    ("qemu-guest-agent", ("/usr/bin/qemu-ga", "/usr/sbin/qemu-ga")),
    ("spice-vdagent", ("/usr/bin/spice-vdagent", "/usr/sbin/spice-vdagentd")),
    ("xe-guest-utilities", ("/usr/sbin/xe-daemon", "/usr/sbin/xe-linux-distribution")),
    ("hyperv-daemons", ("/usr/sbin/hv_kvp_daemon", "/usr/sbin/hypervkvpd",
                        "/usr/lib/linux-tools/*/hv_kvp_daemon")),
    ("parallels-tools", ("/usr/bin/prltoolsd", "/usr/lib/parallels-tools")),
    ("cloud-init", ("/usr/bin/cloud-init",)),
    ("azure-agent", ("/usr/sbin/waagent", "/usr/bin/waagent")),
    ("google-guest-agent", ("/usr/bin/google_guest_agent",)),
    ("amazon-ssm-agent", ("/usr/bin/amazon-ssm-agent",)),
)  # fmt: skip
_NETWORKS = (
    ("netplan", ("/etc/netplan/*.yaml",)),
    ("networkmanager", ("/etc/NetworkManager/system-connections/*",)),
    ("ifcfg", ("/etc/sysconfig/network-scripts/ifcfg-*",)),
    ("wicked", ("/etc/sysconfig/network/ifcfg-*",)),
    ("systemd-networkd", ("/etc/systemd/network/*.network",)),
    ("ifupdown", ("/etc/network/interfaces", "/etc/network/interfaces.d/*")),
    ("udev-persistent-names", ("/etc/udev/rules.d/70-persistent-net.rules",)),
    ("udev-links", ("/etc/systemd/network/*.link",)),
)
_NAMES = {
    "ifupdown": re.compile(r"^[ \t]*iface\s+(\S+)", re.MULTILINE),
    "netplan": re.compile(r"^ {4}([A-Za-z][\w.-]*):\s*$", re.MULTILINE),
    "networkmanager": re.compile(r"^interface-name=(\S+)", re.MULTILINE),
    "systemd-networkd": re.compile(r"^Name=(.+)$", re.MULTILINE),
    "udev-persistent-names": re.compile(r'NAME="([^"]+)"'),
    "udev-links": re.compile(r"^Name=(.+)$", re.MULTILINE),
}
_MAX_TEXT = 1 << 20
_ELF = {0x03: "i386", 0x28: "arm", 0x3E: "x86_64", 0xB7: "aarch64", 0xF3: "riscv64", 0x15: "ppc64",
        0x16: "s390x"}  # fmt: skip


def boot_loaders(files: GuestFiles, esps: Sequence[GuestFiles] = ()) -> tuple[str, ...]:
    """Return the boot loaders whose files are there, in the system or on an EFI system partition."""
    found = [name for name, paths in _BOOT_LOADERS if _any(files, paths)]
    found += [
        name for name, paths in _EFI_LOADERS if any(_any(esp, paths, fold=True) for esp in esps)
    ]
    return tuple(found)


def hypervisor_tools(files: GuestFiles) -> tuple[str, ...]:
    """Return the hypervisors' and clouds' tools that are installed."""
    return tuple(name for name, paths in _TOOLS if _any(files, paths))


def networks(files: GuestFiles) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Yield style, files and adapters named in them, of each way the network is set up."""
    for style, paths in _NETWORKS:
        found = tuple(path for pattern in paths for path in matches(files, pattern))
        names = dict.fromkeys(name for path in found for name in _adapters(files, style, path))
        names.pop("lo", None)
        only_loopback = style in {"ifupdown", "ifcfg", "wicked"} and not names
        if found and not only_loopback:
            yield style, found, tuple(names)


def _adapters(files: GuestFiles, style: str, path: str) -> list[str]:
    if style in {"ifcfg", "wicked"}:
        name = path.rpartition("/ifcfg-")[2]
        return [name] if re.fullmatch(r"[\w.-]+", name) and not name.endswith(".bak") else []
    try:
        text = files.read(path, _MAX_TEXT).decode("utf-8", "replace")
    except KenshoError:
        return []
    return [name for name in _NAMES[style].findall(text) if name.isprintable()]


def architecture(files: GuestFiles) -> str:
    """Return the machine of the guest's own programs, by an ELF header; empty when not found."""
    for path in ("/bin/sh", "/usr/bin/env", "/sbin/init", "/bin/busybox"):
        try:
            head = files.head(path, 20)
        except KenshoError:
            continue
        if head[:4] == b"\x7fELF":
            order = "little" if head[5] == 1 else "big"
            number = int.from_bytes(head[18:20], "little" if order == "little" else "big")
            return _ELF.get(number, f"elf{number}")
    return ""


def matches(files: GuestFiles, pattern: str, *, fold: bool = False) -> tuple[str, ...]:
    """Return the paths that fit a pattern with ``*`` in its parts, sorted; ``fold`` ignores case."""
    found = [""]
    for part in pattern.strip("/").split("/"):
        if "*" not in part:
            found = [f"{base}/{part}" for base in found]
            continue
        found = [
            f"{base}/{name}"
            for base in found
            for name in files.names_or_none(base or "/")
            if fnmatch.fnmatchcase(*((name.lower(), part.lower()) if fold else (name, part)))
        ][:10_000]
    return tuple(path for path in found if files.exists(path))


def _any(files: GuestFiles, patterns: tuple[str, ...], *, fold: bool = False) -> bool:
    return any(matches(files, pattern, fold=fold) for pattern in patterns)
