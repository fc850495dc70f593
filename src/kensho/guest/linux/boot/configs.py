"""Where boot loaders keep their configuration, and what they start by default."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kensho.guest.files.tree import GuestFiles
from kensho.guest.linux.boot.grub_menu import chosen, ways
from kensho.guest.linux.boot.syntax import (
    BLS,
    GRUB2,
    LEGACY,
    PLAIN,
    SHELL,
    SYSLINUX,
    UPDATE_EXTLINUX,
    Entry,
    Syntax,
    entries,
)
from kensho.guest.linux.software import matches
from kensho.model.errors import KenshoError

_MOST = 1 << 19  #: bytes of a file; a larger one is none
_MOST_FILES = 100  #: of one pattern
_ESPS = ("/boot/efi", "/efi", "/boot")
_ENV_SIZE = 1024

#: Loader, language, paths. Loaders' own files first, then what they are made from.
_LOADERS: tuple[tuple[str, Syntax, tuple[str, ...]], ...] = (
    ("grub2", GRUB2, (
        "/boot/grub/grub.cfg", "/boot/grub2/grub.cfg", "/boot/grub/custom.cfg", "/boot/grub2/custom.cfg",
        *(f"{esp}/EFI/*/grub.cfg" for esp in _ESPS), "/efi/grub/grub.cfg")),
    ("grub-legacy", LEGACY, (
        "/boot/grub/menu.lst", "/boot/grub/grub.conf",
        *(f"{esp}/EFI/*/grub.conf" for esp in _ESPS))),
    ("bls", BLS, tuple(f"{top}/loader/entries/*.conf" for top in ("/boot", "/efi", "/boot/efi"))),
    ("syslinux", SYSLINUX, (
        "/boot/extlinux/*.conf", "/boot/extlinux/*.cfg", "/boot/extlinux.conf", "/extlinux.conf",
        "/boot/syslinux/*.cfg", "/boot/syslinux.cfg")),
)  # fmt: skip
_SOURCES: tuple[tuple[str, Syntax, tuple[str, ...]], ...] = (
    ("grub2", GRUB2, ("/etc/grub.d/4?_custom",)),
    ("grub2", SHELL, ("/etc/default/grub", "/etc/default/grub.d/*.cfg")),
    ("syslinux", SHELL, ("/etc/default/extlinux",)),
    ("syslinux", UPDATE_EXTLINUX, ("/etc/update-extlinux.conf",)),
    ("grub-legacy", SHELL, ("/etc/sysconfig/bootloader",)),
    ("bls", PLAIN, ("/etc/kernel/cmdline", "/etc/cmdline.d/*.conf")),
    ("dracut", SHELL, ("/etc/dracut.conf", "/etc/dracut.conf.d/*.conf")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration file. ``source`` tells of one that loaders' files are made from."""

    loader: str
    path: str
    syntax: Syntax
    source: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """A kernel that a loader offers: as `BootFacts` in the report of `inspect`."""

    loader: str
    config: str
    title: str
    kernel: str
    arguments: str
    initrd: bool
    default: bool


def configs(files: GuestFiles) -> Iterator[Config]:
    """Yield the configuration files that are there, each once: the loaders' own come first."""
    seen: set[str] = set()
    for table, source in ((_LOADERS, False), (_SOURCES, True)):
        for loader, syntax, patterns in table:
            for pattern in patterns:
                for path in matches(files, pattern)[:_MOST_FILES]:
                    real = files.settled(path)
                    key = real.lower()  # /boot/efi and /boot/EFI of one FAT
                    if key not in seen and files.stat(real).size <= _MOST:
                        seen.add(key)
                        yield Config(loader, path, syntax, source)


def started(files: GuestFiles, read: Callable[[str], str]) -> tuple[Started, ...]:
    """Return the kernels that the loaders offer. ``read`` returns a file's text, empty without one."""
    found: list[Started] = []
    for loader in dict.fromkeys(row[0] for row in _LOADERS):
        offered = [
            (config, entry, text)
            for config in configs(files)
            if config.loader == loader and not config.source
            for text in (read(config.path),)
            for entry in entries(text, config.syntax)
            if entry.starts_linux
        ]
        options = environment(files, read).get("kernelopts", "")
        default = _default(files, read, loader, offered)
        for number, (config, entry, text) in enumerate(offered):
            spans = entry.spans if config.syntax.options else entry.spans[:1]
            words = " ".join(" ".join(text[a:b].split()) for a, b in spans)
            words = words.replace("$kernelopts", options)
            found.append(
                Started(loader, config.path, _title(config, entry, text), entry.kernel,
                        " ".join(words.split()), entry.initrd, number == default)
            )  # fmt: skip
    return tuple(found)


