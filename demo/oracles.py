"""Second opinions on kensho's results, from programs that share no code with it.

qemu-img compares every disk with the source's and checks the formats that have a
check; virt-xml-validate reads libvirt's XML; tar lists an OVA's members and the
manifest's digests are computed anew; an XVA's blocks are joined and compared; tar unpacks Google's
images; skopeo reads OCI images.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from shell import run
from views import member_view, view

BLOCK = 1 << 20  # of an XVA
DISK_SUFFIXES = {".vmdk", ".qcow2", ".vhdx", ".vhd", ".vdi", ".img", ".raw"}
_NO_CHECK = 63  # qemu-img's exit code for "this format has no check"
_DIGEST_LINE = re.compile(r"^(SHA1|SHA256|SHA512)\((.+)\)\s*=\s*([0-9a-fA-F]+)$")


@dataclass(frozen=True)
class Check:
    """One question to an outside program; ``ok`` is None when it could not be asked."""

    name: str
    detail: str
    ok: bool | None = field(kw_only=True)


def check_result(folder: Path, result: dict, sources: dict[str, str | None]) -> list[Check]:
    """Ask everything there is to ask about one conversion's files.

    ``result`` is what ``kensho convert --json`` printed, ``sources`` maps its disks'
    ids to what qemu-img takes for the source's disk.
    """
    names = [file["name"] for file in result["files"]]
    disks = result["disks"]
    checks = [
        Check("the file is there", name, ok=False)
        for name in names
        if not (folder / name).is_file()
    ]
    for path in (folder / name for name in names if (folder / name).is_file()):
        match path.suffix.lower():
            case ".ova":
                checks += _check_ova(path, disks, sources)
            case ".xva":
                checks += _check_xva(path, disks, sources)
            case ".xml" if b"<domain" in path.read_bytes()[:4096]:
                checks.append(_run("virt-xml-validate", path.name, path, "domain"))
            case ".sh":
                checks.append(_run("bash", f"syntax of {path.name}", "-n", path))
            case ".gz":
                checks += _check_packed(path, disks, sources)
            case ".tar" if path.name.endswith(".oci.tar"):
                image = f"oci-archive:{path}"
                checks.append(_run("skopeo", f"reads {path.name}", "inspect", "--raw", image))
    for disk in disks:
        path = folder / disk["filename"]
        if path.is_file() and path.suffix.lower() in DISK_SUFFIXES:
            checks += _check_disk(view(path), path.name, sources.get(disk["image"]))
    if disks and not any(check.name == "same content" for check in checks):
        checks.append(Check("same content", "no disk of the result was compared", ok=False))
    return checks


def _run(program: str, subject: str, *arguments: str | Path) -> Check:
    try:
        done = subprocess.run(
            [program, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return Check(program, "not installed", ok=None)
    said = (done.stdout + done.stderr).strip()
    return Check(program, subject if done.returncode == 0 else said[-500:], ok=done.returncode == 0)


def _check_disk(target: str, name: str, source: str | None) -> list[Check]:
    checks = [_compare(target, name, source)]
    done = subprocess.run(
        ["qemu-img", "check", target], capture_output=True, text=True, check=False
    )
    if done.returncode != _NO_CHECK:
        ok = done.returncode == 0
        said = name if ok else (done.stdout + done.stderr).strip()[-500:]
        checks.append(Check("qemu-img check", said, ok=ok))
    return checks


def _compare(target: str, name: str, source: str | None) -> Check:
    if source is None:
        return Check("same content", f"{name}: QEMU cannot read the source's disk", ok=None)
    done = subprocess.run(
        ["qemu-img", "compare", source, target], capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return Check("same content", name, ok=True)
    return Check("same content", f"{name}: {(done.stdout + done.stderr).strip()[-500:]}", ok=False)


def _check_packed(path: Path, disks: list[dict], sources: dict[str, str | None]) -> list[Check]:
    """Unpack an image of Google's with tar and compare what is in it."""
    with tempfile.TemporaryDirectory(prefix=".gcp-", dir=path.parent) as folder:
        checks = [_run("tar", f"unpacks {path.name}", "-xSzf", path, "-C", folder)]
        raw = Path(folder) / "disk.raw"
        made = [disk["image"] for disk in disks if disk["filename"] == path.name]
        if raw.is_file() and made:
            checks.append(_compare(view(raw), path.name, sources.get(made[0])))
    return checks


# --- OVA ---------------------------------------------------------------------------------------


def signed_by(certificate: Path, public: Path) -> None:
    """Have openssl check a DSSE envelope (https://github.com/secure-systems-lab/dsse); StepFailedError."""
    envelope = json.loads(certificate.read_text())
    kind, payload = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
    (signature,) = envelope["signatures"]
    with tempfile.TemporaryDirectory() as folder:
        message, raw = Path(folder) / "message", Path(folder) / "signature"
        message.write_bytes(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
        raw.write_bytes(base64.b64decode(signature["sig"]))
        run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", message,
             "-sigfile", raw])  # fmt: skip


