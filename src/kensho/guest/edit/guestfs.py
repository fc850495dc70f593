"""Edits of files carried out by libguestfs, which starts a small machine for it: the last resort.

It takes the volume over NBD from this process, so that neither root nor mounts are needed, and unpacks
an archive of what is new there. It is always told to emulate: a KVM that is there may still hang.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from kensho.disks.nbd import Export, NbdServer, listen_unix
from kensho.guest.edit.ext_script import itself, settled
from kensho.guest.edit.guestfs_archive import Archive
from kensho.guest.edit.mounted import read_back
from kensho.guest.edit.patch import Patch, Patched
from kensho.guest.edit.plan import FileEdit
from kensho.guest.edit.raw_file import PATH, in_words, tool
from kensho.guest.edit.scratch import Scratch
from kensho.guest.files.base import FileSystem
from kensho.guest.files.btrfs.reader import open_btrfs
from kensho.guest.files.tree import GuestFiles
from kensho.guest.files.xfs.reader import open_xfs
from kensho.guest.volumes.view import Readable, View
from kensho.model.errors import CorruptError, NoSpaceError, UnsupportedError

_SECONDS = 1800.0  #: an emulated start takes half a minute to two
_MOUNT = {"xfs": "nouuid", "btrfs": "subvolid=5"}
_CHECK = {"xfs": "-xfs-repair /dev/sda nomodify:true", "btrfs": "btrfs-fsck /dev/sda"}
_NO_ROOM = re.compile(r"No space left on device|Disk quota exceeded")
_PLAIN = re.compile(rb"[^A-Za-z0-9/._-]")


def edit_guestfs(view: View, edits: Sequence[FileEdit], folder: Path) -> Patch:
    """Carry edits of an XFS or btrfs out; paths are as for `kensho.guest.edit.kernel_mount`.

    The volume itself is only read. NoSpaceError when it is full, CorruptError when it is damaged,
    UnsupportedError for what cannot be done to a file, or that a log would change.
    """
    files, kind = _opened(view), _kind(view)
    if files.warnings:
        raise UnsupportedError(
            "; ".join(files.warnings), path=view.name,
            hint="start the guest once and shut it down properly, then copy its disk again",
        )  # fmt: skip
    tree = GuestFiles(files)
    wanted = [
        msgspec.structs.replace(
            edit, path=(settled if edit.content is not None else itself)(tree, edit.path)
        )
        for edit in edits
    ]
    archive = Archive(files)
    archive.write(folder / "new.tar", wanted)
    gone = [edit.path for edit in wanted if edit.content is None]
    script = [
        "run",
        f"mount-options {_MOUNT[kind]},noatime /dev/sda /",
        *(f"rm-f {_quoted(path)}" for path in gone),
        f"tar-in {_quoted(str(folder / 'new.tar'))} / xattrs:true acls:true",
        "umount /",
        _CHECK[kind],
        "shutdown",
    ]
    with _served(view, folder) as (scratch, socket):
        said, wrong = _guestfish(script, socket, view.name)
    # Debian has it in libguestfs-xfs; without, what was written is checked by reading it back alone
    if (
        kind == "xfs"
        and "feature 'xfs' is not available" not in wrong
        and said.split()[-1:] != ["0"]
    ):
        raise CorruptError("xfs_repair finds the file system damaged", path=view.name)
    patch = scratch.patch()
    after = _opened(Patched(patch))
    read_back(after, wanted)
    now = GuestFiles(after)
    for path, (old, attributes) in archive.kept.items():
        new = now.stat(path)
        kept = (new.mode, new.uid, new.gid) == (old.mode, old.uid, old.gid)
        if not kept or now.xattrs(path) != attributes:
            raise UnsupportedError(
                "would lose attributes on the way through libguestfs", path=path,
                hint="run as root: the kernel writes it in place",
            )  # fmt: skip
    return patch


def _kind(view: Readable) -> str:
    return "xfs" if view.read(0, 4) == b"XFSB" else "btrfs"


def _opened(view: Readable) -> FileSystem:
    return open_xfs(view) if _kind(view) == "xfs" else open_btrfs(view)


@contextlib.contextmanager
def _served(view: View, folder: Path) -> Iterator[tuple[Scratch, Path]]:
    """Serve a volume over NBD while the context lasts; yield what keeps the changes, and the socket."""
    scratch = Scratch(view, folder / "written.img")
    with tempfile.TemporaryDirectory(prefix="kensho-nbd-") as short:
        socket = Path(short) / "socket"  # its path must be short
        server = NbdServer(listen_unix(str(socket)), Export(scratch))
        thread = threading.Thread(target=server.run, name="nbd", daemon=True)
        thread.start()
        try:
            yield scratch, socket
        finally:
            server.stop()
            thread.join()
            scratch.close()


def _guestfish(script: Sequence[str], socket: Path, name: str) -> tuple[str, str]:
    """Let guestfish do what the lines say; return what it printed, and its complaints."""
    add = f'add-drive "" format:raw protocol:nbd server:unix:{socket}'
    environment = {
        "PATH": PATH, "LC_ALL": "C", "HOME": os.environ.get("HOME", "/"),
        "TMPDIR": tempfile.gettempdir(), "LIBGUESTFS_BACKEND": "direct",
        "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg",
    }  # fmt: skip
    with subprocess.Popen(
        [tool("setpriv"), "--pdeathsig", "KILL", tool("guestfish")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        errors="replace", env=environment, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            text = "".join(f"{line}\n" for line in (add, *script))
            said, wrong = process.communicate(text, timeout=_SECONDS)
        except BaseException as error:
            process.kill()  # its machine ends with it
            if isinstance(error, subprocess.TimeoutExpired):
                raise UnsupportedError("libguestfs did not end", path=name) from error
            raise
    if process.returncode:
        if _NO_ROOM.search(wrong):
            raise NoSpaceError(
                f"the guest's file system {name} is full", hint="make room in the guest"
            )
        raise UnsupportedError(f"libguestfs: {in_words(wrong)}", path=name)
    return said, wrong


def _quoted(word: str) -> str:
    """Return a word as guestfish takes it, in double quotes."""
    raw = os.fsencode(word)
    return '"' + _PLAIN.sub(lambda match: b"\\x%02x" % match[0][0], raw).decode("ascii") + '"'


def no_kernel() -> str:
    """Return what keeps libguestfs from starting its machine; empty when nothing is known to."""
    for kernel in Path("/boot").glob("vmlinu[xz]*"):
        if os.access(kernel, os.R_OK):
            return ""
    return "libguestfs starts a kernel of /boot, and none can be read there: apt-get install linux-image-amd64"