def _title(config: Config, entry: Entry, text: str) -> str:
    if entry.title or config.syntax is not BLS:
        return entry.title
    match = re.search(r"^title[ \t]+(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else posixpath.basename(config.path).removesuffix(".conf")


def _default(
    files: GuestFiles,
    read: Callable[[str], str],
    loader: str,
    offered: list[tuple[Config, Entry, str]],
) -> int | None:
    """Return which of the entries is started by itself; None where that is not told."""
    if not offered:
        return None
    if loader == "bls":
        return _default_bls(files, read, offered)
    text = offered[0][2]
    if loader == "syslinux":
        match = re.search(
            r"^[ \t]*(?:default|ontimeout)[ \t]+(\S+)", text, re.MULTILINE | re.IGNORECASE
        )
        titles = [entry.title for _, entry, _ in offered]
        return titles.index(match[1]) if match and match[1] in titles else 0
    if loader == "grub-legacy":
        match = re.search(r"^default[ \t=]+(\d{1,4})", text, re.MULTILINE)
        titles = [m["title"].strip() for m in LEGACY.begin.finditer(text)] if LEGACY.begin else []
        return _of(offered, titles, int(match[1]) if match else 0)
    match = re.search(r"^[ \t]*set default=[\"']?([^\"'\n]*)", text, re.MULTILINE)
    word = match[1].strip() if match else "0"
    if "saved_entry" in word or not word:
        word = environment(files, read).get("saved_entry", "0")
    return _of(offered, [way[-1][1] for way in ways(text)], chosen(text, word))


def _of(offered: list[tuple[Config, Entry, str]], titles: list[str], number: int) -> int | None:
    """Return which offered entry is that one of all the menu's; None for one that is not Linux."""
    if number >= len(titles):
        return 0
    same = titles[:number].count(titles[number])  # titles may come twice
    here = [n for n, (_, entry, _) in enumerate(offered) if entry.title == titles[number]]
    return here[same] if same < len(here) else None


def _default_bls(
    files: GuestFiles, read: Callable[[str], str], offered: list[tuple[Config, Entry, str]]
) -> int:
    names = [posixpath.basename(config.path).removesuffix(".conf") for config, _, _ in offered]
    saved = environment(files, read).get("saved_entry", "")
    for top in ("/boot", "/efi", "/boot/efi"):
        match = re.search(r"^default[ \t]+(\S+)", read(f"{top}/loader/loader.conf"), re.MULTILINE)
        saved = saved or (match[1].removesuffix(".conf").rstrip("*") if match else "")
    if saved:
        for number, name in enumerate(names):
            if name == saved or (name.startswith(saved) and saved not in names):
                return number
    # Without a choice the newest is started; rescue entries sort before (their version is 0).
    return max(range(len(names)), key=lambda n: ("rescue" not in names[n], _version(names[n])))


def _version(name: str) -> list[tuple[int, int | str]]:
    return [(1, int(p)) if p.isdigit() else (0, p) for p in re.findall(r"\d+|[a-z]+", name)]


def environment(files: GuestFiles, read: Callable[[str], str]) -> dict[str, str]:
    """Return GRUB's environment block: names to values (GRUB manual, "environment block")."""
    for path in environment_paths(files):
        lines = read(path).split("\n")
        return {k: v for k, mark, v in (line.partition("=") for line in lines) if mark}
    return {}


def environment_paths(files: GuestFiles) -> tuple[str, ...]:
    """Return where environment blocks are, links followed, each once."""
    patterns = ("/boot/grub/grubenv", "/boot/grub2/grubenv", *(f"{e}/EFI/*/grubenv" for e in _ESPS))
    paths = (files.settled(p) for pattern in patterns for p in matches(files, pattern))
    return tuple({path.lower(): path for path in paths}.values())


def text_of(files: GuestFiles, path: str) -> str:
    """Return a text file of a guest that is only read, empty when there is none."""
    try:
        return files.read(path, _MOST).decode("utf-8", "surrogateescape")
    except KenshoError:
        return ""
