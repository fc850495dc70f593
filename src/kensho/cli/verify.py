"""``kensho verify``: whether this is the package that somebody packed and signed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from kensho.cli import exits
from kensho.cli.flags import Flag, Json
from kensho.cli.progress import counted
from kensho.cli.render import console, print_findings, print_json, table
from kensho.model.errors import UsageError, VerificationError
from kensho.model.finding import Finding, Severity

if TYPE_CHECKING:
    from cryptography import x509

    from kensho.packages.signing.contents import Contents
    from kensho.packages.signing.verdict import DigestCheck, Verdict
    from kensho.proof.evidence.check import EvidenceCheck


def verify(
    package: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    ca: Path | None = None,
    at: str | None = None,
    trusted: Annotated[bool, Flag] = False,
    strict: Annotated[bool, Flag] = False,
    disk: Annotated[tuple[str, ...], Flag] = (),
    public_key: Path | None = None,
    json: Json = False,
    quiet: Annotated[bool, Parameter(name=["-q", "--quiet"], negative="")] = False,
) -> int:
    """Check a package's digests, signature, certificate chain and dates, each for itself; and a proof.

    Exit code 11 when a digest or the signature does not match or a file is missing. A package
    without manifest or signature is said to be that, and is no failure by itself.

    Parameters
    ----------
    package
        OVA, OVF descriptor, folder or URL, or - for an OVA from a pipe, read once; or a folder of
        `kensho prove`, or NAME.proof.tar out of a package. A proof in a package is checked with it,
        against its disks; not in a pipe.
    ca
        PEM file of the certificates to trust instead of the system's; implies --trusted.
    at
        Judge the certificates on this day (2026-11-22, or with a time); today by default.
    trusted
        Exit with 11 as well unless a certificate that leads to the trust store signed it.
    strict
        Exit with 3 when there are warnings.
    disk
        Of a proof: an image to compare with what was proven. Repeatable.
    public_key
        Of a proof: the signer's key in PEM, where no certificate goes along.
    quiet
        Print nothing; only the exit code tells.
    """
    from kensho.packages.signing.contents import read_contents
    from kensho.packages.signing.verify import verify_contents
    from kensho.proof.evidence.place import is_evidence, is_packed_evidence, refuse_part

    day = _time(at)
    store = _store(ca)
    if is_evidence(Path(package)) or is_packed_evidence(Path(package)):
        from kensho.cli.evidence import verify_evidence

        return verify_evidence(
            Path(package), disk, public_key, store(), day,
            trusted=trusted or ca is not None or public_key is not None, json=json, quiet=quiet,
        )  # fmt: skip
    refuse_part(Path(package))
    if disk:
        raise UsageError("--disk is for a folder of `kensho prove`", path=package)
    with counted(package, "verify", _size(package), quiet=quiet) as on_bytes:
        contents = read_contents(package, on_bytes)
    verdict = _with_passing(verify_contents(contents, store, day), contents, package)
    proofs = _carried(package, contents, public_key, store, day, quiet=quiet or json)
    intact = verdict.intact and all(proof.intact for proof in proofs)
    if json:
        answers = msgspec.structs.asdict(verdict)
        print_json({**answers, "proofs": proofs, "intact": intact, "trusted": verdict.trusted})
    elif not quiet:
        _show(verdict)
        for proof in proofs:
            from kensho.cli.evidence import show_evidence

            show_evidence(proof)
    known = trusted or ca is not None
    unknown = known and not verdict.trusted
    if known or public_key is not None:
        unknown = unknown or any(not proof.signature.trusted for proof in proofs)
    if not intact or unknown:
        return VerificationError.exit_code
    warned = any(f.severity != "note" for f in verdict.findings)
    return exits.WARNINGS if strict and warned else exits.OK


def _with_passing(verdict: Verdict, contents: Contents, locator: str) -> Verdict:
    """Return the verdict, and of proofs in a pipe that they are not looked into."""
    from kensho.appliances.proof_file import proofs_among

    passing = tuple(
        Finding(
            "KF-988",
            Severity.NOTE,
            "a proof went by in the pipe, and nothing of it is checked but its digest",
            subject=name,
            action="save the package to a file, and verify that",
        )
        for name in (proofs_among(contents.files) if locator == "-" else ())
    )
    return msgspec.structs.replace(verdict, findings=(*verdict.findings, *passing))


def _carried(
    locator: str,
    contents: Contents,
    public_key: Path | None,
    store: Callable[[], Sequence[x509.Certificate]],
    day: dt.datetime,
    *,
    quiet: bool,
) -> tuple[EvidenceCheck, ...]:
    """Check the proofs that a package carries; none where they went by in a pipe."""
    from kensho.appliances.proof_file import proofs_among

    carries = proofs_among(contents.files)
    if public_key is not None and (not carries or locator == "-"):
        raise UsageError(
            "--public-key is for a proof, and none is here to be checked", path=locator
        )
    if not carries or locator == "-":
        return ()
    from kensho.cli.carrying import check_carried
    from kensho.proof.evidence.signer import load_public_key

    public = load_public_key(public_key) if public_key is not None else None
    return check_carried(locator, tuple(contents.files), store(), public, day, quiet=quiet)


def _size(locator: str) -> int:
    """Return the bytes of an archive; 0 for what only reading tells."""
    path = Path(locator)
    return path.stat().st_size if path.is_file() and path.suffix.lower() == ".ova" else 0


def _time(text: str | None) -> dt.datetime:
    if text is None:
        return dt.datetime.now(dt.UTC)
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"not a date: {text!r}", hint="such as 2026-11-22") from None
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)


def _store(ca: Path | None) -> Callable[[], Sequence[x509.Certificate]]:
    from kensho.packages.signing.chain import read_certificates, system_store

    if ca is None:
        return system_store
    given = read_certificates(ca)  # at once: a file that cannot be read is an error anyway
    return lambda: given


def _show(verdict: Verdict) -> None:
    from rich.markup import escape

    out = console()
    rows = table("", "file", "algorithm", "bytes>", "at>", "digest", "")
    for file in verdict.files:
        for check in file.digests:
            colour = "green" if file.state == "ok" else "red" if file.state != "not covered" else ""
            mark = f"[{colour}]{file.state}[/]" if colour else file.state
            rows.add_row(
                escape(file.name),
                check.algorithm,
                "" if file.bytes is None else str(file.bytes),
                "" if file.offset is None else str(file.offset),
                check.found if check.matches or not check.expected else _both(check),
                mark,
            )
    out.print(rows)
    out.print()
    for name, answer in _answers(verdict):
        out.print(f"{name:<12}{escape(answer)}")
    out.print()
    print_findings(verdict.findings)


def _both(check: DigestCheck) -> str:
    return f"found    {check.found or 'nothing'}\nexpected {check.expected}"


def _answers(verdict: Verdict) -> list[tuple[str, str]]:
    signature = verdict.signature
    details = [signature.algorithm.upper(), signature.key, signature.reason]
    told = ", ".join(part for part in details if part)
    lines = [
        ("digests", verdict.digests),
        ("signature", signature.state + (f" ({told})" if told else "")),
    ]
    if verdict.chain is not None:
        names = " < ".join(c.subject for c in verdict.chain.certificates)
        lines.append(("chain", f"{verdict.chain.state}: {names}"))
    if verdict.dates is not None:
        first = verdict.chain.certificates[0] if verdict.chain else None
        span = f" ({first.not_before[:10]} to {first.not_after[:10]})" if first else ""
        lines.append(("dates", f"{verdict.dates.state} on {verdict.dates.at[:10]}{span}"))
    if verdict.self_signed is not None:
        lines.append(("self-signed", "yes" if verdict.self_signed else "no"))
    return lines
