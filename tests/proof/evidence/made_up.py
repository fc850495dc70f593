"""Evidence of trials that never were: a log, pictures, a bill of materials, all that a page shows."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import msgspec

from kensho.guest.inspect.facts import GuestReport
from kensho.proof.causes.likely import Cause
from kensho.proof.causes.static import Foretold
from kensho.proof.evidence.gather import write_evidence
from kensho.proof.evidence.portability import Portability, ProvenDisk, untested
from kensho.proof.evidence.sbom import bill_of_materials
from kensho.proof.evidence.signer import load_signer
from kensho.proof.inside.read import Inside, NicSeen
from kensho.proof.trial import FileRef, Outcome, Trial, file_ref
from kensho.proof.watch.pictures import Screenshot
from kensho.proof.watch.screen import Look, Picture, to_png

ROOT = "ab" * 32


def picture(colour: tuple[int, int, int]) -> bytes:
    width, height = 320, 200
    return to_png(Picture(width, height, bytes(colour) * (width * height)))


def booted(folder: Path, name: str, log: str, *, cause: Cause | None = None) -> Trial:
    """Return the trial of a guest that said ``log``, with two pictures of its screen."""
    place = folder / name
    place.mkdir(parents=True)
    (place / "serial.log").write_bytes(log.encode())
    shots = []
    for number, (when, colour) in enumerate((("kernel", (0, 0, 0)), ("end", (0, 0, 170)))):
        path = place / f"screen{number}.png"
        path.write_bytes(picture(colour))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        shots.append(Screenshot(path.name, digest, 4.0 + number * 20, when, Look.TEXT))
    nic = NicSeen("ens3", ("e1000", "pci"), "52:54:00:12:34:56", "up", "10.0.2.15/24")
    return Trial(
        profile=name, platform="vmware", title=f"VMware, {name}, e1000", started=True,
        outcome=Outcome.FAIL if cause else Outcome.PASS, reason="the guest reported what it started from",
        nearest="QEMU's own firmware", cause=cause, seconds=41.5, accelerator="tcg",
        milestones={"firmware": 1.2, "loader": 3.1, "kernel": 6.0, "root": 21.0, "login": 41.5},
        inside=None if cause else Inside("6.1.0-18-amd64", "bios", "/dev/sda1", ("sd", "mptspi"), (nic,)),
        log=file_ref(place / "serial.log"), screenshots=tuple(shots), foretold=Foretold(disk=True),
    )  # fmt: skip


def judged(name: str = "xen-pv") -> Trial:
    return Trial(
        profile=name, platform="xen", title="Xen, paravirtual", started=False, outcome=Outcome.FAIL,
        reason="told from the guest's files alone: QEMU is no Xen",
        cause=Cause("KF-960", "xen_blkfront is not there in time", "kensho adapt"),
        foretold=Foretold(disk=False, adapter=True),
    )  # fmt: skip


def evidence(folder: Path, *trials: Trial, source: str = "web01.ova") -> Portability:
    bill = folder / "sbom.cdx.json"
    bill.write_bytes(msgspec.json.format(msgspec.json.encode(bill_of_materials(GuestReport()))))
    return Portability(
        kensho="0.1.0", made="2026-11-22T12:00:00+00:00", source=source, machines=("web01",),
        disks=(ProvenDisk("web01", "disk1", "web01-disk1.vmdk", 1 << 30, ROOT, ROOT),),
        trials=trials, sbom=file_ref(bill), qemu="QEMU emulator version 7.2", untested=untested(trials),
        inputs=(FileRef("web01.ova", "cd" * 32, 1 << 28),),
    )  # fmt: skip


def proof(folder: Path, key: Path | None = None, cert: Path | None = None, log: str = "") -> Path:
    """Write a whole proof to a new folder, signed when there is a key."""
    folder.mkdir()
    trials = (booted(folder, "vmware-ide", log or "Linux version 6.1\nweb01 login: \n"), judged())
    signer = load_signer(key, cert) if key is not None else None
    write_evidence(evidence(folder, *trials), folder, signer)
    return folder


def openssl(*arguments: object, fails: bool = False) -> bytes:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True)
    assert (done.returncode != 0) == fails, done.stderr
    return done.stdout


def chain(
    folder: Path, kind: tuple[str, ...] = ("-algorithm", "ed25519")
) -> tuple[Path, Path, Path]:
    """Make a root and a signer's certificate by it: the key, certificate with root, the root's file."""
    root, key, cert = folder / "root.pem", folder / "signer.key", folder / "signer.pem"
    rooted = folder / "root.key"
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", rooted)
    openssl("req", "-x509", "-key", rooted, "-subj", "/CN=Root", "-days", 3650, "-out", root,
            "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
    openssl("genpkey", *kind, "-out", key)
    request = folder / "request"
    openssl("req", "-new", "-key", key, "-subj", "/CN=Signer", "-out", request)
    extensions = folder / "extensions"
    extensions.write_text("keyUsage=critical,digitalSignature\n")
    openssl("x509", "-req", "-in", request, "-CA", root, "-CAkey", rooted, "-days", 30,
            "-extfile", extensions, "-out", cert)  # fmt: skip
    cert.write_bytes(cert.read_bytes() + root.read_bytes())
    return key, cert, root
