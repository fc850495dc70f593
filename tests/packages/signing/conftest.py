"""Keys and certificates made by openssl, and packages signed by hand with it."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

DESCRIPTOR = b"""<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <References><File ovf:id="d" ovf:href="disk.vmdk"/></References>
</Envelope>
"""
DISK = b"disk" * 3000


def openssl(*arguments, data=None):
    done = subprocess.run(
        ["openssl", *map(str, arguments)], input=data, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def key_and_request(folder, name, kind):
    """Make NAME.key and NAME.csr."""
    new = ["-newkey", "rsa:2048"] if kind == "rsa" else [
        "-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{kind}",
    ]  # fmt: skip
    key, request = folder / f"{name}.key", folder / f"{name}.csr"
    openssl("req", *new, "-nodes", "-keyout", key, "-out", request, "-subj", f"/O=Test/CN={name}")
    return key, request


def issue(folder, name, kind, issuer, extensions):
    """Make NAME.key and NAME.pem, signed by ISSUER or by itself."""
    key, request = key_and_request(folder, name, kind)
    config = folder / f"{name}.ext"
    config.write_text("\n".join(extensions) + "\n")
    by = ("-CA", folder / f"{issuer}.pem", "-CAkey", folder / f"{issuer}.key", "-CAcreateserial")
    signed_by = by if issuer else ("-signkey", key)
    pem = folder / f"{name}.pem"
    openssl("x509", "-req", "-in", request, *signed_by, "-days", 365, "-sha256",
            "-extfile", config, "-out", pem)  # fmt: skip
    return pem


CA = ("basicConstraints=critical,CA:true", "keyUsage=critical,keyCertSign,cRLSign")
LEAF = ("basicConstraints=CA:false", "keyUsage=critical,digitalSignature")


@pytest.fixture(scope="session")
def pki(tmp_path_factory) -> Path:
    """root < middle < rsa, ec; alone signs itself; wrong has nothing to do with any of it."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("pki")
    issue(folder, "root", "P-256", None, CA)
    issue(folder, "middle", "rsa", "root", CA)
    issue(folder, "rsa", "rsa", "middle", LEAF)
    issue(folder, "ec", "P-384", "middle", LEAF)
    issue(folder, "alone", "rsa", None, LEAF)
    issue(folder, "wrong", "P-256", None, CA)
    issue(folder, "forged", "P-256", "rsa", LEAF)  # by a certificate that is no CA
    return folder


def manifest_of(descriptor=DESCRIPTOR, disk=DISK, algorithm="SHA256", line="{0}({1})= {2}\n"):
    files = (("app.ovf", descriptor), ("disk.vmdk", disk))
    plain = algorithm.lower().replace("sha2-", "sha")
    return "".join(
        line.format(algorithm, n, hashlib.new(plain, data).hexdigest()) for n, data in files
    ).encode()


def certificate_of(pki, name, manifest, sha="sha256", chain=("middle",)):
    """Sign as the standard says, with openssl."""
    signature = openssl("dgst", f"-{sha}", "-sign", pki / f"{name}.key", data=manifest)
    pems = b"".join((pki / f"{n}.pem").read_bytes() for n in (name, *chain))
    return f"{sha.upper()}(app.mf)= {signature.hex()}\n".encode() + pems


def ova(path, members):
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def signed_ova(path, pki, name, **how):
    manifest = manifest_of()
    members = {"app.ovf": DESCRIPTOR, "app.mf": manifest,
               "app.cert": certificate_of(pki, name, manifest, **how), "disk.vmdk": DISK}  # fmt: skip
    return ova(path, members)
