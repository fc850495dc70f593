"""The portability statement: what went in, what was changed in the guest, and what each profile showed.

Every file of the evidence is named by its SHA-256, so that the statement, once signed, vouches for the
logs, the pictures, the page and the bill of materials beside it. Disks are named by the root of what a
guest sees on them (docs/integrity.md): it is the same in whatever format they are, and in whatever
package. So the statement can lie in the package that it is about.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from kensho.convert.deployment.eulas import Licence
from kensho.guest.adapt.changes import ChangeSet, FileChange
from kensho.model.finding import Finding, Severity, at_least
from kensho.model.units import format_bytes
from kensho.proof.evidence.statement import PREDICATE, Statement, Subject
from kensho.proof.trial import FileRef, Outcome, Trial

ROOT = "kenshoRoot"  #: in a subject's digests: BLAKE3 Merkle root of a disk's content


class ProvenDisk(msgspec.Struct, frozen=True, omit_defaults=True):
    """A disk: roots of its content before and after the guest was changed, the same when it was not.

    They are empty, with the ``problem``, for one that could not be read whole.
    """

    machine: str
    name: str
    file: str
    size: int
    root_before: str
    root_after: str
    problem: str = ""


class Conversion(msgspec.Struct, frozen=True, omit_defaults=True):
    """What kensho's report beside the input says of how it was made; ``report`` is the file itself."""

    report: FileRef
    kensho: str
    target: str
    form: str
    check: str
    findings: tuple[Finding, ...] = ()


class Foreseen(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a plan for a platform finds, or the ``problem`` for which there is none."""

    target: str
    form: str = ""
    findings: tuple[Finding, ...] = ()
    problem: str = ""

    @property
    def blocked(self) -> bool:
        """Whether nothing can be converted to it as things are."""
        return bool(self.problem) or bool(at_least(self.findings, Severity.BLOCKED))


class Earlier(msgspec.Struct, frozen=True):
    """A profile that an earlier run of the same proof tried, which was stopped; ``ended`` is when, in RFC 3339."""

    profile: str
    ended: str


class Host(msgspec.Struct, frozen=True):
    """What the guests ran on, nothing that tells whose it is."""

    architecture: str
    processors: int
    system: str


class Signers(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who is to sign: SHA-256 of the public key (as `Signature` has it) and of each certificate."""

    keyid: str
    certificates: tuple[str, ...] = ()


class Portability(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is claimed. ``made`` is when, in RFC 3339; ``untested`` says in words what was not shown.

    ``inputs`` are the files that were read, ``plan`` what was asked for, in words,
    ``foreseen`` what a conversion to each platform would say; ``earlier`` which trials were taken over.
    """

    kensho: str
    made: str
    source: str
    machines: tuple[str, ...]
    disks: tuple[ProvenDisk, ...]
    trials: tuple[Trial, ...]
    earlier: tuple[Earlier, ...] = ()
    inputs: tuple[FileRef, ...] = ()
    conversion: Conversion | None = None
    plan: tuple[str, ...] = ()
    foreseen: tuple[Foreseen, ...] = ()
    targets: tuple[str, ...] = ()
    changes: tuple[FileChange, ...] = ()
    findings: tuple[Finding, ...] = ()
    sbom: FileRef | None = None
    page: FileRef | None = None
    accepted_eulas: tuple[Licence, ...] = ()
    qemu: str = ""
    host: Host | None = None
    signers: Signers | None = None
    untested: tuple[str, ...] = ()


def statement_of(evidence: Portability) -> Statement:
    """Return the statement about the disks as they were proven."""
    predicate: dict[str, Any] = msgspec.to_builtins(evidence)
    return Statement(subjects_of(evidence), PREDICATE, predicate)


def subjects_of(evidence: Portability) -> tuple[Subject, ...]:
    """Return what a statement is about: the disks by their roots, or what was read where there is none."""
    known = [disk for disk in evidence.disks if disk.root_after]
    subjects = tuple(Subject(disk.file, {ROOT: disk.root_after}) for disk in known)
    if not subjects:  # nothing could be read whole: a statement is about something
        subjects = tuple(Subject(ref.name, {"sha256": ref.sha256}) for ref in evidence.inputs)
    return subjects


def earlier_words(evidence: Portability) -> str:
    """Say which trials were not made by the run that made the statement; empty when all were."""
    told = ", ".join(f"{one.profile} ({one.ended})" for one in evidence.earlier)
    return f"tried by an earlier run of the same proof, which was stopped: {told}" if told else ""


def files_of(evidence: Portability) -> Iterator[tuple[str, str]]:
    """Yield the names of the files vouched for, in the evidence's folder, and their SHA-256."""
    for known in (evidence.page, evidence.sbom):
        if known is not None:
            yield known.name, known.sha256
    for trial in evidence.trials:
        if trial.log is not None:
            yield f"{trial.place}/{trial.log.name}", trial.log.sha256
        for shot in trial.screenshots:
            yield f"{trial.place}/{shot.file}", shot.sha256


def untested(trials: tuple[Trial, ...]) -> tuple[str, ...]:
    """Say what the trials do not show."""
    words = []
    if any(t.started for t in trials):
        words.append(
            "every start was on devices that QEMU emulates, with its firmware, ACPI tables and PCI "
            "subsystem ids; none was on a real hypervisor of another kind"
        )
        sizes = sorted({t.memory for t in trials if t.memory})
        words.append(
            "every start was with one processor"
            + (f" and {' or '.join(map(format_bytes, sizes))} of memory" if sizes else "")
            + ", without Secure Boot and TPM; other sizes of the machine were not tried"
        )
    lost = list(dict.fromkeys(t.profile for t in trials if t.how == "not started"))
    if lost:
        words.append(f"could not be started here, so that nothing was shown: {', '.join(lost)}")
    told = list(dict.fromkeys(t.profile for t in trials if t.how == "static"))
    if told:
        words.append(f"told from the guest's files alone, without a start: {', '.join(told)}")
    if any(t.inside for t in trials):
        words.append(
            "drivers and addresses inside a guest are its own report, on whose word they stand"
        )
    bare = [t.name for t in trials if t.started and t.outcome is Outcome.PASS and not t.inside]
    if bare:
        words.append(f"on which drivers it came up, as it did not report: {', '.join(bare)}")
    if any(t.agent_port for t in trials):
        words.append(
            "every start had a virtio serial port for the guest's agent, which only KVM's platforms have"
        )
    if any(t.probes for t in trials):
        words.append(
            "probes came over QEMU's own network and port; a platform's network was no part of it"
        )
    near = dict.fromkeys(f"{t.profile}: {t.nearest}" for t in trials if t.nearest)
    return (*words, *near)


def changed_files(changes: ChangeSet | None) -> tuple[FileChange, ...]:
    """Return what was changed in guests, nothing when nothing was."""
    return changes.files if changes is not None else ()
