"""The rules for a kernel's command line: devices that keep their name, a serial console, old leftovers.

Sources: the kernel's Documentation/admin-guide/kernel-parameters.txt and serial-console.rst,
dracut.cmdline(7), initramfs-tools(7), bootparam(7).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from kensho.guest.linux.device_names import moving
from kensho.guest.linux.named_volumes import Devices
from kensho.guest.volumes.scan import Volume

#: The screen last: it stays /dev/console, where a start's messages and prompts go as before. Kernel
#: messages go to both, and systemd asks for a login on both (systemd-getty-generator(8)).
CONSOLES = "console=ttyS0,115200 console=tty0"

_DEVICE = re.compile(
    r"(?:^|(?<=[\s\"']))(?:(?P<word>root|real_root|resume|real_resume|boot)=(?P<device>/dev/[^\s\"']+)"
    r"|(?P<crypt>cryptdevice|cryptroot|crypt_root)=(?P<below>/dev/[^\s\"':]+))"
)
#: Devices in other arguments, as in ``rootflags=device=/dev/sdb2``.
_OTHER_DEVICE = re.compile(
    r"(?:^|(?<=[\s\"']))[\w.-]+=[^\s\"'/]*(?P<device>/dev/[^\s\"',:]+)[^\s\"']*"
)
_HAS_CONSOLE = re.compile(r"(?:^|[\s\"'])console=")
_XEN_CONSOLE = re.compile(r"(?:^|(?<=[\s\"']))console=(?:hvc|xvc)\d")
_OTHER_CONSOLE = re.compile(r"(?:^|[\s\"'])console=(?!hvc|xvc)")
_OPAQUE = re.compile(r"\$\{?\w*(?:kernelopts|cmdline|opts)\w*")
#: What ends the arguments of a kernel: those of init, or a comment.
_END = re.compile(r"(?<![ \t])[ \t]+(?:---?|#)(?:[ \t]|$)")
_ROOT = re.compile(r"(?:^|[\s\"'])(?:real_)?root=(?P<root>[^\s\"']+)")
_RESUME = re.compile(r"(?:^|[\s\"'])resume=(?P<resume>(?:UUID|LABEL|PARTUUID)=[^\s\"']+)")
_BLACKLIST = re.compile(
    r"(?P<gap>^|(?<![ \t])[ \t]+|(?<=[\"']))"
    r"(?P<word>modprobe\.blacklist|rd\.driver\.blacklist|rdblacklist|blacklist)=(?P<names>[\w,-]+)(?![^\s\"'])"
)
_KIND = {"resume": "swap", "real_resume": "swap"}
_PLACE = {"root": "/", "real_root": "/", "boot": "/boot"}
#: Arguments that were given for the old platform, and what they may do on another.
_OLD = (
    (r"xen_\w+(?:\.\w+)?=\S+|xencons=\S+|earlyprintk=xen|iommu=soft|pciback\.\S+", "is for Xen"),
    (r"xen-(?:blk|net|fb)\w*\.\S+", "is for Xen"),
    (r"(?:vmw_\w+|vmxnet3?|mptspi|mptsas)\.\S+", "is for VMware"),
    (r"(?:hv_\w+|hyperv_\w+)\.\S+", "is for Hyper-V"),
    (r"(?:virtio_\w+|kvm-?\w*)\.\S+", "is for KVM"),
    (r"clocksource=\S+|notsc|tsc=\S+|divider=\d+", "fits the old platform's clock"),
    (r"elevator=\S+", "is no longer known to new kernels"),
    (r"(?:ide\d+|hd[a-z])=\S+|ide-core\.\S+", "hides drives where disks are on IDE"),
    (r"pci=no\S+|noapic|nolapic|acpi=off", "may keep devices from working"),
    (r"(?:modprobe\.|rd\.driver\.|rd)?blacklist=\S+", "keeps drivers from being loaded"),
)
_OLD_WORDS = tuple((re.compile(rf"(?:^|(?<=[\s\"']))({p})(?=[\s\"']|$)"), why) for p, why in _OLD)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A command line as it is to be: ``changes`` in words, ``unknown`` names that cannot be told."""

    text: str
    changes: tuple[str, ...]
    unknown: tuple[str, ...]


