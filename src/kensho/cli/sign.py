"""``kensho sign`` and ``kensho manifest``: digests and a signature, without unpacking a disk."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from kensho.cli import exits
from kensho.cli.flags import Flag, Json
from kensho.cli.progress import counted
from kensho.cli.render import print_findings, print_json
from kensho.model.errors import LocatorError, UsageError
from kensho.model.finding import Finding
from kensho.model.units import format_bytes

if TYPE_CHECKING:
    from cryptography import x509

    from kensho.packages.rewrite import Signer, WrittenPackage
    from kensho.packages.signing.keys import PrivateKey

Sha = Annotated[Literal["1", "256", "384", "512"], Parameter(name="--sha")]
Out = Annotated[str | None, Parameter(name=["-o", "--output"], allow_leading_hyphen=True)]
Locator = Annotated[str, Parameter(allow_leading_hyphen=True)]
_NOTHING = "standard output cannot hold both the package and JSON"


def sign(
    package: Locator,
    /,
    *,
    key: Path,
    cert: Path | None = None,
    chain: Path | None = None,
    output: Out = None,
    sha: Sha = "256",
    key_password_file: str | None = None,
    changed: Annotated[bool, Flag] = False,
    keep_digests: Annotated[bool, Flag] = False,
    overwrite: Annotated[bool, Flag] = False,
    dry_run: Annotated[bool, Flag] = False,
    json: Json = False,
) -> int:
    """Write the manifest anew and sign it; in place, or as another package.

    The files are hashed while they are copied and compared with the manifest there is. The
    password of the key comes from a file, from KENSHO_KEY_PASSWORD, or is asked for.

    Parameters
    ----------
    package
        OVA, OVF descriptor, folder or URL.
    key
        Private key: RSA or EC, PEM or DER.
    cert
        Certificate of the key, in PEM; may hold its chain. By default it is in the key's file.
    chain
        PEM file of further certificates, from the signer's issuer up.
    output
        Where the result goes: FILE.ova, FILE.ovf, a folder, or - for a pipe. In place by default.
    sha
        Digest of the manifest and the signature.
    key_password_file
        File whose first line is the key's password.
    changed
        The files were changed on purpose: do not compare them with the manifest there is.
    keep_digests
        Believe the digests of the manifest there is and hash nothing that has the right one.
    overwrite
        Replace a result that is there already.
    dry_run
        Check the key and the certificate, show what would be done and stop.
    """
    algorithm = f"sha{sha}"
    make, findings = load_signer(key, cert, chain, key_password_file, algorithm)
    return _write(
        package, output, algorithm, make, findings, changed=changed, believe=keep_digests,
        overwrite=overwrite, dry_run=dry_run, json=json,
    )  # fmt: skip


def manifest(
    package: Locator,
    /,
    *,
    output: Out = None,
    sha: Annotated[Literal["1", "256", "384", "512", "none"], Parameter(name="--sha")] = "256",
    changed: Annotated[bool, Flag] = False,
    overwrite: Annotated[bool, Flag] = False,
    dry_run: Annotated[bool, Flag] = False,
    json: Json = False,
) -> int:
    """Write the manifest anew, with digests of one kind; the signature goes, as it no longer fits.

    Parameters
    ----------
    package
        OVA, OVF descriptor, folder or URL.
    output
        Where the result goes: FILE.ova, FILE.ovf, a folder, or - for a pipe. In place by default.
    sha
        Digest; 1 for importers that know nothing else; none leaves the manifest out.
    changed
        The files were changed on purpose: do not compare them with the manifest there is.
    overwrite
        Replace a result that is there already.
    dry_run
        Show what would be done and stop.
    """
    algorithm = None if sha == "none" else f"sha{sha}"
    return _write(
        package, output, algorithm, None, (), changed=changed, believe=False,
        overwrite=overwrite, dry_run=dry_run, json=json,
    )  # fmt: skip


def load_signer(
    key: Path,
    cert: Path | None,
    chain: Path | None,
    password_file: str | None,
    algorithm: str,
) -> tuple[Signer, tuple[Finding, ...]]:
    """Return what signs manifests with the key, and what importers will not like about it.

    The first certificate is the key's own; without ``cert`` it is in the key's file. The password
    is asked for when it is needed and ``password_file`` is None.
    """
    from kensho.packages.signing.sign import judge_signer, signer

    certificates = _certificates(key, cert, chain)
    make = signer(read_key(key, password_file), certificates, algorithm)
    return make, judge_signer(certificates, dt.datetime.now(dt.UTC))


def _write(
    locator: str,
    output: str | None,
    algorithm: str | None,
    make: Signer | None,
    findings: tuple[Finding, ...],
    *,
    changed: bool,
    believe: bool,
    overwrite: bool,
    dry_run: bool,
    json: bool,
) -> int:
    from kensho.packages.files import complete_files, stored_size
    from kensho.packages.signing.sign import write_manifest_anew
    from kensho.packages.source import opened_ovf

    if output == "-" and json:
        raise UsageError(_NOTHING, path="-")
    with opened_ovf(locator) as package:
        target = output or _in_place(package.path, package.kind)
        if dry_run:
            names = (package.name, *complete_files(package))
            _plan(package.path, target, algorithm, names, json=json)
            return exits.OK
        total = stored_size(package)
        with counted(package.name, "write", total, quiet=json or target == "-") as on_bytes:
            written = write_manifest_anew(
                package,
                target,
                algorithm=algorithm,
                sign=make,
                changed=changed,
                believe=believe,
                overwrite=overwrite or output is None,
                on_bytes=on_bytes,
            )
    if json:
        print_json(
            {
                "path": written.path,
                "algorithm": algorithm,
                "signed": written.certificate is not None,
                "files": written.files,
                "findings": findings,
            }
        )
    elif output != "-":
        _show(written, findings)
    return exits.OK


def _in_place(path: str, kind: str) -> str:
    file = Path(path)
    if not file.is_file() or file.suffix.lower() != f".{kind}":
        raise UsageError("cannot be written in place", path=path, hint="name the result with -o")
    return path


def _plan(
    path: str, target: str, algorithm: str | None, files: tuple[str, ...], *, json: bool
) -> None:
    if json:
        print_json({"source": path, "path": target, "algorithm": algorithm, "files": files})
        return
    print(f"{path}\n→ {target}, {(algorithm or 'no').upper()} digests of:")
    for name in files:
        print(f"  {name}")


def _show(written: WrittenPackage, findings: tuple[Finding, ...]) -> None:
    size = format_bytes(sum(file.size for file in written.files))
    signed = "signed" if written.certificate else "not signed"
    print(f"{written.path}: {len(written.files)} files, {size}, {signed}")
    print_findings(findings)


def read_key(path: Path, password_file: str | None) -> PrivateKey:
    """Read a private key; its password comes from a file, KENSHO_KEY_PASSWORD, or is asked for."""
    from kensho.cli.secrets import read_secret
    from kensho.packages.signing.keys import is_encrypted, load_key

    data = _read(path)
    password = None
    if is_encrypted(data):
        password = read_secret(password_file, "KENSHO_KEY_PASSWORD", f"the password of {path}")
    return load_key(data, password, path=str(path))


def _certificates(key: Path, cert: Path | None, chain: Path | None) -> tuple[x509.Certificate, ...]:
    from kensho.packages.signing.chain import load_certificates, read_certificates

    if cert is None:
        data = _read(key)
        if b"-----BEGIN CERTIFICATE-----" not in data:
            raise UsageError("a signature needs the certificate of its key", hint="--cert C.pem")
        own = load_certificates(data, path=str(key))
    else:
        own = read_certificates(cert)
    return own if chain is None else (*own, *read_certificates(chain))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(1 << 20)
    except OSError as error:
        raise LocatorError(f"cannot be read: {error.strerror}", path=path) from None
