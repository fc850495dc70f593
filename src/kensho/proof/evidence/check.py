"""Evidence checked offline: who signed the statement, and whether each file and disk is what it says.

Every answer is one of its own: a signature may be good and its signer unknown; a log may have been
changed while the statement was not. What cannot be looked at is said to be absent, and is no failure;
what nobody vouches for is named.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from kensho.model.errors import UnsafePathError, UsageError
from kensho.packages.copying import copy_source
from kensho.proof.evidence.place import STATEMENT, Place
from kensho.proof.evidence.portability import Portability, files_of
from kensho.proof.evidence.signed import Believed, SignedBy, believe
from kensho.proof.evidence.words import said_of

if TYPE_CHECKING:
    from cryptography import x509

    from kensho.proof.evidence.opened import PublicKey

State = Literal["ok", "mismatch", "absent", "not vouched for"]


class Checked(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of the evidence or a disk, and whether it is what was signed; ``why`` in words."""

    name: str
    state: State
    expected: str = ""
    found: str = ""
    why: str = ""


class EvidenceCheck(msgspec.Struct, frozen=True, kw_only=True):
    """All answers; ``said`` is in words what was proven, and what was not."""

    path: str
    signature: SignedBy
    files: tuple[Checked, ...]
    disks: tuple[Checked, ...]
    said: tuple[str, ...]

    @property
    def intact(self) -> bool:
        """Tell that nothing contradicts what was signed."""
        wrong = any(part.state == "mismatch" for part in (*self.files, *self.disks))
        return self.signature.state != "invalid" and not self.signature.wrong and not wrong


@dataclass(frozen=True, slots=True)
class Looked:
    """A disk to compare: its name, and the root of its content or why it cannot be read.

    ``machine`` is whose it is in the package; a disk that several machines have comes as often.
    """

    name: str
    root: str
    why: str = ""
    machine: str = ""


def check_evidence(
    place: Place,
    disks: Sequence[Looked],
    trusted: Sequence[x509.Certificate],
    public: PublicKey | None,
    at: dt.datetime,
    *,
    whole: bool = False,
) -> EvidenceCheck:
    """Check a statement and what lies with it against ``disks``; ``whole`` when those are all there are.

    ``public`` is the signer's key where no certificate says it. CorruptError when it is no statement
    of kensho's, UnsafePathError when it names files elsewhere, LimitError for what is too large.
    """
    believed = _believed(place, trusted, public, at)
    files = tuple(_files(believed, place))
    compared = compare_disks(believed.evidence, disks, whole=whole)
    return EvidenceCheck(
        path=place.path,
        signature=believed.signed,
        files=files,
        disks=compared,
        said=tuple(said_of(believed.evidence, believed.signed, files, compared)),
    )


def read_evidence(place: Place, at: dt.datetime) -> Portability:
    """Return what evidence claims, for others to use; UsageError when it contradicts itself."""
    check = check_evidence(place, (), (), None, at)
    if not check.intact:
        wrong = [part.name for part in check.files if part.state == "mismatch"]
        raise UsageError(
            f"is not the proof that was made: {', '.join([*wrong, *check.signature.wrong])}",
            path=place.path,
            hint="kensho verify tells more",
        )
    return _believed(place, (), None, at).evidence


def _believed(
    place: Place, trusted: Sequence[x509.Certificate], public: PublicKey | None, at: dt.datetime
) -> Believed:
    sealed, beside = place.read(place.certificate), place.read(STATEMENT)
    if sealed is None and beside is None:
        raise UsageError("is no proof", path=place.path, hint=f"there is no {STATEMENT} in it")
    return believe(sealed, beside, trusted, public, at, f"{place.path}/{place.certificate}")


def _files(believed: Believed, place: Place) -> Iterator[Checked]:
    """Yield certificate, statement, what the statement names, and what is there beside that."""
    signed = believed.signed
    if signed.state != "absent" or signed.wrong:
        state: State = "mismatch" if signed.wrong else "ok"
        yield Checked(place.certificate, state, why="; ".join(signed.wrong))
    if believed.beside != "absent":
        yield Checked(STATEMENT, believed.beside)
    known = {place.certificate, STATEMENT}
    for name, sha256 in files_of(believed.evidence):
        known.add(name)
        yield _file(place, name, sha256)
    for name in place.names:
        if name not in known:
            yield Checked(name, "not vouched for")


def _file(place: Place, name: str, sha256: str) -> Checked:
    if any(part in {"", ".", ".."} for part in name.split("/")):
        raise UnsafePathError(f"names a file outside its folder: {name!r}", path=place.path)
    if place.store.size_of(name) is None:
        return Checked(name, "absent", sha256)
    with closing(place.store.open(name)) as source:
        found = copy_source(source, None, algorithms=("sha256",))["sha256"]
    return Checked(name, "ok" if found == sha256 else "mismatch", sha256, found)


def compare_disks(
    evidence: Portability, disks: Sequence[Looked], *, whole: bool
) -> tuple[Checked, ...]:
    """Compare disks with those that were proven; ``whole`` when they are all of a package's machines."""
    found = tuple(_disks(evidence, disks, whole=whole))
    if not whole or any(part.state == "mismatch" for part in found):
        return found
    return found + tuple(
        Checked(machine, "mismatch", why="its disks are divided otherwise among the machines here")
        for machine in _scattered(evidence, disks)
    )


def _scattered(evidence: Portability, disks: Sequence[Looked]) -> Iterator[str]:
    """Yield the machines that were proven with disks that no machine of a package has together.

    The first is what a machine starts from, and has to be the first; names are no matter.
    """
    here: dict[str, list[str]] = {}
    for disk in disks:
        here.setdefault(disk.machine, []).append(disk.root)
    left = list(here.values())
    own: dict[str, list[str]] = {}
    for proven in evidence.disks:
        own.setdefault(proven.machine, []).append(proven.root_after)
    for machine, roots in sorted(own.items(), key=lambda item: -len(item[1])):
        if not all(roots):
            continue
        match = next(
            (one for one in left if one[0] == roots[0] and Counter(roots) <= Counter(one)), None
        )
        if match is None:
            yield machine
        else:
            left.remove(match)


def _disks(evidence: Portability, disks: Sequence[Looked], *, whole: bool) -> Iterator[Checked]:
    """Yield each disk beside the one it is; those not given are absent, or missed when all were."""
    left = list(disks)
    waiting = []
    for disk in evidence.disks:
        if not disk.root_after:
            why = f"could not be read whole when it was proven: {disk.problem}"
            yield Checked(disk.file, "absent", why=why)
            continue
        match = next((one for one in left if one.root == disk.root_after), None)
        if match is None:
            waiting.append(disk)
            continue
        left.remove(match)
        yield Checked(match.name, "ok", disk.root_after, match.root)
    for disk in waiting:
        named = next((one for one in left if one.name.rpartition("/")[2] == disk.file), None)
        if named is None and len(left) >= len(waiting):
            named = left[0]
        if named is not None:
            left.remove(named)
            unchanged = named.root == disk.root_before
            why = "as it was before the guest was changed, which is not what was proven"
            yield Checked(
                named.name, "mismatch", disk.root_after, named.root,
                named.why or (why if unchanged else ""),
            )  # fmt: skip
        else:
            why = "no disk of the package is it" if whole else ""
            yield Checked(disk.file, "mismatch" if whole else "absent", disk.root_after, why=why)
    for one in left:
        yield Checked(one.name, "not vouched for", found=one.root, why=one.why)
