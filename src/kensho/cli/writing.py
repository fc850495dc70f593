"""Options of the verbs that write an OVF package: where to, with which digests, signed by whom."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from kensho.cli.flags import Flag
from kensho.cli.render import print_json
from kensho.model.errors import UsageError

if TYPE_CHECKING:
    from kensho.model.finding import Finding
    from kensho.packages.edit.payload import Payload, Watch
    from kensho.packages.rewrite import Signer, WrittenPackage


@Parameter(name="*")
@dataclass(frozen=True)
class Writing:
    """How a package is written.

    Parameters
    ----------
    sha
        Digest of manifest and signature; as before by default, 256 in a new package.
    key
        Private key to sign with: RSA or EC, PEM or DER.
    cert
        Certificate of the key, in PEM; may hold its chain.
    chain
        PEM file of further certificates.
    key_password_file
        File whose first line is the key's password.
    overwrite
        Replace a result that is there already.
    """

    sha: Annotated[Literal["1", "256", "384", "512", "none"] | None, Parameter(name="--sha")] = None
    key: Path | None = None
    cert: Path | None = None
    chain: Path | None = None
    key_password_file: str | None = None
    overwrite: Annotated[bool, Flag] = False

    @property
    def algorithm(self) -> str | None:
        """Return hashlib's name, ``none``, or None when nothing was asked for."""
        if self.sha is None:
            return "sha256" if self.key is not None else None
        return "none" if self.sha == "none" else f"sha{self.sha}"

    def signer(self) -> tuple[Signer | None, tuple[Finding, ...]]:
        """Return what signs, None without a key, and what importers will not like about it."""
        if self.key is None:
            if self.cert is not None or self.chain is not None:
                raise UsageError("a certificate alone signs nothing", hint="add --key KEY.pem")
            return None, ()
        if self.sha == "none":
            raise UsageError("a signature is over the manifest, so there has to be one")
        from kensho.cli.sign import load_signer

        return load_signer(
            self.key, self.cert, self.chain, self.key_password_file, self.algorithm or "sha256"
        )


Out = Annotated[
    str | None,
    Parameter(
        name=["-o", "--output"],
        allow_leading_hyphen=True,
        help="NAME.ova, NAME.ovf, a folder, or - for an archive into a pipe.",
    ),
]


@contextmanager
def watched(*, quiet: bool) -> Iterator[Watch]:
    """Give what shows the progress of writing a package, in the way that fits the terminal."""
    from kensho.cli.progress import shown
    from kensho.convert.events import Moved, Step
    from kensho.model.progress import Meter

    with shown(events=False, quiet=quiet) as listener:

        def watch(phase: str, subject: str) -> Meter:
            listener(Step(phase, subject))
            return Meter(subject, phase, lambda progress: listener(Moved(progress)))

        yield watch


def record(written: WrittenPackage, findings: tuple[Finding, ...]) -> dict[str, Any]:
    """Return what was written, for --json."""
    return {
        "path": written.path,
        "signed": written.certificate is not None,
        "files": written.files,
        "findings": findings,
    }


def show_draft(
    descriptor: bytes, payload: Payload, findings: tuple[Finding, ...], *, as_json: bool
) -> None:
    """Print what would be written: the descriptor alone, or with files and findings as JSON."""
    text = descriptor.decode(errors="replace")
    if as_json:
        print_json({"descriptor": text, "files": list(payload.files), "findings": findings})
    else:
        print(text, end="")
