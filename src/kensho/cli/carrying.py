"""A proof taken into a package, and checked there: `kensho edit --proof`, `kensho verify` of what carries one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kensho.appliances.proof_file import SUFFIX, proofs_among
from kensho.cli.progress import shown
from kensho.model.errors import KenshoError, UsageError
from kensho.packages.edit.edits import Edits
from kensho.packages.edit.payload import NewFile
from kensho.packages.source import OvfPackage, opened_ovf
from kensho.proof.evidence.carried import demand_same, disks_in, opened_proof, packed
from kensho.proof.evidence.check import Checked, EvidenceCheck, Looked, check_evidence
from kensho.proof.evidence.place import opened_archive
from kensho.proof.evidence.signed import SignedBy

if TYPE_CHECKING:
    from cryptography import x509

    from kensho.proof.evidence.opened import PublicKey


@contextmanager
def packed_proof(
    proof: str, package: OvfPackage, locator: str, edits: Edits, *, quiet: bool
) -> Iterator[tuple[tuple[str, NewFile, int], ...]]:
    """Give the proof as a file to add: name, content, bytes. It has to be of the package's disks."""
    for there in proofs_among(package.files):
        if there not in edits.remove_file:
            raise UsageError(
                f"carries a proof already: {there}",
                path=locator,
                hint=f"--remove-file {there} takes it out",
            )
    if edits.replace_disk or edits.remove_disk:
        raise UsageError(
            "a proof is of the disks as they are", hint="change the disks first, and prove that"
        )
    with opened_proof(proof) as place:
        evidence, archive = packed(place, dt.datetime.now(dt.UTC))
        with closing(archive):
            with shown(events=False, quiet=quiet) as listener:
                demand_same(evidence, locator, listener)
            name = f"{Path(package.name).stem}{SUFFIX}"
            yield ((name, NewFile(proof, opener=lambda: archive), archive.size),)


def check_carried(
    locator: str,
    names: Sequence[str],
    trusted: Sequence[x509.Certificate],
    public: PublicKey | None,
    at: dt.datetime,
    *,
    quiet: bool,
) -> tuple[EvidenceCheck, ...]:
    """Check the proofs that a package carries against its disks, which are read once.

    What cannot be read any more is an answer, and no error: the package's own are worth having, too.
    """
    disks: tuple[Looked, ...] | None = None
    checks = []
    for name in proofs_among(names):
        try:
            if disks is None:
                with shown(events=False, quiet=quiet) as listener:
                    disks = disks_in(locator, listener)
            with (
                opened_ovf(locator) as package,
                opened_archive(package.store.open(name)) as place,
            ):
                check = check_evidence(place, disks, trusted, public, at, whole=True)
        except KenshoError as error:
            check = _unreadable(name, error)
        checks.append(check)
    return tuple(checks)


def _unreadable(name: str, error: KenshoError) -> EvidenceCheck:
    why = f"cannot be read: {error.message}"
    return EvidenceCheck(
        path=name,
        signature=SignedBy("unknown"),
        files=(Checked(name, "mismatch", why=why),),
        disks=(),
        said=(f"nothing is proven: {name} {why}",),
    )
