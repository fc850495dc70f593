"""Overlays over a guest's disk: another entry of its boot loader chosen, or adapted by `kensho adapt`."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from kensho.cli.disk.opening import opened_disk
from kensho.cli.exits import run
from kensho.disks.overlay.backing import backing_of
from kensho.guest.adapt.carry_out import write_overlay
from kensho.guest.edit.backends import edit_volume
from kensho.guest.edit.patch import pieces
from kensho.guest.edit.placing import place_of
from kensho.guest.edit.plan import FileEdit
from kensho.guest.inspect.kernels import load_kernels
from kensho.guest.inspect.systems import Opened, find_systems
from kensho.guest.linux.verdict import Kernel
from kensho.guest.volumes.scan import scan

_MENU = "/boot/grub/grub.cfg"
_DEFAULT = re.compile(rb"^set default=.*$", re.MULTILINE)


def beside(disk: Path, folder: Path) -> Path:
    """Return the disk under a name in ``folder``: kensho reads no overlay's base from elsewhere."""
    path = folder / f"{disk.stem.rpartition('-')[0]}.img"
    try:
        path.hardlink_to(disk)
    except OSError:  # another file system
        subprocess.run(["cp", "--sparse=always", disk, path], check=True)
    return path


def adapted(disk: Path, overlay: Path, targets: str = "all") -> Path:
    """Adapt the guest for ``targets``; the change goes to ``overlay``."""
    code = run(["adapt", str(disk), "--for", targets, "--no-roots", "-o", str(overlay)])
    assert code == 0, f"kensho adapt {disk} ended with {code}"
    return overlay


def starting(
    disk: Path,
    entry: str,
    overlay: Path,
    changed: tuple[str, str] = ("", ""),
    gone: tuple[str, ...] = (),
) -> Path:
    """Choose what GRUB starts, in an overlay; ``changed`` is a text in its menu, and what it becomes.

    ``gone`` are files on the menu's volume that are deleted.
    """

    def chosen(menu: bytes) -> bytes:
        content, count = _DEFAULT.subn(f'set default="{entry}"'.encode(), menu)
        assert count == 1
        assert f"--id '{entry}'".encode() in menu
        before, after = (text.encode() for text in changed)
        assert before in content
        return content.replace(before, after) if before else content

    return edited(disk, _MENU, chosen, overlay, gone)


def edited(
    disk: Path,
    path: str,
    change: Callable[[bytes], bytes],
    overlay: Path,
    gone: tuple[str, ...] = (),
) -> Path:
    """Change a file of the guest, in an overlay; ``change`` gets no bytes of a file that is not there.

    ``gone`` are files on its volume that are deleted.
    """
    with opened_disk(str(disk)) as reader, tempfile.TemporaryDirectory() as work:
        opened = Opened(scan([reader]))
        opened.open_all()
        (system,) = find_systems(opened)
        volume, within = place_of(opened, system.files, path)
        before = system.files.read(path, 1 << 20) if system.files.exists(path) else b""
        edits = [FileEdit(within, change(before), "what starts")]
        for name in gone:
            own, place = place_of(opened, system.files, name)
            assert own.id == volume.id
            edits.append(FileEdit(place, None, "what is gone"))
        changes = (piece for _, piece in pieces(edit_volume(volume, edits, Path(work))))
        write_overlay(changes, reader, backing_of(str(disk), reader, overlay), overlay)
    return overlay


def empty(disk: Path, overlay: Path) -> Path:
    """Make an overlay that a guest may write to."""
    kind = "raw" if disk.suffix == ".img" else "qcow2"
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", kind, "-b", disk.resolve(), overlay]
    subprocess.run(argv, check=True)
    return overlay


def kernels_of(disk: Path) -> dict[str, Kernel]:
    """Return the guest's kernels by version, as `kensho check` sees them."""
    with opened_disk(str(disk)) as reader:
        found = tuple(load_kernels([reader]))
    assert not [loaded.problem for loaded in found if loaded.kernel is None]
    return {loaded.version: loaded.kernel for loaded in found if loaded.kernel is not None}
