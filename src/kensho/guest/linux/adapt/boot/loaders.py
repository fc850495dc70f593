"""Every boot loader's configuration: kernels' command lines with names that hold, and two consoles.

Generated files are changed by the word, and so is what they are made from: the next ``update-grub``,
``grubby`` or ``update-extlinux`` writes the same. `guest/linux/boot/configs.py` says which files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kensho.guest.linux.adapt.boot.arguments import (
    leftovers,
    missing_resume,
    root_of,
    root_volume,
    with_consoles,
    with_stable_names,
    without_blacklists,
)
from kensho.guest.linux.adapt.boot.change import change
from kensho.guest.linux.adapt.boot.devices import devices_of
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.adapt.leftovers.modprobe import needed_drivers
from kensho.guest.linux.boot.configs import Config, configs
from kensho.guest.linux.boot.syntax import GRUB2, SHELL, UPDATE_EXTLINUX, Entry, Syntax, entries
from kensho.guest.linux.device_names import moving
from kensho.guest.linux.named_volumes import Devices
from kensho.guest.linux.software import architecture
from kensho.model.finding import Severity

#: Variables for all starts; those for some alone, and dracut's, are left without a console.
_FOR_ALL = frozenset({"EXTLINUX_PARAMETERS", "DEFAULT_APPEND", "default_kernel_opts"})
#: A root that is said elsewhere in GRUB's configuration.
_IN_VARIABLE = re.compile(r"(?<=[\s\"'])root=\$\{?(\w+)")
_SET = re.compile(r"^[ \t]*set (\w+)=[\"']?(/dev/[^\s\"';]+)", re.MULTILINE)
_SHELLS: tuple[Syntax, ...] = (SHELL, UPDATE_EXTLINUX)
_PC = frozenset({"x86_64", "i386", ""})


def plan_loaders(guest: LinuxGuest) -> None:
    """Plan all configurations; names that cannot be told are KF-860, no root KF-863, leftovers KF-864."""
    devices = devices_of(guest)
    old: dict[str, str] = {}
    for config in configs(guest.system.files):
        text = guest.draft.text(config.path)
        fixed, details = _fixed(guest, config, text, devices, old)
        if fixed == text:
            continue
        done = change(guest, config.path, fixed, "how kernels are started", tuple(details))
        if done and config.loader == "dracut":
            _in_initramfs(guest)
    if old:
        words = ", ".join(f"{word} ({why})" for word, why in sorted(old.items()))
        guest.draft.note(
            "KF-864", Severity.NOTE, f"arguments of kernels that were for the old platform: {words}",
            "left as they are; take them out if the guest does not start or runs badly",
        )  # fmt: skip


def serial(guest: LinuxGuest) -> bool:
    """Tell whether the first serial port is called ttyS0: on a PC."""
    return architecture(guest.system.files) in _PC


def _fixed(
    guest: LinuxGuest, config: Config, text: str, devices: Devices, old: dict[str, str]
) -> tuple[str, list[str]]:
    """Return a configuration as it is to be, and the changes in words."""
    details: list[str] = []
    pieces: list[tuple[int, int, str]] = []
    unknown: dict[str, None] = {}
    rootless: list[str] = []
    needed = needed_drivers(guest.aims)
    for entry in entries(text, config.syntax):
        if entry.kernel and not entry.starts_linux:
            continue
        loose = not entry.kernel
        renamed = [
            with_stable_names(text[start:end], devices, initramfs=entry.initrd or loose)
            for start, end in entry.spans
        ]
        whole = " ".join(new.text for new in renamed)
        old |= dict(leftovers(without_blacklists(whole, needed)[0]))
        serial_too = _wants_console(guest, config, entry, whole, devices)
        for number, ((start, end), new) in enumerate(zip(entry.spans, renamed, strict=True)):
            details += new.changes
            unknown |= dict.fromkeys(new.unknown)
            words, freed = without_blacklists(new.text, needed)
            details += [f"{name} may be loaded" for name in freed]
            if serial_too and (number == 0 or config.syntax.options is None):
                words = with_consoles(words)
                if entry.kernel and not (text[start - 1].isspace() or words[0].isspace()):
                    words = f" {words}"  # the kernel's name had no arguments behind it
                if words != new.text:
                    details.append("screen and serial console")
            pieces.append((start, end, _quoted(text, config, start, words)))
        if entry.kernel and not config.source and root_of(whole) is None:
            rootless.append(entry.title or entry.kernel)
        if missing := missing_resume(whole, devices):
            unknown |= {f"resume={missing}": None}
    pieces += _variables(text, config, devices, details, unknown)
    _notes(guest, config, tuple(unknown), tuple(rootless))
    parts, done = [], 0
    for start, end, words in sorted(pieces):
        parts += [text[done:start], words]
        done = end
    return "".join([*parts, text[done:]]), details


def _wants_console(
    guest: LinuxGuest, config: Config, entry: Entry, whole: str, devices: Devices
) -> bool:
    if not serial(guest) or config.loader == "dracut" or "cmdline.d" in config.path:
        return False
    if config.syntax in _SHELLS:
        return entry.title in _FOR_ALL
    if with_consoles(whole) == whole or moving(root_of(whole) or ""):
        return False
    other = root_volume(whole, devices)  # another system's entry is its own affair
    return other is None or other.id == guest.system.volume.id


def _variables(
    text: str, config: Config, devices: Devices, details: list[str], unknown: dict[str, None]
) -> Iterator[tuple[int, int, str]]:
    """Yield the places of GRUB's variables that hold the root's device, as Photon has them, and what to put there."""
    if config.syntax is not GRUB2:
        return
    names = set(_IN_VARIABLE.findall(text))
    for match in _SET.finditer(text):
        name, device = match.groups()
        if name not in names or moving(device) is None:
            continue
        volume = devices.volume(device, place="/")
        stable = devices.stable(volume, by_kernel=True) if volume else ""
        if stable:
            details.append(f"{name}={device} → {name}={stable}")
            yield (*match.span(2), stable)
        else:
            unknown[f"{name}={device}"] = None


def _quoted(text: str, config: Config, start: int, words: str) -> str:
    """Return a shell's value, in quotes where it had none and becomes several words."""
    if config.syntax in _SHELLS and text[start - 1 : start] == "=" and " " in words:
        return f'"{words}"'
    return words


