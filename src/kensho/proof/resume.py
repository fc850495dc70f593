"""A proof that was stopped: trials that ended are kept beside its place, and the same proof takes them over.

The same proof is one by the same kensho and QEMU on the same host, of disks with the same roots, in the
same machines, with the same profiles and questions. Nothing else is taken over, nor a trial whose files are
not as they were.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
import stat
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from kensho import __version__
from kensho.convert.events import Listener, Message
from kensho.convert.plan import JOURNAL, LOCK
from kensho.convert.workspace import locked
from kensho.model.errors import KenshoError, LocatorError
from kensho.proof.evidence.about import host
from kensho.proof.evidence.gather import qemu_version
from kensho.proof.evidence.portability import Earlier, ProvenDisk
from kensho.proof.guests import Guest
from kensho.proof.profiles.base import Profile
from kensho.proof.trial import Trial, file_ref
from kensho.storage.atomic import partial_path, put_file

_EVIDENCE = "evidence"
_MOST = 64 << 20  #: bytes of a journal
_OURS = {"KF-994", "KF-995"}  #: what failed here, and not in the guest: it is tried again


class Basis(msgspec.Struct, frozen=True):
    """What two runs must share to share trials, each as a digest."""

    programs: str
    disks: str
    asked: str


class Ended(msgspec.Struct, frozen=True):
    """A profile that was tried: ``at`` is when the trials of its machines ended, in RFC 3339."""

    profile: str
    at: str
    trials: tuple[Trial, ...]


class Journal(msgspec.Struct, frozen=True):
    """What a proof that is not finished has."""

    basis: Basis
    ended: tuple[Ended, ...] = ()


def basis_of(
    disks: Sequence[ProvenDisk],
    guests: Sequence[Guest],
    profiles: Sequence[Profile],
    asked: Sequence[object],
) -> Basis:
    """Return what a run is of; ``asked`` is what else was asked for, as JSON can say it."""
    machines = [
        (one.name, one.folder, one.plugs, one.memory, one.default_kernel, one.reports, one.start, one.probes)
        for one in guests
    ]  # fmt: skip
    return Basis(
        programs=_digest((__version__, _qemu(), host())),
        disks=_digest(disks),
        asked=_digest((profiles, machines, asked)),
    )


@contextmanager
def unfinished(output: Path, listener: Listener) -> Iterator[Path]:
    """Give the folder that a proof is made in, beside ``output``; gone afterwards, unless a trial is kept in it.

    UsageError when another run is at work on it, LocatorError when it cannot be made, or is not only ours to write to.
    """
    folder = partial_path(output)
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
    except OSError as error:
        raise LocatorError(f"cannot be written to: {error.strerror}", path=folder) from None
    others = found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not stat.S_ISDIR(found.st_mode) or others:
        raise LocatorError(
            "is there already, and not of this user alone", path=folder, hint="remove it"
        )
    with locked(folder):
        try:
            yield folder
        except BaseException:
            left = _read(folder)
            if left is None or not left.ended:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                listener(Message(f"kept for the same command: what was tried, {_names(left)}"))
            raise
        shutil.rmtree(folder, ignore_errors=True)


class Progress:
    """The evidence of a proof as it is made: ``folder``, and trials ``taken`` over, by profile.

    ``earlier`` says when those ended.
    """

    def __init__(self, place: Path, journal: Journal) -> None:
        self.folder = place / _EVIDENCE
        self.taken: Mapping[str, tuple[Trial, ...]] = {e.profile: e.trials for e in journal.ended}
        self.earlier = tuple(Earlier(ended.profile, ended.at) for ended in journal.ended)
        self._path = place / JOURNAL
        self._journal = journal
        self._lock = threading.Lock()
        self._write(journal)

    def record(self, trials: Sequence[Trial]) -> None:
        """Note durably that a profile was tried; any thread may call it. What fails here is not noted."""
        if not trials or any(_is_ours(trial) for trial in trials):
            return
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        ended = Ended(trials[0].profile, now, tuple(trials))
        with (
            self._lock,
            suppress(OSError, KenshoError),
        ):  # without a note it is tried again, no more
            self._write(msgspec.structs.replace(self._journal, ended=(*self._journal.ended, ended)))

    def _write(self, journal: Journal) -> None:
        put_file(self._path, msgspec.json.encode(journal))
        self._journal = journal


def begun(place: Path, basis: Basis, listener: Listener, *, resume: bool) -> Progress:
    """Return where a proof begins in its folder: with what holds of an earlier run, where ``resume``, else anew."""
    left = _read(place) or Journal(basis)
    taken: tuple[Ended, ...] = ()
    evidence = place / _EVIDENCE
    why = _differs(left.basis, basis) if resume else "as asked for"
    if not why:
        taken = tuple(ended for ended in left.ended if _holds(evidence, ended))
        for ended in left.ended:
            words = f"taken over, as it ended on {ended.at}"
            if ended not in taken:
                words = "its files are not as an earlier run left them: it is tried again"
            listener(Message(f"{ended.profile}: {words}"))
    elif left.ended:
        listener(Message(f"what was tried before is tried again, {why}: {_names(left)}"))
    evidence.mkdir(exist_ok=True)
    _clear(place, {LOCK, _EVIDENCE})
    _clear(evidence, {ended.profile for ended in taken})
    return Progress(place, Journal(basis, taken))


def _qemu() -> str:
    try:
        return qemu_version()
    except KenshoError:  # there is none, and each trial says so
        return ""


def _differs(one: Basis, other: Basis) -> str:
    """Say in what an earlier run was of something else; empty when it was of the same."""
    for name, words in (
        ("programs", "by another kensho, QEMU or host"),
        ("disks", "of other disks"),
        ("asked", "of other machines, profiles or questions"),
    ):
        if getattr(one, name) != getattr(other, name):
            return f"as it was {words}"
    return ""


def _names(journal: Journal) -> str:
    return ", ".join(ended.profile for ended in journal.ended)


def _is_ours(trial: Trial) -> bool:
    """Tell whether a trial did not end by what the guest does."""
    return not trial.started or (trial.cause is not None and trial.cause.code in _OURS)


def _holds(evidence: Path, ended: Ended) -> bool:
    """Tell whether the files of trials are there as they were."""
    try:
        for trial in ended.trials:
            known = [(shot.file, shot.sha256) for shot in trial.screenshots]
            known += [(trial.log.name, trial.log.sha256)] if trial.log is not None else []
            for name, sha256 in known:
                if file_ref(evidence / trial.place / name).sha256 != sha256:
                    return False
    except OSError:
        return False
    return True


def _read(place: Path) -> Journal | None:
    path = place / JOURNAL
    try:
        if path.stat().st_size > _MOST:
            return None
        return msgspec.json.decode(path.read_bytes(), type=Journal)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _clear(folder: Path, keep: Collection[str]) -> None:
    for path in list(folder.iterdir()):
        if path.name not in keep:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _digest(content: object) -> str:
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()
