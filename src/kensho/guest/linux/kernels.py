"""The kernels of a Linux guest and their initramfs: where distributions put them."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kensho.guest.files.tree import GuestFiles
from kensho.guest.linux.initramfs.image import Initramfs, open_initramfs
from kensho.guest.linux.modules.index import ModuleIndex, read_index
from kensho.guest.linux.verdict import Kernel, modules_in
from kensho.model.errors import KenshoError

MAX_INITRAMFS = 512 << 20
_MAX_INDEX = 64 << 20
_INDEXES = (
    "modules.dep",
    "modules.alias",
    "modules.softdep",
    "modules.builtin",
    "modules.builtin.modinfo",
)
_IMAGE = re.compile(r"(?:vmlinuz|vmlinux|bzImage|kernel|linux|Image)(?:-(.+))?")
#: What no loader starts by itself; SUSE's vmlinux-VERSION.gz is for debuggers, beside vmlinuz-VERSION.
_RESCUE = re.compile(r"0-rescue|\.old$|\.bak$|^memtest|^vmlinux-.*\.(gz|bz2|xz|zst)$")
#: Debian and Ubuntu; dracut; Mageia, ALT and Red Hat 5; SUSE; Arch and Alpine.
_INITRAMFS = (
    "initrd.img-{v}", "initramfs-{v}.img", "initrd-{v}.img", "initrd-{v}", "initramfs-{v}", "initrd.img"
)  # fmt: skip
_TOPS = ("/boot", "/efi", "/boot/efi")
_MOST_ENTRIES = 100
_MOST_ENTRY = 1 << 16
_HEADER = 0x800


@dataclass(frozen=True, slots=True)
class Found:
    """A kernel's files: paths, empty when there is none; ``version`` is that of its modules."""

    version: str
    image: str
    initramfs: str
    modules: str


def find_kernels(files: GuestFiles) -> tuple[Found, ...]:
    """Return the kernels that have an image or modules, by version.

    A version comes again where entries of a loader start a copy of it with an initramfs of its own.
    """
    found: dict[str, Found] = {}
    folders = ("/lib/modules", "/usr/lib/modules")
    versions = {
        name: f"{folder}/{name}"
        for folder in reversed(folders)
        for name in files.names_or_none(folder)
        if files.exists(f"{folder}/{name}/modules.dep")
    }
    for path, name in _images(files):
        word = _IMAGE.fullmatch(name)
        version = (word[1] if word else None) or ""
        if version not in versions:
            version = version_of(files, path) or version
        if version and version not in found:
            initramfs = _initramfs(files, path, name, version)
            found[version] = Found(version, path, initramfs, versions.get(version, ""))
    for version, folder in versions.items():
        if version not in found:
            found[version] = Found(version, "", "", folder)
    seen = {files.real(one.initramfs) for one in found.values() if one.initramfs}
    copies: list[Found] = []
    for image, initramfs in _entries(files):
        if files.real(initramfs) not in seen:
            seen.add(files.real(initramfs))
            version = next((p for p in image.split("/") if p in versions), version_of(files, image))
            copies.append(Found(version, image, initramfs, versions.get(version, "")))
            if version in found and not found[version].initramfs:
                del found[version]
    every = (*found.values(), *(copy for copy in copies if copy.version))
    return tuple(sorted(every, key=lambda one: one.version))


def _entries(files: GuestFiles) -> Iterator[tuple[str, str]]:
    """Yield image and initramfs of entries after the Boot Loader Specification, where both are there."""
    for top in _TOPS:
        folder = f"{top}/loader/entries"
        for name in files.names_or_none(folder)[:_MOST_ENTRIES]:
            if not name.endswith(".conf"):
                continue
            try:
                text = files.head(f"{folder}/{name}", _MOST_ENTRY).decode("utf-8", "replace")
            except KenshoError:
                continue
            words = {
                key: [
                    path
                    for line in re.findall(rf"^{key}[ \t]+(.*)$", text, re.MULTILINE)
                    for word in line.split()
                    for path in (f"{top}/{word.lstrip('/')}",)
                    if files.exists(path) and not _RESCUE.search(path)
                ]
                for key in ("linux", "initrd")
            }
            # Microcode may come before it, and what is for that start alone after it.
            made = [path for path in words["initrd"] if "ucode" not in path]
            if words["linux"] and made:
                yield words["linux"][0], made[0]


def _images(files: GuestFiles) -> Iterator[tuple[str, str]]:
    """Yield path and name of kernel images, in /boot and in folders of the Boot Loader Spec."""
    for name in files.names_or_none("/boot"):
        if _IMAGE.fullmatch(name) and not _RESCUE.search(name):
            yield f"/boot/{name}", name
    for top in _TOPS:
        for machine in files.names_or_none(top):
            if re.fullmatch(r"[0-9a-f]{32}", machine):
                for version in files.names_or_none(f"{top}/{machine}"):
                    if files.exists(f"{top}/{machine}/{version}/linux"):
                        yield f"{top}/{machine}/{version}/linux", f"linux-{version}"


def _initramfs(files: GuestFiles, path: str, name: str, version: str) -> str:
    folder, _, file = path.rpartition("/")
    short = name.partition("-")[2]
    # A name without a version is that of a kernel without one; beside others it is a link to the latest.
    alone = "-" not in file
    for pattern in _INITRAMFS if alone else _INITRAMFS[:-1]:
        for word in dict.fromkeys((version, short, f"linux-{short}", name)):
            candidate = f"{folder}/{pattern.format(v=word)}"
            if files.exists(candidate):
                return candidate
    for other in ("initrd", "initramfs") if alone else ():
        if files.exists(f"{folder}/{other}"):
            return f"{folder}/{other}"
    return ""


def version_of(files: GuestFiles, path: str) -> str:
    """Return the version that a bzImage tells of itself: Linux Documentation/arch/x86/boot.rst."""
    try:
        head = files.head(path, 0x10000)
    except KenshoError:
        return ""
    if len(head) < _HEADER or head[0x202:0x206] != b"HdrS":
        return ""
    (pointer,) = struct.unpack_from("<H", head, 0x20E)
    text = head[pointer + 0x200 : pointer + 0x200 + 200].partition(b"\0")[0] if pointer else b""
    word = text.partition(b" ")[0].decode("ascii", "replace")
    return word if word.isprintable() else ""


def load_initramfs(files: GuestFiles, found: Found) -> Initramfs:
    """Return a kernel's initramfs, taken apart; what `open_initramfs` and reading raise."""
    return open_initramfs(files.read(found.initramfs, MAX_INITRAMFS), found.initramfs)


def load_kernel(files: GuestFiles, found: Found, initramfs: Initramfs | None) -> Kernel:
    """Return what the verdict needs of a kernel: its modules' indexes, and the initramfs's modules."""
    inside = modules_in(initramfs, found.version) if initramfs else frozenset()
    return Kernel(found.version, load_index(files, found.modules), inside)


def load_index(files: GuestFiles, folder: str) -> ModuleIndex:
    """Return the indexes in a folder of modules; missing ones count as empty."""
    texts = {}
    for name in _INDEXES:
        if folder and files.exists(f"{folder}/{name}"):
            data = files.read(f"{folder}/{name}", _MAX_INDEX)
            texts[name] = data.decode("utf-8", "replace")
    return read_index(texts)
