"""A volume as a raw file that can be written to, for programs that know files and devices only.

Nothing is copied: qemu-storage-daemon shows the file by FUSE, and every read and write of it comes
back to this process over NBD, where `Scratch` reads the volume and keeps what is written. So every
disk format is one, and LVM too. All of it is in a mount namespace of its own, which ends with the last
program in it: whatever happens to us, no mount is left on the machine.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kensho.disks.nbd.negotiate import negotiate
from kensho.disks.nbd.protocol import ClientGoneError, Export
from kensho.disks.nbd.session import Session
from kensho.guest.edit.scratch import Scratch
from kensho.guest.volumes.view import View
from kensho.model.errors import KenshoError, ToolMissingError, UnsupportedError

PATH = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
#: Programs that show a volume as a file, and the Debian packages they are in.
TOOLS = (
    ("qemu-storage-daemon", "qemu-system-common"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
)
#: Whoever is not root is so in a namespace of users; ntfs-3g wants more ids than one there.
_USER = ("--user", "--map-root-user", "--map-auto")
_START_SECONDS, _END_SECONDS, _RUN_SECONDS = 30.0, 120.0, 600.0
_STEP = 0.01
_SAID = 600  #: characters of what a program said


@dataclass(frozen=True, slots=True)
class RawFile:
    """A volume as a file: ``path`` is where programs of ours find it, ``scratch`` what they wrote.

    The path is there for programs run by ``start`` and ``run`` alone.
    """

    path: Path
    scratch: Scratch
    pid: int
    folder: Path

    def start(self, *command: str | Path) -> subprocess.Popen[str]:
        """Start a program that sees the file; it ends with this process at the latest."""
        words = [str(word.absolute()) if isinstance(word, Path) else word for word in command]
        inside = ("--preserve-credentials", "--user") if os.geteuid() else ()
        return subprocess.Popen(
            [
                tool("nsenter"), "--target", str(self.pid), "--mount", *inside, "--",
                tool("setpriv"), "--pdeathsig", "KILL", *words,
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", env={"PATH": PATH, "LC_ALL": "C.UTF-8"}, start_new_session=True,
        )  # fmt: skip

    def run(self, *command: str | Path) -> tuple[int, str]:
        """Run a program that sees the file; return its exit code and what it said, on one line."""
        with self.start(*command) as process:
            try:
                said, _ = process.communicate(timeout=_RUN_SECONDS)
            except BaseException as error:
                process.kill()
                if isinstance(error, subprocess.TimeoutExpired):
                    raise UnsupportedError(f"{command[0]} did not end") from error
                raise
        return process.returncode, in_words(said)

    def seen(self, path: Path) -> Path:
        """Return where this process finds a path that programs inside see, mounts included."""
        return Path(f"/proc/{self.pid}/root{path.absolute()}")


@contextlib.contextmanager
def own_mounts(raw: RawFile) -> Iterator[RawFile]:
    """Give the same file in a further mount namespace, for a file system that is mounted from it.

    A namespace's mounts end with its last process, which waits for them. Were that the daemon, as when
    this process is killed, it would wait for answers of its own for ever, and `sync` with it.
    """
    holder = raw.start("unshare", "--mount", "--", "sleep", "infinity")
    try:
        deadline = time.monotonic() + _START_SECONDS
        while _namespace(holder.pid) in {_namespace(raw.pid), _namespace(os.getpid())}:
            if holder.poll() is not None or time.monotonic() > deadline:
                raise UnsupportedError("a mount namespace cannot be made", path=raw.path)
            time.sleep(_STEP)
        yield RawFile(raw.path, raw.scratch, holder.pid, raw.folder)
    finally:
        holder.kill()
        holder.communicate()


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")  # noqa: PTH115 - it leads nowhere
    except OSError:  # it is gone
        return ""


@contextlib.contextmanager
def raw_file(view: View, folder: Path) -> Iterator[RawFile]:
    """Show a volume as a file while the context lasts; what is written there is in its ``scratch``.

    ``folder`` is for files of ours. ToolMissingError when a program lacks, UnsupportedError when this
    machine does not let us have mounts of our own.
    """
    scratch = Scratch(view, folder / "written.img")
    ours, theirs = socket.socketpair()
    server = threading.Thread(target=_serve, args=(ours, scratch), name="nbd", daemon=True)
    try:
        server.start()
        with _daemon(theirs, folder, view.name) as (process, path):
            yield RawFile(path, scratch, process.pid, folder)
    finally:
        with contextlib.suppress(OSError):
            ours.shutdown(socket.SHUT_RDWR)
        server.join()
        ours.close()
        theirs.close()
        scratch.close()


def _serve(sock: socket.socket, scratch: Scratch) -> None:
    with contextlib.suppress(ClientGoneError, OSError):
        export = Export(scratch)
        agreed = negotiate(sock, export)
        if agreed is not None:
            Session(sock, export, agreed).run(threading.Event())


@contextlib.contextmanager
def _daemon(
    theirs: socket.socket, folder: Path, name: str
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    path, ready, log = folder / "volume.raw", folder / "daemon.pid", folder / "daemon.log"
    path.touch(mode=0o600)
    mine = _USER if os.geteuid() else ()
    fd = theirs.fileno()
    export = (
        f"type=fuse,id=file,node-name=disk,mountpoint={_quoted(path)},writable=on,allow-other=off"
    )
    with log.open("w") as said:
        process = subprocess.Popen(
            [
                tool("unshare"), "--mount", *mine, "--",
                tool("setpriv"), "--pdeathsig", "TERM",
                tool("qemu-storage-daemon"),
                "--blockdev", f"driver=nbd,node-name=disk,server.type=fd,server.str={fd}",
                "--export", export,
                "--pidfile", str(ready),
            ],
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, text=True, pass_fds=(fd,),
            env={"PATH": PATH, "LC_ALL": "C.UTF-8"}, start_new_session=True,
        )  # fmt: skip
    theirs.close()
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise UnsupportedError(
                    f"the volume cannot be shown as a file: {in_words(log.read_text('utf-8', 'replace'))}",
                    path=name,
                    hint="run as root, on a machine with FUSE, or allow namespaces to users",
                )
            time.sleep(_STEP)
        yield process, path
        process.terminate()
        if _code(process, name):
            raise UnsupportedError(
                f"qemu-storage-daemon: {in_words(log.read_text('utf-8', 'replace'))}", path=name
            )
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _code(process: subprocess.Popen[str], name: str) -> int:
    try:
        return process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        raise UnsupportedError("qemu-storage-daemon does not end", path=name) from None


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a program that is to end by itself; return its exit code and what it said."""
    try:
        said, _ = process.communicate(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
    return process.returncode, in_words(said)


def in_words(said: str) -> str:
    """Return what a program said on one line, printable and bounded."""
    line = " ".join(said.split())[-_SAID:]
    return "".join(c if c.isprintable() else "?" for c in line)


def tool(name: str) -> str:
    """Return where a program is; ToolMissingError."""
    found = shutil.which(name, path=PATH)
    if found is None:
        raise ToolMissingError(
            f"{name} is not installed", hint="kensho doctor lists what is missing"
        )
    return found


def usable() -> str:
    """Return what keeps volumes from being shown as files here; empty when nothing does."""
    mine = _USER if os.geteuid() else ()
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse cannot be used: modprobe fuse, and allow it to this user or container"
    try:
        probe = subprocess.run(
            [tool("unshare"), "--mount", *mine, "--", tool("mount"), "-t", "tmpfs", "none", "/dev"],
            capture_output=True, text=True, errors="replace", check=False, timeout=_START_SECONDS,
        )  # fmt: skip
    except (KenshoError, subprocess.TimeoutExpired, OSError) as error:
        return f"a mount namespace cannot be made: {error}"
    if probe.returncode:
        return (
            f"mounts of our own are not allowed: {in_words(probe.stderr)}; run as root, or give this "
            "user subordinate ids (apt-get install uidmap; /etc/subuid, /etc/subgid)"
        )
    return ""


def _quoted(path: Path) -> str:
    """Return a path as QEMU's options take it."""
    return str(path).replace(",", ",,")
