"""Edits of files in ext2, ext3 and ext4, carried out by e2fsprogs on a copy of the metadata.

A journal with changes in it is replayed there first (e2fsck); then debugfs writes, e2fsck checks the
whole, and what came of it is read back. What differs from the disk then is the result: `Patch`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kensho.guest.edit.ext_image import BlocksInUse, inode_tables, metadata_blocks, write_image
from kensho.guest.edit.patch import Patch, Patched, refuse_copied
from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.base import FileSystem, Kind
from kensho.guest.files.ext.journal import Replayed
from kensho.guest.files.ext.reader import Ext, open_ext
from kensho.guest.files.ext.superblock import SIZE, SUPERBLOCK, crc32c, read_superblock
from kensho.guest.files.tree import GuestFiles
from kensho.guest.volumes.view import Readable, View
from kensho.model.errors import (
    CorruptError,
    NoSpaceError,
    NotFoundError,
    ToolMissingError,
    UnsupportedError,
)

_PATH = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
_SECONDS = 600
_WRITTEN_AT, _CHECKED_AT = 0x30, 0x40  #: in the superblock, seconds since 1970
_PLAIN = re.compile(r'[^"\x00-\x1f\x7f]+')
_BANNER = re.compile(r"^debugfs \d|^Allocated inode: \d+$")


def edit_ext(view: View, edits: Sequence[FileEdit], folder: Path) -> Patch:
    """Carry edits out; paths are those within this file system. ``folder`` is for files of ours.

    The volume itself is only read. Raises ToolMissingError without e2fsprogs, NoSpaceError when the
    file system is full, CorruptError when it is damaged before or after, UnsupportedError for what
    cannot be done to a file.
    """
    refuse_copied(view)
    files = open_ext(view)
    image = folder / "ext.img"
    sb = read_superblock(view)  # as it is on the disk: e2fsck replays the journal itself
    if sb.needs_recovery and not (isinstance(files.view, Replayed) and files.view.whole):
        raise UnsupportedError(
            "; ".join(files.warnings), path=view.name,
            hint="start the guest once and shut it down properly, then copy its disk again",
        )  # fmt: skip
    tree = GuestFiles(files)
    old = frozenset(tree.stat(edit.path).node for edit in edits if _there(tree, edit.path))
    blocks = metadata_blocks(files.view, sb, old)
    write_image(view, sb, blocks, image)
    now = str(int.from_bytes(view.read(SUPERBLOCK + _WRITTEN_AT, 4), "little"))
    if sb.needs_recovery:
        _check(image, "-p", {0, 1}, view.name, now)
    _check(image, "-n", {0}, view.name, now)
    used = _blocks_in_use(image, view)  # not those on the disk: the journal may free and take some
    script = list(_script(tree, edits, folder))
    _debugfs(image, script, view.name, now)
    # debugfs leaves the block of a deleted file's attributes behind, and quotas as they were.
    _check(image, "-y", {0, 1}, view.name, now)
    _check(image, "-n", {0}, view.name, now)
    _with_old_times(view, image)
    patch = Patch(view, image, tuple(_differences(view, image, blocks, used)))
    _read_back(Patched(patch), edits)
    return patch


def _with_old_times(view: View, image: Path) -> None:
    """Take back the times of writing and checking that e2fsck sets to now, whatever it is told."""
    old = view.read(SUPERBLOCK, SIZE)
    with image.open("r+b") as file:
        file.seek(SUPERBLOCK)
        new = bytearray(file.read(SIZE))
        for at in (_WRITTEN_AT, _CHECKED_AT):
            new[at : at + 4] = old[at : at + 4]
        if read_superblock(view).seed is not None:
            new[-4:] = crc32c(0xFFFF_FFFF, bytes(new[:-4])).to_bytes(4, "little")
        file.seek(SUPERBLOCK)
        file.write(new)


def _script(tree: GuestFiles, edits: Iterable[FileEdit], folder: Path) -> Iterable[str]:
    made: set[str] = set()
    for number, edit in enumerate(edits):
        path = tree.real(edit.path) if _there(tree, edit.path) else edit.path
        above, _, name = path.rpartition("/")
        for word in (above, name):
            if word and not _PLAIN.fullmatch(word):
                raise UnsupportedError("a name that debugfs cannot be told", path=edit.path)
        old = tree.stat(path) if _there(tree, path) else None
        if old is None and edit.content is None:
            continue
        yield from _folders(tree, above, made)
        yield f'cd "{above or "/"}"'
        if old is not None and (old.kind is not Kind.FILE or old.links > 1):
            raise UnsupportedError("is no plain file, or has several names", path=edit.path)
        attributes = _attributes(tree, path) if old is not None else {}
        if old is not None:
            yield f'rm "{path}"'
        if edit.content is None:
            continue
        content = folder / f"new{number}"
        content.write_bytes(edit.content)
        yield f'write "{content}" "{name}"'
        mode, uid, gid = (
            (edit.mode, edit.uid, edit.gid) if old is None else (old.mode, old.uid, old.gid)
        )
        yield f'sif "{path}" mode 0{0o100000 | mode:o}'
        yield f'sif "{path}" uid {uid}'
        yield f'sif "{path}" gid {gid}'
        for count, (key, value) in enumerate(attributes.items()):
            kept = folder / f"new{number}.{count}"
            kept.write_bytes(value)
            yield f'ea_set -f "{kept}" "{path}" {key}'


def _there(tree: GuestFiles, path: str) -> bool:
    """Tell whether there is such a file. What cannot be looked into is no place to write to."""
    try:
        tree.stat(path)
    except NotFoundError:
        try:
            tree.stat(path, follow=False)
        except NotFoundError:
            return False
        raise UnsupportedError("is a link that leads nowhere", path=path) from None
    return True


def _attributes(tree: GuestFiles, path: str) -> dict[str, bytes]:
    found = dict(sorted(tree.xattrs(path).items()))
    for key in found:
        # Access lists are stored in another way than they are told, which debugfs does not turn back.
        if key.startswith("system.") or not _PLAIN.fullmatch(key) or " " in key:
            raise UnsupportedError(f"has the attribute {key}", path=path)
    return found


def _folders(tree: GuestFiles, path: str, made: set[str]) -> Iterable[str]:
    """Yield what makes the folders that are missing on the way to ``path``."""
    parts = [part for part in path.split("/") if part]
    for count in range(len(parts)):
        folder = "/" + "/".join(parts[: count + 1])
        if folder not in made and not _there(tree, folder):
            made.add(folder)
            yield f'cd "{folder.rpartition("/")[0] or "/"}"'
            yield f'mkdir "{parts[count]}"'


def _tool(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise ToolMissingError(f"{name} is not installed", hint="apt-get install e2fsprogs")
    return found


def _run(
    command: list[str], name: str, now: str, text: str = ""
) -> subprocess.CompletedProcess[str]:
    # The time is the file system's own, so that the same edits make the same bytes.
    environment = {"PATH": _PATH, "LC_ALL": "C", "E2FSPROGS_FAKE_TIME": now}
    try:
        return subprocess.run(
            command, input=text, capture_output=True, text=True, errors="replace",
            env=environment, timeout=_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise CorruptError(f"{command[0]} did not end", path=name) from error


def _check(image: Path, how: str, good: set[int], name: str, now: str) -> None:
    run = _run([_tool("e2fsck"), "-f", how, str(image)], name, now)
    if run.returncode not in good:
        said = " ".join(run.stdout.split())[-300:]
        raise CorruptError(
            f"e2fsck finds the file system damaged: {said}",
            path=name,
            hint="run e2fsck in the guest, or on a copy of its disk, and try again",
        )


def _debugfs(image: Path, script: list[str], name: str, now: str) -> None:
    text = "".join(f"{line}\n" for line in script)
    run = _run([_tool("debugfs"), "-w", "-f", "-", str(image)], name, now, text)
    # It ends with 0 whatever happened, and says so on its standard error.
    said = [line for line in run.stderr.splitlines() if line and not _BANNER.match(line)]
    if any("Could not allocate" in line or "No free space" in line for line in said):
        raise NoSpaceError(f"the guest's file system {name} is full", hint="make room in the guest")
    if run.returncode or said:
        raise CorruptError(f"debugfs: {' '.join(said)[:300]}", path=name)


def _blocks_in_use(image: Path, view: View) -> BlocksInUse:
    with image.open("rb") as file:
        now = _File(file.fileno(), view.name, view.size)
        return BlocksInUse.of(now, read_superblock(now))


def _differences(
    view: View, image: Path, metadata: Iterable[tuple[int, int]], used: BlocksInUse
) -> Iterable[tuple[int, int]]:
    """Yield the runs of blocks that are not on the disk as they are in the image.

    A block counts when it was put into the image, when it was free before the edits (``used``) and is
    in use now, or when it is one of inodes that were never used before. All others are holes of the
    image and stand for nothing, whatever is read there: what a sparse file keeps is pages, and a page
    may be larger than a block.
    """
    with image.open("rb") as file:
        after = _File(file.fileno(), view.name, view.size)
        before, in_use = read_superblock(view), _blocks_in_use(image, view)
        known = {block for first, count in metadata for block in range(first, first + count)}
        tables = inode_tables(view, before)
        size, start, last = before.block, -1, -1
        for block in _candidates(file.fileno(), size, known):
            fresh = block in tables or (block not in used and block in in_use)
            if block not in known and not fresh:
                continue
            place = block * size
            if after.read(place, size) == view.read(place, size):
                continue
            if place != last:
                if start >= 0:
                    yield start, last - start
                start = place
            last = place + size
        if start >= 0:
            yield start, last - start


@dataclass(frozen=True, slots=True)
class _File:
    """The image as a `Readable`."""

    descriptor: int
    name: str
    size: int

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self.descriptor, length, offset)


def _candidates(descriptor: int, block: int, known: set[int]) -> Iterable[int]:
    """Return the blocks that may have changed, ascending: those put in, and what is no hole now."""
    found = set(known)
    size, place = os.fstat(descriptor).st_size, 0
    while place < size:
        try:
            begin = os.lseek(descriptor, place, os.SEEK_DATA)
        except OSError:
            break  # only a hole is left
        place = os.lseek(descriptor, begin, os.SEEK_HOLE)
        found.update(range(begin // block, -(-place // block)))
    return sorted(found)


def _read_back(view: Readable, edits: Iterable[FileEdit]) -> None:
    files: FileSystem = Ext(view)
    tree = GuestFiles(files)
    wanted = {edit.path: edit.content for edit in edits}
    for path, content in wanted.items():
        found = (
            tree.read(path, len(content) + 1) if content is not None and tree.exists(path) else None
        )
        if found != content or (content is None and tree.exists(path)):
            raise CorruptError("an edit did not come out as planned", path=path)
