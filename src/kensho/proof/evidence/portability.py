"""The portability statement: what went in, what was changed in the guest, and what each profile showed.

Every file of the evidence is named by its SHA-256, so that the statement, once signed, vouches for the
logs, the pictures and the bill of materials beside it. Disks are named by the root of what a guest sees
on them (docs/integrity.md): it is the same in whatever format they are.
"""

from __future__ import annotations

from typing import Any

import msgspec

from kensho.guest.adapt.changes import ChangeSet, FileChange
from kensho.model.finding import Finding
from kensho.proof.evidence.statement import PREDICATE, Statement, Subject
from kensho.proof.trial import FileRef, Trial

ROOT = "kenshoRoot"  #: in a subject's digests: BLAKE3 Merkle root of a disk's content


class ProvenDisk(msgspec.Struct, frozen=True, omit_defaults=True):
    """A disk: roots of its content before and after the guest was changed, the same when it was not."""

    machine: str
    name: str
    file: str
    size: int
    root_before: str
    root_after: str


class Portability(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is claimed. ``made`` is when, in RFC 3339; ``untested`` says in words what was not shown."""

    kensho: str
    made: str
    source: str
    machines: tuple[str, ...]
    disks: tuple[ProvenDisk, ...]
    trials: tuple[Trial, ...]
    targets: tuple[str, ...] = ()
    changes: tuple[FileChange, ...] = ()
    findings: tuple[Finding, ...] = ()
    sbom: FileRef | None = None
    accepted_eulas: tuple[str, ...] = ()
    qemu: str = ""
    untested: tuple[str, ...] = ()


def statement_of(evidence: Portability) -> Statement:
    """Return the statement about the disks as they were proven."""
    subjects = tuple(Subject(disk.file, {ROOT: disk.root_after}) for disk in evidence.disks)
    predicate: dict[str, Any] = msgspec.to_builtins(evidence)
    return Statement(subjects, PREDICATE, predicate)


def untested(trials: tuple[Trial, ...]) -> tuple[str, ...]:
    """Say what the trials do not show."""
    words = [
        "every start was on devices that QEMU emulates; none was on a real hypervisor of another kind"
    ]
    told = list(dict.fromkeys(t.profile for t in trials if not t.started))
    if told:
        words.append(f"told from the guest's files alone, without a start: {', '.join(told)}")
    near = dict.fromkeys(f"{t.profile}: {t.nearest}" for t in trials if t.nearest)
    return (*words, *near)


def changed_files(changes: ChangeSet | None) -> tuple[FileChange, ...]:
    """Return what was changed in guests, nothing when nothing was."""
    return changes.files if changes is not None else ()
