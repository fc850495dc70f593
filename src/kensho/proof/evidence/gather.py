"""The evidence of a proof put together, and written: statement, signature, bill of materials, page."""

from __future__ import annotations

import datetime as dt
import hashlib
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kensho import __version__
from kensho.convert.deployment.eulas import digest_of
from kensho.disks.compare import content_root
from kensho.guest.inspect.facts import GuestReport
from kensho.model.errors import FormatError
from kensho.model.finding import Finding
from kensho.model.machine import Eula
from kensho.proof.evidence.about import conversion_of, disk_name, host, inputs_of, name_of
from kensho.proof.evidence.envelope import key_id, seal
from kensho.proof.evidence.page import render_page
from kensho.proof.evidence.place import BILL, CERTIFICATE, PAGE, STATEMENT
from kensho.proof.evidence.portability import (
    Earlier,
    Foreseen,
    Portability,
    ProvenDisk,
    Signers,
    changed_files,
    statement_of,
    untested,
)
from kensho.proof.evidence.sbom import bill_of_materials
from kensho.proof.evidence.statement import MEDIA_TYPE
from kensho.proof.guests import Made, Proven
from kensho.proof.private import folders_here, redacted
from kensho.proof.qemu.arguments import find_qemu
from kensho.proof.trial import Trial, file_ref
from kensho.storage.atomic import put_file
from kensho.storage.locator import shown

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from kensho.packages.signing.keys import PrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What was asked for, as it is stated.

    ``targets`` are platforms, with commas, ``accepted`` the licences that were accepted, ``plan`` is in words
    what was asked for, ``foreseen`` what plans find; ``given`` are other files that were named, of
    which it is not told either where they lie.
    """

    sources: Sequence[str]
    targets: str
    accepted: Sequence[Eula] = ()
    plan: tuple[str, ...] = ()
    foreseen: tuple[Foreseen, ...] = ()
    given: Sequence[str] = ()


def gather(
    order: Order, proven: Proven, disks: tuple[ProvenDisk, ...], trials: tuple[Trial, ...], folder: Path,
    on_disk: Callable[[str], None], *, findings: tuple[Finding, ...] = (), earlier: tuple[Earlier, ...] = (),
) -> Portability:  # fmt: skip
    """Return what is to be stated; the bill of materials is written to ``folder``.

    ``disks`` are those that were ``proven``, as `proven_disks` tells of them. The order's sources are read whole;
    ``on_disk`` is told of each. ``findings`` are those beside the adaptation's, ``earlier`` the profiles that an
    earlier run tried.
    """
    machines, changes = proven.machines, proven.changes
    folders = folders_here((*order.sources, *order.given))
    bill = folder / BILL
    content = msgspec.json.encode(bill_of_materials(_inspected(machines)))
    bill.write_bytes(msgspec.json.format(content))
    return Portability(
        kensho=__version__,
        made=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        source=" ".join(map(name_of, map(shown, order.sources))),
        machines=tuple(one.machine.id for one in machines),
        disks=disks,
        trials=trials,
        earlier=earlier,
        inputs=inputs_of(order.sources, [one.machine for one in machines], on_disk),
        conversion=conversion_of(order.sources, disks),
        plan=order.plan,
        foreseen=order.foreseen,
        targets=tuple(order.targets.split(",")) if changes is not None else (),
        changes=changed_files(changes),
        findings=tuple(redacted(found, folders) for found in (*proven.findings, *findings)),
        sbom=file_ref(bill),
        accepted_eulas=tuple(map(digest_of, order.accepted)),
        qemu=qemu_version() if any(t.started for t in trials) else "",
        host=host(),
        untested=untested(trials),
    )


def proven_disks(
    machines: Sequence[Made], on_disk: Callable[[str], None]
) -> tuple[ProvenDisk, ...]:
    """Return disks by their roots; each is read whole, and so is the one below where it was changed."""
    return tuple(disk for one in machines for disk in _proven(one, on_disk))


def _proven(one: Made, on_disk: Callable[[str], None]) -> Iterator[ProvenDisk]:
    for number, (disk, now) in enumerate(zip(one.machine.disks, one.disks, strict=True), 1):
        on_disk(disk.place)
        before, after, problem = "", "", ""
        try:
            after = content_root(now)
            before = after if now is disk.reader else content_root(disk.reader)
        except FormatError as error:
            problem = error.message
        name = disk_name(disk.place)
        size = now.virtual_size
        yield ProvenDisk(one.machine.id, f"disk{number}", name, size, before, after, problem)


def _inspected(machines: Sequence[Made]) -> GuestReport:
    """Return the systems of all machines; of several, each one's root is named with its machine."""
    if len(machines) == 1:
        return machines[0].report
    systems = (
        msgspec.structs.replace(system, root=f"{one.machine.id}/{system.root}")
        for one in machines
        for system in one.report.systems
    )
    return GuestReport(systems=tuple(systems))


def write_evidence(
    evidence: Portability,
    folder: Path,
    signer: tuple[PrivateKey | Ed25519PrivateKey, list[bytes]] | None,
) -> None:
    """Write the page, the statement, and its signature where there is a key."""
    if signer is not None:
        evidence = msgspec.structs.replace(evidence, signers=_signers(*signer))
    page = folder / PAGE
    put_file(page, render_page(evidence, folder).encode())
    evidence = msgspec.structs.replace(evidence, page=file_ref(page))
    content = msgspec.json.encode(statement_of(evidence))
    payload = msgspec.json.format(content, indent=1) + b"\n"
    put_file(folder / STATEMENT, payload)
    if signer is not None:
        put_file(folder / CERTIFICATE, seal(payload, MEDIA_TYPE, *signer))


def _signers(key: PrivateKey | Ed25519PrivateKey, certificates: Sequence[bytes]) -> Signers:
    digests = tuple(hashlib.sha256(der).hexdigest() for der in certificates)
    return Signers(key_id(key.public_key()), digests)


def qemu_version() -> str:
    """Return what QEMU calls itself; ProofError when there is none."""
    said = subprocess.run([find_qemu(), "--version"], capture_output=True, text=True, check=False)
    return said.stdout.partition("\n")[0].strip()
