"""Who signs a proof: keys with passwords, certificates with their chain, dates, trust; as openssl sees it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kensho.cli.proving import licences_to_accept
from kensho.convert.deployment.eulas import Licence, digest_of
from kensho.proof.profiles import profile
from tests.cli.conftest import Kensho
from tests.cli.small_guest import guest_disk
from tests.images import ovf
from tests.proof.evidence.made_up import chain, openssl, proof

ON = "hyperv-gen2"
DOCS = Path(__file__).parents[2] / "docs/proof-evidence.md"
KINDS = {
    "ed25519": ("-algorithm", "ed25519"),
    "ec": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
    "rsa": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return guest_disk(tmp_path_factory.mktemp("disk"), boot=False)


def signature(kensho: Kensho, folder: Path, *options: object) -> tuple[int, dict]:
    code, out, err = kensho("verify", folder, *options, "--json")
    assert out, err
    return code, json.loads(out)["evidence"]["signature"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_chain_leads_to_whom_is_trusted(
    kind: str, disk: Path, tmp_path: Path, kensho: Kensho
) -> None:
    key, cert, root = chain(tmp_path, KINDS[kind])
    folder = tmp_path / "proof"
    code, _, err = kensho(
        "prove", disk, "--on", ON, "-o", folder, "--sign-key", key, "--sign-cert", cert
    )
    assert code == 15, err
    folder = shutil.copytree(folder, tmp_path / "another/machine")
    code, told = signature(kensho, folder, "--ca", root)
    assert (code, told["state"], told["trusted"]) == (0, "valid", True)
    assert [c["subject"] for c in told["chain"]["certificates"]] == ["CN=Signer", "CN=Root"]
    code, told = signature(kensho, folder, "--ca", root, "--at", "2099-01-01")
    assert (code, told["state"], told["dates"]["state"]) == (11, "valid", "expired")
    code, told = signature(kensho, folder, "--ca", root, "--at", "2001-01-01")
    assert (code, told["dates"]["state"]) == (11, "not yet valid")
    (tmp_path / "others").mkdir()
    other = chain(tmp_path / "others")[2]
    code, told = signature(kensho, folder, "--ca", other)
    assert (code, told["state"], "trusted" in told) == (11, "valid", False)
    code, told = signature(kensho, folder)  # nobody asked for trust, and it says so
    assert (code, "trusted" in told) == (0, False)


def test_a_key_with_a_password(
    disk: Path, tmp_path: Path, kensho: Kensho, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, secret = tmp_path / "key.pem", tmp_path / "secret"
    secret.write_text("open sesame\n")
    openssl("genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:open sesame", "-out", key)
    run = ("prove", disk, "--on", ON, "--sign-key", key)
    code, _, err = kensho(*run, "-o", tmp_path / "none")
    assert code == 2
    assert "KENSHO_KEY_PASSWORD" in err
    secret.write_text("wrong\n")
    code, _, err = kensho(*run, "-o", tmp_path / "wrong", "--sign-key-password-file", secret)
    assert code == 2
    assert "password is wrong" in err
    assert not (tmp_path / "wrong").exists()
    secret.write_text("open sesame\n")
    assert kensho(*run, "-o", tmp_path / "file", "--sign-key-password-file", secret)[0] == 15
    monkeypatch.setenv("KENSHO_KEY_PASSWORD", "open sesame")
    assert kensho(*run, "-o", tmp_path / "variable")[0] == 15
    openssl("pkey", "-in", key, "-passin", "pass:open sesame", "-pubout", "-out", tmp_path / "pub")
    for name in ("file", "variable"):
        assert signature(kensho, tmp_path / name, "--public-key", tmp_path / "pub")[0] == 0


def test_mistakes_are_said_before_anything_is_done(
    disk: Path, tmp_path: Path, kensho: Kensho
) -> None:
    key, cert, _ = chain(tmp_path)
    other = tmp_path / "other.key"
    openssl("genpkey", "-algorithm", "ed25519", "-out", other)
    run = ("prove", disk, "--on", ON, "-o", tmp_path / "x")
    for options in (
        ("--sign-cert", cert), ("--sign-key", other, "--sign-cert", cert),
        ("--sign-key", tmp_path / "none"), ("--sign-key", cert), ("--sign-key", key, "--sign-cert", key),
    ):  # fmt: skip
        code, _, err = kensho(*run, *options)
        assert code in {1, 2}, (options, err)
        assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_the_lines_of_the_documentation_check_it_with_openssl(kind: str, tmp_path: Path) -> None:
    """What is printed there is run as it is, by a shell, on a machine that has no kensho."""
    key, cert, root = chain(tmp_path, KINDS[kind])
    proof(tmp_path / "proof", key, cert)
    shutil.copy(root, tmp_path / "ca.pem")
    (lines,) = re.findall(r"```sh\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert "kensho" not in lines.replace("kensho prove", "")

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-e", "-c", lines], cwd=tmp_path, capture_output=True, text=True
        )

    done = run()
    assert done.returncode == 0, done.stderr
    assert "Verified" in done.stdout
    assert "OK" in done.stdout
    for name in ("vmware-ide/serial.log", "statement.json"):
        path = tmp_path / "proof" / name
        whole = path.read_bytes()
        path.write_bytes(whole.replace(b"e", b"f", 1))
        assert run().returncode != 0, name
        path.write_bytes(whole)
    sealed = json.loads((tmp_path / "proof/certificate.json").read_text())
    text = sealed["payload"]
    sealed["payload"] = text[:100] + ("A" if text[100] != "A" else "B") + text[101:]
    (tmp_path / "proof/certificate.json").write_text(json.dumps(sealed))
    assert run().returncode != 0


def test_licences_are_accepted_before_it_is_started(
    disk: Path, tmp_path: Path, kensho: Kensho
) -> None:
    eula = "<EulaSection><Info>Terms</Info><License>Do good.</License></EulaSection>"
    descriptor = ovf({"guest.img": disk.stat().st_size})
    machine = descriptor.index("</VirtualSystem>")
    (tmp_path / "app.ovf").write_text(descriptor[:machine] + eula + descriptor[machine:])
    (tmp_path / "guest.img").hardlink_to(disk)
    package = tmp_path / "app.ova"
    kensho("edit", tmp_path / "app.ovf", "--set", "cpus=1", "-o", package, "-q")
    code, _, err = kensho("prove", package, "--on", "kvm-virtio", "-o", tmp_path / "x")
    assert code == 16
    assert "1 licence agreement to accept" in err
    assert not (tmp_path / "x").exists()
    code, _, err = kensho("prove", package, "--on", ON, "-o", tmp_path / "x")
    assert code == 15, err  # what is not started is not used
    started = profile("kvm-virtio")
    (accepted,) = licences_to_accept([str(package)], [started], None, accepted=True)
    digest = hashlib.sha256(b"Do good.").hexdigest()
    assert digest_of(accepted) == Licence("Terms", digest, 8)
    assert licences_to_accept([str(disk)], [started], None, accepted=False) == ()
