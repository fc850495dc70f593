"""``kensho verify`` of a proof: its signature, its files, its disks, and in words what was shown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kensho.cli import exits
from kensho.cli.disk.opening import opened_disk
from kensho.cli.render import console, print_json, table
from kensho.model.errors import VerificationError
from kensho.proof.evidence.check import EvidenceCheck, Looked, check_evidence
from kensho.proof.evidence.place import opened_evidence
from kensho.proof.evidence.signer import load_public_key
from kensho.proof.evidence.words import plain

if TYPE_CHECKING:
    from cryptography import x509


def verify_evidence(
    path: Path,
    disks: Sequence[str],
    public_key: Path | None,
    store: Sequence[x509.Certificate],
    day: dt.datetime,
    *,
    trusted: bool,
    json: bool,
    quiet: bool,
) -> int:
    """Check a proof; exits with 11 when something contradicts it, or its signer is to be known and is not."""
    public = load_public_key(public_key) if public_key is not None else None
    images = [_looked(name) for name in disks]
    with opened_evidence(path) as place:
        check = check_evidence(place, images, store, public, day)
    if json:
        print_json({"evidence": check, "intact": check.intact})
    elif not quiet:
        show_evidence(check)
    if not check.intact or (trusted and not check.signature.trusted):
        return VerificationError.exit_code
    return exits.OK


def _looked(name: str) -> Looked:
    from kensho.disks.compare import content_root

    with opened_disk(name) as reader:
        return Looked(name, content_root(reader))


def show_evidence(check: EvidenceCheck) -> None:
    """Print all answers, the sentences last."""
    from rich.markup import escape

    out = console()
    colours = {"ok": "green", "mismatch": "red", "absent": "", "not vouched for": "yellow"}
    rows = table("", "file or disk", "", "digest")
    for part in (*check.files, *check.disks):
        colour = colours[part.state]
        state = f"[{colour}]{part.state}[/]" if colour else part.state
        rows.add_row(escape(plain(part.name)), state, escape(plain(part.why or part.expected)))
    out.print(rows)
    signed = check.signature
    told = [f"signature   {signed.state}" + (f", key {signed.keyid}" if signed.keyid else "")]
    told += [f"            changed: {words}" for words in signed.wrong]
    if signed.chain is not None:
        names = " < ".join(c.subject for c in signed.chain.certificates)
        told.append(f"chain       {signed.chain.state}: {names}")
    if signed.dates is not None:
        told.append(f"dates       {signed.dates.state} on {signed.dates.at[:10]}")
    for line in (*told, "", *check.said):
        out.print(escape(plain(line)), soft_wrap=True)