def _check_ova(path: Path, disks: list[dict], sources: dict[str, str | None]) -> list[Check]:
    listing = subprocess.run(["tar", "tf", path], capture_output=True, text=True, check=False)
    names = listing.stdout.splitlines()
    checks = [Check("tar reads it", listing.stderr.strip()[-500:], ok=listing.returncode == 0)]
    if listing.returncode != 0:
        return checks
    checks.append(_check_order(names, [disk["filename"] for disk in disks]))
    checks.append(_check_manifest(path, names))
    for disk in disks:
        target = member_view(path, disk["filename"])
        if target is None:
            checks.append(Check("same content", f"{disk['filename']} is missing", ok=False))
        else:
            checks += _check_disk(target, disk["filename"], sources.get(disk["image"]))
    return checks


def _check_order(names: list[str], disks: list[str]) -> Check:
    """Descriptor, manifest, then the disks in the descriptor's order: what DSP0243 wants."""
    suffixes = [Path(name).suffix.lower() for name in names[:2]]
    ok = suffixes == [".ovf", ".mf"] and [n for n in names if n in disks] == disks
    return Check("member order", ", ".join(names), ok=ok)


def _check_manifest(path: Path, names: list[str]) -> Check:
    listed: dict[str, tuple[str, str]] = {}
    manifest = next((name for name in names if name.lower().endswith(".mf")), None)
    if manifest is None:
        return Check("manifest digests", "there is no manifest", ok=False)
    with tarfile.open(path, "r:") as tar:
        for line in _read(tar, manifest).decode("utf-8", "replace").splitlines():
            if found := _DIGEST_LINE.match(line):
                listed[found[2]] = (found[1].lower(), found[3].lower())
        wrong = [
            member.name
            for member in tar
            if member.name != manifest
            and listed.get(member.name) != _digest(tar, member, listed.get(member.name))
        ]
    unlisted = [name for name in names if name != manifest and name not in listed]
    detail = ", ".join(wrong or unlisted) or f"{len(listed)} digests"
    return Check("manifest digests", detail, ok=not wrong and not unlisted)


def _read(tar: tarfile.TarFile, member: str | tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def _digest(
    tar: tarfile.TarFile, member: tarfile.TarInfo, listed: tuple[str, str] | None
) -> tuple[str, str] | None:
    if listed is None:
        return None
    file = tar.extractfile(member)
    assert file is not None
    return listed[0], hashlib.file_digest(file, listed[0]).hexdigest()


# --- XVA ---------------------------------------------------------------------------------------


def _check_xva(path: Path, disks: list[dict], sources: dict[str, str | None]) -> list[Check]:
    with tarfile.open(path, "r:") as tar:
        first = tar.next()
        name = "" if first is None else first.name
        checks = [Check("ova.xml comes first", f"{name} does", ok=name == "ova.xml")]
        with tempfile.TemporaryDirectory(prefix=".xva-", dir=path.parent) as folder:
            raws, wrong, count = _join_blocks(tar, Path(folder))
            detail = f"{count} blocks" if not wrong else f"wrong: {', '.join(wrong[:5])}"
            checks.append(Check("block digests", detail, ok=not wrong and count > 0))
            checks.append(Check("every disk is there", str(len(raws)), ok=len(raws) == len(disks)))
            for disk, raw in zip(disks, raws, strict=False):
                checks.append(_compare(view(raw), raw.stem, sources.get(disk["image"])))
    return checks


def _join_blocks(tar: tarfile.TarFile, folder: Path) -> tuple[list[Path], list[str], int]:
    """Write each disk's blocks to a sparse file; return those, the bad blocks and the count.

    A block ``Ref:N/00000042`` lies 42 MiB into its disk, and its SHA-1 is in the member
    of that name with ``.checksum``; blocks that are not there are zeros.
    """
    digests: dict[str, str] = {}
    listed: dict[str, str] = {}
    raws: dict[str, Path] = {}
    for name, data in _blocks(tar):
        if name.endswith(".checksum"):
            listed[name.removesuffix(".checksum")] = data.decode("ascii", "replace").strip()
            continue
        digests[name] = hashlib.sha1(data).hexdigest()
        reference, number = name.split("/")
        raw = raws.setdefault(reference, folder / f"{reference.replace(':', '-')}.raw")
        with raw.open("r+b" if raw.exists() else "w+b") as file:
            file.seek(int(number) * BLOCK)
            file.write(data)
    wrong = [name for name, digest in digests.items() if listed.get(name) != digest]
    wrong += [name for name in listed if name not in digests]
    in_order = sorted(raws, key=lambda reference: int(reference.partition(":")[2]))
    return [raws[reference] for reference in in_order], wrong, len(digests)


def _blocks(tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in tar:
        if re.fullmatch(r"Ref:\d+/\d{8}(\.checksum)?", member.name):
            yield member.name, _read(tar, member)
