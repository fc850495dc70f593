"""``kensho encrypt`` and ``kensho decrypt``: files of an OVF package only some can read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kensho.cli import exits
from kensho.cli.flags import Flag, Json
from kensho.cli.printable import printable
from kensho.cli.progress import counted
from kensho.cli.render import print_findings, print_json
from kensho.cli.secrets import read_secret
from kensho.model.errors import UnsupportedError, UsageError
from kensho.model.finding import Finding
from kensho.model.units import format_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from kensho.packages.rewrite import WrittenPackage

Out = Annotated[str, Parameter(name=["-o", "--output"], allow_leading_hyphen=True)]
Locator = Annotated[str, Parameter(allow_leading_hyphen=True)]
_VARIABLE = "KENSHO_PASSPHRASE"


def encrypt(
    package: Locator,
    /,
    *,
    output: Out,
    passphrase_file: str | None = None,
    recipient: Annotated[list[Path] | None, Parameter(negative="")] = None,
    files: Annotated[list[str] | None, Parameter(negative="", consume_multiple=True)] = None,
    overwrite: Annotated[bool, Flag] = False,
    dry_run: Annotated[bool, Flag] = False,
    json: Json = False,
) -> int:
    """Encrypt the files of a package (OVF 2: AES-256-GCM), for a passphrase or for key holders.

    The descriptor stays readable and becomes OVF 2. Without --recipient a passphrase is used: of
    --passphrase-file, of KENSHO_PASSPHRASE, or typed.

    Parameters
    ----------
    package
        OVA, OVF descriptor, folder or URL.
    output
        Where the result goes: FILE.ova, FILE.ovf, a folder, or - for a pipe.
    passphrase_file
        File whose first line is the passphrase.
    recipient
        Certificate (PEM, RSA) of who may decrypt. Repeatable.
    files
        Ids of the files to encrypt; all by default.
    overwrite
        Replace a result that is there already.
    dry_run
        Show what would be encrypted and stop.
    """
    from kensho.packages.encryption.encrypt import chosen_files, encrypt_package
    from kensho.packages.files import stored_size
    from kensho.packages.signing.chain import read_certificates
    from kensho.packages.source import opened_ovf

    if output == "-" and json:
        raise UsageError("standard output cannot hold both the package and JSON", path="-")
    if recipient and passphrase_file:
        raise UsageError("either a passphrase or recipients")
    certificates = [read_certificates(path)[0] for path in recipient or ()]
    with opened_ovf(package) as opened:
        if dry_run:
            chosen = tuple(chosen_files(opened, opened.root, files or ()))
            return _plan(opened.path, output, chosen, json=json)
        secret = None
        if not certificates:
            secret = read_secret(passphrase_file, _VARIABLE, "the passphrase", again=True)
        total = stored_size(opened)
        with counted(opened.name, "encrypt", total, quiet=json or output == "-") as on_bytes:
            written, findings = encrypt_package(
                opened,
                output,
                passphrase=secret,
                recipients=certificates,
                ids=files or (),
                overwrite=overwrite,
                on_bytes=on_bytes,
            )
    return _show(written, findings, json=json)


def decrypt(
    package: Locator,
    /,
    *,
    output: Out,
    passphrase_file: str | None = None,
    key: Path | None = None,
    key_password_file: str | None = None,
    overwrite: Annotated[bool, Flag] = False,
    dry_run: Annotated[bool, Flag] = False,
    json: Json = False,
) -> int:
    """Decrypt the files of a package with a passphrase or a private key.

    Exit code 11 when it is the wrong one or the bytes were changed; nothing is left then.

    Parameters
    ----------
    package
        OVA, OVF descriptor, folder or URL.
    output
        Where the result goes: FILE.ova, FILE.ovf or a folder.
    passphrase_file
        File whose first line is the passphrase; else KENSHO_PASSPHRASE, or typed.
    key
        Private key (RSA, PEM or DER) instead of a passphrase.
    key_password_file
        File whose first line is the key's password; else KENSHO_KEY_PASSWORD, or typed.
    overwrite
        Replace a result that is there already.
    dry_run
        Show what would be decrypted, without the passphrase or the key, and stop.
    """
    from kensho.packages.encryption.decrypt import decrypt_package
    from kensho.packages.encryption.section import encrypted_files
    from kensho.packages.files import stored_size
    from kensho.packages.source import opened_ovf

    if key and passphrase_file:
        raise UsageError("either a passphrase or a private key")
    with opened_ovf(package) as opened:
        if dry_run:
            names = tuple(file.href for file in encrypted_files(opened.root))
            return _plan(opened.path, output, names, json=json)
        private = None if key is None else _private(key, key_password_file)
        secret = read_secret(passphrase_file, _VARIABLE, "the passphrase") if key is None else None
        with counted(opened.name, "decrypt", stored_size(opened), quiet=json) as on_bytes:
            written, findings = decrypt_package(
                opened,
                output,
                passphrase=secret,
                private=private,
                overwrite=overwrite,
                on_bytes=on_bytes,
            )
    return _show(written, findings, json=json)


def _private(path: Path, password_file: str | None) -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from kensho.cli.sign import read_key

    key = read_key(path, password_file)
    if not isinstance(key, RSAPrivateKey):
        raise UnsupportedError("content keys are wrapped for RSA keys only", path=path)
    return key


def _plan(path: str, output: str, names: tuple[str, ...], *, json: bool) -> int:
    if json:
        print_json({"source": path, "path": output, "files": names})
    else:
        print(printable(f"{path}\n→ {output}"))
        for name in names:
            print(printable(f"  {name}"))
    return exits.OK


def _show(written: WrittenPackage, findings: tuple[Finding, ...], *, json: bool) -> int:
    if json:
        print_json({"path": written.path, "files": written.files, "findings": findings})
    elif written.path != "-":
        size = format_bytes(sum(file.size for file in written.files))
        print(f"{written.path}: {len(written.files)} files, {size}")
        print_findings(findings)
    return exits.OK
