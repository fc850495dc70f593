"""The hidden folder a result is made in, and the moment it becomes visible.

Everything is written below ``.NAME.kensho-partial`` inside the output folder, so that an
interrupted run leaves nothing that looks finished and renames never cross a file system.
A journal there lists the disks that are complete; a later run of the same plan keeps those,
and goes on in the middle of the one that was being written (``kensho.disks.resume``).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import msgspec

from kensho.appliances.package import PlacedDisk
from kensho.convert.plan import JOURNAL, LOCK, Plan
from kensho.disks.resume import is_resumable, leftovers
from kensho.model.errors import FormatError, LocatorError, UsageError, VerificationError
from kensho.storage.atomic import put_file, sync

_STAMP, _GUESTS = "content.stamp", "guests"


class Journal(msgspec.Struct, frozen=True):
    """What an unfinished run has finished: disks, for the plan with this digest."""

    plan: str
    disks: tuple[PlacedDisk, ...] = ()


def plan_digest(plan: Plan) -> str:
    """Return what two runs must share to share work: request, sources and steps."""
    return hashlib.sha256(
        msgspec.json.encode(
            (plan.identity, plan.target, plan.form, plan.name, plan.disks, plan.adaptation)
        )
    ).hexdigest()


@dataclass(frozen=True, slots=True)
class Workspace:
    """A locked staging folder of one plan. ``resumed`` holds the disks kept from before."""

    folder: Path
    out: Path
    digest: str
    resumed: tuple[PlacedDisk, ...]
    discarded: bool
    overwrite: bool
    sources: tuple[Path, ...]

    @property
    def guests(self) -> Path:
        """Where what is changed of guests is kept during a run; there is nothing yet."""
        return self.folder / _GUESTS

    def bound_to(self, stamp: str) -> Workspace:
        """Return the folder for content of this ``stamp``; what was made of other content goes.

        Adapting a guest again need not make the same bytes, so that an unfinished run cannot always
        be gone on with.
        """
        path = self.folder / _STAMP
        old = path.read_text() if path.is_file() else ""
        space = self
        if old != stamp and (old or self.resumed):
            _clear(self.folder, keep={LOCK, _GUESTS})
            space = replace(self, resumed=(), discarded=True)
            space.record(())
        put_file(path, stamp.encode())
        return space

    def staged(self, name: str) -> Path:
        """Return where a file of the result is until it is published: its folders come then."""
        return self.folder / plain_name(name)

    def record(self, disks: tuple[PlacedDisk, ...]) -> None:
        """Note durably that these disks are complete."""
        put_file(self.folder / JOURNAL, msgspec.json.encode(Journal(plan=self.digest, disks=disks)))

    def put(
        self, name: str, data: bytes, *, executable: bool = False, private: bool = False
    ) -> None:
        """Write a small file into the staging folder; ``private`` ones only the owner can read."""
        put_file(self.staged(name), data, private=private)
        if executable:
            self.staged(name).chmod(0o755)

    def publish(self, names: tuple[str, ...]) -> None:
        """Make files visible in the output folder, in this order, durably.

        Names are relative, with ``/``; no two of them end in the same part.
        """
        if not self.overwrite:
            _refuse_existing(self.out, names)
        _refuse_sources(self.out, names, self.sources)
        for name in names:
            sync(self.staged(name))
        folders = dict.fromkeys(_make_folder(self.out, name) for name in names)
        for name in names:
            self.staged(name).replace(self.out / name)
        for folder in folders:
            sync(folder)


def demand_place(plan: Plan, out: Path, *, overwrite: bool, outputs: tuple[str, ...]) -> None:
    """Raise UsageError or LocatorError where `workspace` would; asked for before anything long is done."""
    try:
        if not overwrite:
            _refuse_existing(out, outputs)
        _refuse_sources(out, outputs, _sources(plan))
        there = next(path for path in (out, *out.absolute().parents) if path.exists())
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except (OSError, ValueError) as error:
        raise _unusable(out, error) from None


def _sources(plan: Plan) -> tuple[Path, ...]:
    return (Path(plan.request.source), *(Path(file.path) for file in plan.identity))


def _unusable(out: Path, error: Exception) -> LocatorError:
    reason = getattr(error, "strerror", None) or str(error)
    hint = "choose another folder with -o"
    return LocatorError(f"cannot be written to: {reason}", path=out, hint=hint)


@contextmanager
def workspace(
    plan: Plan, out: Path, *, overwrite: bool, outputs: tuple[str, ...]
) -> Iterator[Workspace]:
    """Open the staging folder of a plan; remove it afterwards unless it holds resumable work.

    Raises UsageError when a result is there already and ``overwrite`` is false, when it would
    replace its source, or when another run is at work on it; LocatorError when nothing can be
    written there.
    """
    folder = out / f".{plan.name}-{plan.target}-{plan.form}.kensho-partial"
    try:
        made = not out.exists()
        out.mkdir(parents=True, exist_ok=True)
        demand_place(plan, out, overwrite=overwrite, outputs=outputs)
        if folder.is_symlink():  # what is behind it is not ours to clear
            raise FileExistsError(errno.EEXIST, f"{folder.name} is a link")
        folder.mkdir(exist_ok=True)
    except (OSError, ValueError) as error:
        raise _unusable(out, error) from None
    with locked(folder):
        digest = plan_digest(plan)
        old = _read_journal(folder / JOURNAL)
        same = old is not None and old.plan == digest and not plan.reads_once
        resumed = _kept(folder, old) if old is not None and same else ()
        begun = _begun(folder, plan) if same else set()
        discarded = not (resumed or begun) and any(p.name != LOCK for p in folder.iterdir())
        _clear(
            folder, keep={plain_name(d.filename) for d in resumed} | begun | {LOCK, JOURNAL, _STAMP}
        )
        space = Workspace(folder, out, digest, resumed, discarded, overwrite, _sources(plan))
        try:
            space.record(resumed)  # from here on, what is in the folder is this plan's
            yield space
        except BaseException as error:
            journal = _read_journal(folder / JOURNAL)
            # A disk that is not what it should be must not be kept: it would fail each time.
            wrong = isinstance(error, VerificationError | FormatError)
            worth = journal is not None and (_kept(folder, journal) or _begun(folder, plan))
            if wrong or not worth or plan.reads_once:
                shutil.rmtree(folder, ignore_errors=True)
                if made:
                    _remove_if_empty(out)
            raise
        shutil.rmtree(folder, ignore_errors=True)


def plain_name(name: str) -> str:
    """Return the last part of a result's name."""
    return PurePosixPath(name).name


