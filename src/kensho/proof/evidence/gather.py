"""The evidence of a proof put together, and written: statement, signature, bill of materials, page."""

from __future__ import annotations

import datetime as dt
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kensho import __version__
from kensho.convert.guests import GuestDisks
from kensho.disks import DiskReader
from kensho.disks.compare import content_root
from kensho.guest.adapt.changes import ChangeSet
from kensho.guest.inspect.facts import GuestReport
from kensho.guest.inspect.inspect import inspect_disks
from kensho.model.finding import Finding
from kensho.proof.evidence.check import CERTIFICATE, STATEMENT
from kensho.proof.evidence.envelope import seal
from kensho.proof.evidence.page import render_page
from kensho.proof.evidence.portability import (
    Portability,
    ProvenDisk,
    changed_files,
    statement_of,
    untested,
)
from kensho.proof.evidence.sbom import bill_of_materials
from kensho.proof.evidence.statement import MEDIA_TYPE
from kensho.proof.qemu import find_qemu
from kensho.proof.trial import Trial, file_ref

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from kensho.packages.signing.keys import PrivateKey

_BILL, _PAGE = "sbom.cdx.json", "index.html"


def gather(
    machine: GuestDisks, source: str, disks: Sequence[DiskReader], changes: ChangeSet | None,
    findings: tuple[Finding, ...], trials: tuple[Trial, ...], folder: Path, targets: str,
    on_disk: Callable[[str], None],
) -> Portability:  # fmt: skip
    """Return what is to be stated; the bill of materials is written to ``folder``.

    ``disks`` are the machine's as they were proven; each is read whole for its root, and so is the
    one below where it was changed. ``on_disk`` is told of each.
    """
    proven = []
    for number, (disk, now) in enumerate(zip(machine.disks, disks, strict=True), 1):
        on_disk(disk.place)
        after = content_root(now)
        before = after if now is disk.reader else content_root(disk.reader)
        name = Path(disk.place).name
        proven.append(
            ProvenDisk(machine.id, f"disk{number}", name, now.virtual_size, before, after)
        )
    bill = folder / _BILL
    content = msgspec.json.encode(bill_of_materials(inspect_disks(disks)))
    bill.write_bytes(msgspec.json.format(content))
    return Portability(
        kensho=__version__,
        made=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        source=source,
        machines=(machine.id,),
        disks=tuple(proven),
        trials=trials,
        targets=tuple(targets.split(",")) if changes is not None else (),
        changes=changed_files(changes),
        findings=findings,
        sbom=file_ref(bill),
        qemu=_qemu_version() if any(t.started for t in trials) else "",
        untested=untested(trials),
    )


def write_evidence(
    evidence: Portability,
    folder: Path,
    signer: tuple[PrivateKey | Ed25519PrivateKey, list[bytes]] | None,
) -> None:
    """Write the statement, its signature where there is a key, and the page."""
    content = msgspec.json.encode(statement_of(evidence))
    payload = msgspec.json.format(content, indent=1) + b"\n"
    (folder / STATEMENT).write_bytes(payload)
    if signer is not None:
        (folder / CERTIFICATE).write_bytes(seal(payload, MEDIA_TYPE, *signer))
    (folder / _PAGE).write_text(render_page(evidence, folder), encoding="utf-8")


def default_kernel(report: GuestReport) -> str:
    """Return the version of the kernel that starts by default, empty when that is not known."""
    for system in report.systems:
        for boot in system.boots:
            if boot.default:
                name = boot.kernel.rpartition("/")[2]
                return next((k.version for k in system.kernels if k.image.endswith(name)), "")
    return ""


def _qemu_version() -> str:
    said = subprocess.run([find_qemu(), "--version"], capture_output=True, text=True, check=False)
    return said.stdout.partition("\n")[0].strip()
