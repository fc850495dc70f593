"""What the guest's own maker of the initramfs is told, so that its next kernel starts everywhere.

Sources: initramfs-tools(7) (``/etc/initramfs-tools/modules``), dracut.conf(5) (``add_drivers``),
mkinitcpio.conf(5) (``MODULES``; drop-ins only since 36, and not where a preset names a file), mkinitfs-bootstrap(1) and Alpine's features.d,
mkinitrd(8) of SUSE up to 12 (``INITRD_MODULES`` in /etc/sysconfig/kernel).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from kensho.guest.edit.draft import Draft
from kensho.guest.edit.plan import FileEdit
from kensho.guest.linux.adapt.drivers import wanted_drivers
from kensho.guest.linux.modules.index import ModuleIndex, module_name
from kensho.model.errors import NotFoundError, UnsupportedError
from kensho.model.machine import ControllerModel, NicModel

_BEGIN = "# kensho: drivers for disks of other platforms"
_END = "# kensho: end"
_BLOCK = re.compile(rf"(^|\n){re.escape(_BEGIN)}\n.*?{re.escape(_END)}\n", re.DOTALL)
_MOST = 1 << 20
#: By maker: the file that has our list, all of it but the first one of our own.
_FILES = {
    "initramfs-tools": "/etc/initramfs-tools/modules",
    "dracut": "/etc/dracut.conf.d/90-kensho.conf",
    "mkinitcpio": "/etc/mkinitcpio.conf",
    "mkinitfs": "/etc/mkinitfs/features.d/kensho.modules",
    "mkinitrd": "/etc/sysconfig/kernel",
}
_INITRD_MODULES = re.compile(r"^([ \t]*INITRD_MODULES=)([\"'])([^\"'\n]*)\2", re.MULTILINE)


def persist(
    draft: Draft,
    maker: str,
    indexes: Sequence[ModuleIndex],
    models: Sequence[ControllerModel],
    adapters: Sequence[NicModel] = (),
) -> tuple[FileEdit, ...]:
    """Return the edits that keep the drivers for ``models`` and ``adapters`` with that maker of the initramfs.

    ``indexes`` are those of all kernels it makes one for: a driver that any of them has is listed.
    None for a maker that is not known. What was listed for other targets before stays, so that
    doing it again, for the same or fewer, changes nothing. Raises what reading its files raises.
    """
    paths: dict[str, str] = {}
    listed = _listed(draft, maker)
    for index in indexes:
        for name in (*listed, *wanted_drivers(index, models, adapters)):
            if name in index.files:  # what is built in needs no listing; the rest comes by itself
                paths.setdefault(name, index.files[name])
    plan = _MAKERS.get(maker)
    edits = plan(draft, paths) if plan and paths else ()
    return tuple(edit for edit in edits if edit.content != _read(draft, edit.path))


def _listed(draft: Draft, maker: str) -> tuple[str, ...]:
    """Return the words of what was listed before, the names of drivers among them, in their order."""
    if maker == "mkinitrd":
        return ()  # what is there stays there: one line has ours and the guest's own
    text = ((_read(draft, _FILES[maker]) if maker in _FILES else b"") or b"").decode(
        errors="replace"
    )
    if maker in {"initramfs-tools", "mkinitcpio"}:
        block = _BLOCK.search(text)
        text = block[0] if block else ""
    words = re.split(r'[\s"()]+', text)
    return tuple(module_name(word) for word in words if word)


def _initramfs_tools(draft: Draft, names: Mapping[str, str]) -> tuple[FileEdit, ...]:
    path = _FILES["initramfs-tools"]
    text = _with_block((_read(draft, path) or b"").decode(errors="surrogateescape"), names)
    why = "drivers listed for initramfs-tools"
    return (FileEdit(path, text.encode(errors="surrogateescape"), why),)


def _with_block(text: str, lines: Iterable[str]) -> str:
    """Return a text with one block of ours at its end, whatever was there of it before."""
    text = _BLOCK.sub(r"\1", text)
    if text and not text.endswith("\n"):
        text += "\n"
    return text + "\n".join([_BEGIN, *lines, _END]) + "\n"


def _dracut(_: Draft, names: Mapping[str, str]) -> tuple[FileEdit, ...]:
    # The blanks at both ends belong there: dracut joins the values of all its draft.
    text = f'{_BEGIN}\nadd_drivers+=" {" ".join(names)} "\n'
    return (FileEdit(_FILES["dracut"], text.encode(), "drivers listed for dracut"),)


def _mkinitcpio(draft: Draft, names: Mapping[str, str]) -> tuple[FileEdit, ...]:
    path = _FILES["mkinitcpio"]
    before = (_read(draft, path) or b"").decode(errors="surrogateescape")
    text = _with_block(before, [f"MODULES+=({' '.join(names)})"])
    return (FileEdit(path, text.encode(errors="surrogateescape"), "drivers listed for mkinitcpio"),)


def _mkinitfs(draft: Draft, names: Mapping[str, str]) -> tuple[FileEdit, ...]:
    paths = "".join(f"{re.sub(r'[.](gz|xz|zst)$', '', path)}*\n" for path in names.values())
    feature = FileEdit(_FILES["mkinitfs"], paths.encode(), "a feature for mkinitfs")
    path = "/etc/mkinitfs/mkinitfs.conf"
    text = (_read(draft, path) or b"").decode(errors="surrogateescape")
    match = re.search(r'^features="([^"\n]*)"', text, re.MULTILINE)
    if match is None:
        text += f'{_BEGIN}\nfeatures="$features kensho"\n'
    elif "kensho" not in match[1].split():
        text = f"{text[: match.end(1)]} kensho{text[match.end(1) :]}"
    return feature, FileEdit(
        path, text.encode(errors="surrogateescape"), "the feature switched on for mkinitfs"
    )


def _mkinitrd(draft: Draft, names: Mapping[str, str]) -> tuple[FileEdit, ...]:
    path = _FILES["mkinitrd"]
    text = (_read(draft, path) or b"").decode(errors="surrogateescape")
    found = [*_INITRD_MODULES.finditer(text)]  # of several the last counts
    if not found:
        text += f'{"" if text.endswith(chr(10)) or not text else chr(10)}INITRD_MODULES=""\n'
        found = [*_INITRD_MODULES.finditer(text)]
    listed = found[-1][3].split()
    known = {module_name(word) for word in listed}
    words = " ".join([*listed, *(name for name in names if name not in known)])
    start, end = found[-1].span(3)
    text = text[:start] + words + text[end:] if words.split() != listed else text
    return (FileEdit(path, text.encode(errors="surrogateescape"), "drivers listed for mkinitrd"),)


_MAKERS = {
    "initramfs-tools": _initramfs_tools,
    "dracut": _dracut,
    "mkinitcpio": _mkinitcpio,
    "mkinitfs": _mkinitfs,
    "mkinitrd": _mkinitrd,
}


def _read(draft: Draft, path: str) -> bytes | None:
    if draft.exists(path):
        return draft.read(path, _MOST)
    try:
        draft.files.stat(path, follow=False)
    except NotFoundError:
        return None
    raise UnsupportedError("is a link that leads nowhere", path=path)