def _notes(
    guest: LinuxGuest, config: Config, unknown: tuple[str, ...], rootless: tuple[str, ...]
) -> None:
    draft = guest.draft
    if unknown:
        draft.note(
            "KF-860", Severity.WARNING,
            f"{config.path}: which volume is meant cannot be told: {', '.join(unknown)}",
            "name it by UUID (blkid shows it), or take the argument out",
        )  # fmt: skip
    if rootless:
        draft.note(
            "KF-863", Severity.WARNING,
            f"{config.path}: kernels without root=: {', '.join(rootless[:5])}",
            "whether they find their root is not known; add root=UUID=…",
        )  # fmt: skip


def _in_initramfs(guest: LinuxGuest) -> None:
    """Add what dracut keeps of ``kernel_cmdline`` in the initramfs, too: all of its files together."""
    words = ""
    for config in configs(guest.system.files):
        text = guest.draft.text(config.path) if config.loader == "dracut" else ""
        for entry in entries(text, config.syntax):
            for start, end in entry.spans if entry.title == "kernel_cmdline" else ():
                more = text[:start].rstrip("\"'").endswith("+=")
                words = f"{words if more else ''} {text[start:end].strip()}"
    guest.draft.early["etc/cmdline.d/01-default.conf"] = f"{words.strip()}\n".encode(
        "utf-8", "surrogateescape"
    )