def with_stable_names(text: str, devices: Devices, *, initramfs: bool) -> Rewritten:
    """Replace names of devices that move. ``initramfs``: one is there to look UUIDs up."""
    changes: list[str] = []
    unknown: list[str] = []

    def stable(match: re.Match[str]) -> str:
        word, device = match["word"] or match["crypt"], match["device"] or match["below"]
        if moving(device) is None:
            return match[0]
        kind = "crypto_LUKS" if match["crypt"] else _KIND.get(word, "")
        volume = devices.volume(device, kind, _PLACE.get(word, ""))
        if match["crypt"] and device.startswith("/dev/disk/by-path/"):
            volume = None  # it has colons, too: where it ends is not told
        name = devices.stable(volume, by_kernel=not initramfs) if volume else ""
        if not name:
            unknown.append(f"{word}={device}")
            return match[0]
        changes.append(f"{word}={device} → {word}={name}")
        return f"{word}={name}"

    fixed = _DEVICE.sub(stable, text)
    left = (match for match in _OTHER_DEVICE.finditer(fixed) if moving(match["device"]))
    unknown += [match[0] for match in left if match[0] not in unknown]
    return Rewritten(fixed, tuple(changes), tuple(unknown))


def without_blacklists(text: str, needed: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """Allow drivers that the targets need (names with ``_`` for a dash); return which were forbidden.

    modprobe(8) and dracut.cmdline(7) take lists with commas, in the initramfs as well.
    """
    freed: list[str] = []

    def allowed(match: re.Match[str]) -> str:
        names = match["names"].split(",")
        left = [name for name in names if name.replace("-", "_") not in needed]
        freed.extend(name for name in names if name not in left)
        if left == names:
            return match[0]
        return f"{match['gap']}{match['word']}={','.join(left)}" if left else ""

    text = _BLACKLIST.sub(allowed, text)
    return text, tuple(freed)


def with_consoles(text: str) -> str:
    """Return a command line with screen and serial console, where it names none that is everywhere.

    Xen's own console stays, and stays the first choice where there is one: the last that is named.
    """
    if _OTHER_CONSOLE.search(text) or _OPAQUE.search(text):
        return text
    xen = _XEN_CONSOLE.search(text)
    if xen:
        return f"{text[: xen.start()]}{CONSOLES} {text[xen.start() :]}"
    end = _END.search(text)
    at = end.start() if end else len(text.rstrip("\\ \t\r\n"))
    gap = " " if text[:at].strip() else text[:at] and ""
    return f"{text[:at]}{gap}{CONSOLES}{text[at:]}"


def has_console(text: str) -> bool:
    """Tell whether a command line names a console."""
    return bool(_HAS_CONSOLE.search(text))


def root_of(text: str) -> str | None:
    """Return what ``root=`` says; None when there is none, empty where a variable may say it."""
    match = _ROOT.search(text)
    if match:
        return match["root"]
    return "" if _OPAQUE.search(text) or re.search(r"(?:^|\s)boot=(?:live|casper)", text) else None


def missing_resume(text: str, devices: Devices) -> str:
    """Return the ``UUID=…`` of ``resume=`` that is on none of the disks, empty when it is there."""
    match = _RESUME.search(text)
    return match["resume"] if match and devices.volumes.find(match["resume"]) is None else ""


def root_volume(text: str, devices: Devices) -> Volume | None:
    """Return the volume that ``root=UUID=…`` and its like mean."""
    root = root_of(text) or ""
    return devices.volumes.find(root) if re.match(r"(?:PART)?(?:UUID|LABEL)=", root) else None


def leftovers(text: str) -> Iterator[tuple[str, str]]:
    """Yield arguments that were for the old platform, and what is to be said of each."""
    for pattern, why in _OLD_WORDS:
        for word in pattern.findall(text):
            yield word, why