def _make_folder(out: Path, name: str) -> Path:
    """Make the folder a result goes to; UsageError when a link there leads somewhere else."""
    folder = (out / name).parent
    if not folder.resolve().is_relative_to(out.resolve()):
        raise UsageError(f"{name} is behind a link that leads out of the folder", path=out)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _refuse_existing(out: Path, outputs: tuple[str, ...]) -> None:
    there = [name for name in outputs if (out / name).exists()]
    if there:
        raise UsageError(
            f"there already: {', '.join(there)}",
            path=out,
            hint="use --overwrite, another --name or another folder with -o",
        )


def _refuse_sources(out: Path, names: tuple[str, ...], sources: tuple[Path, ...]) -> None:
    """Refuse to replace what is read from, whatever was asked for."""
    for name in names:
        for source in sources:
            if (out / name).exists() and source.exists() and (out / name).samefile(source):
                raise UsageError(
                    f"{name} would replace its own source",
                    path=out,
                    hint="use another --name or another folder with -o",
                )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a staging folder; UsageError when another run does."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                "another run is working on this result", path=folder, hint="wait for it to end"
            ) from None
        yield
    finally:
        os.close(descriptor)


def _read_journal(path: Path) -> Journal | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Journal)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _kept(folder: Path, journal: Journal) -> tuple[PlacedDisk, ...]:
    """Return the finished disks that are really there, whole."""
    kept = []
    for disk in journal.disks:
        path = folder / plain_name(disk.filename)
        if path.is_file() and path.stat().st_size == disk.file_size:
            kept.append(disk)
    return tuple(kept)


def _begun(folder: Path, plan: Plan) -> set[str]:
    """Return the names of the files in which disks not finished can be gone on with."""
    paths = [folder / plain_name(step.filename) for step in plan.disks]
    return {file.name for path in paths if is_resumable(path) for file in leftovers(path)}


def _clear(folder: Path, *, keep: set[str]) -> None:
    for path in folder.iterdir():
        if path.name not in keep:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
