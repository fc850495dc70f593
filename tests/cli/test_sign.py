"""``kensho sign``, ``manifest`` and ``verify`` on the command line; openssl looks at what is signed."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.cli.conftest import Kensho
from tests.packages.signing.conftest import DESCRIPTOR, DISK, manifest_of, openssl, ova, pki

__all__ = ["pki"]  # a fixture


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]


def unsigned(path: Path, manifest: bytes | None = None) -> Path:
    files = {"app.ovf": DESCRIPTOR, "disk.vmdk": DISK}
    return ova(path, files if manifest is None else files | {"app.mf": manifest})


def check_with_openssl(folder: Path, pki: Path, found: dict[str, bytes], sha: str) -> None:
    """Take the certificate file apart as a user with openssl would."""
    line, _, pems = found["app.cert"].partition(b"\n")
    head, _, hexes = line.partition(b"= ")
    assert head.decode() == f"{sha.upper()}(app.mf)"
    for name, data in (("sig", bytes.fromhex(hexes.decode())), ("certs.pem", pems)):
        (folder / name).write_bytes(data)
    (folder / "key.pub").write_bytes(
        openssl("x509", "-in", folder / "certs.pem", "-noout", "-pubkey")
    )
    dgst = ("dgst", f"-{sha}", "-verify", folder / "key.pub", "-signature", folder / "sig")
    assert b"Verified OK" in openssl(*dgst, data=found["app.mf"])
    openssl("verify", "-CAfile", pki / "root.pem", "-untrusted", folder / "certs.pem",
            folder / "certs.pem")  # fmt: skip


@pytest.mark.parametrize("name", ["rsa", "ec"])
@pytest.mark.parametrize("sha", ["1", "256", "384", "512"])
def test_openssl_verifies_what_kensho_signs(
    kensho: Kensho, tmp_path: Path, pki: Path, name: str, sha: str
) -> None:
    source = unsigned(tmp_path / "in.ova")
    code, out, err = kensho("sign", source, "--key", pki / f"{name}.key", "--cert",
                            pki / f"{name}.pem", "--chain", pki / "middle.pem", "--sha", sha,
                            "-o", tmp_path / "out.ova", "--json")  # fmt: skip
    assert code == 0, err
    assert json.loads(out)["signed"] is True
    found = members(tmp_path / "out.ova")
    assert list(found) == ["app.ovf", "app.mf", "app.cert", "disk.vmdk"]
    assert found["app.mf"] == manifest_of(algorithm=f"SHA{sha}")
    check_with_openssl(tmp_path, pki, found, f"sha{sha}")
    assert kensho("verify", tmp_path / "out.ova", "--ca", pki / "root.pem")[0] == 0
    assert kensho("verify", tmp_path / "out.ova", "--ca", pki / "wrong.pem")[0] == 11
    assert (
        kensho("verify", tmp_path / "out.ova", "--ca", pki / "root.pem", "--at", "2099-01-01")[0]
        == 11
    )


def test_in_place_and_again(kensho: Kensho, tmp_path: Path, pki: Path) -> None:
    path = unsigned(tmp_path / "in.ova")
    keys = ("--key", pki / "ec.key", "--cert", pki / "ec.pem")
    assert kensho("sign", path, *keys)[0] == 0
    before = members(path)
    assert kensho("sign", path, *keys, "--sha", "512")[0] == 0
    after = members(path)
    assert list(after) == list(before)
    assert after["app.mf"].startswith(b"SHA512(app.ovf)= ")
    assert kensho("verify", path, "-q")[0] == 0
    assert kensho("manifest", path, "--sha", "none")[0] == 0
    assert list(members(path)) == ["app.ovf", "disk.vmdk"]
    assert [p.name for p in tmp_path.iterdir()] == ["in.ova"]


def test_opencti_1642_rehash_for_importers_old_and_new(kensho: Kensho, tmp_path: Path) -> None:
    """vmware/vic#5443, turnkeylinux/tracker#827 too: one refuses SHA-1, another SHA-256."""
    source = unsigned(tmp_path / "in.ova", manifest_of(algorithm="SHA1"))
    for sha in ("256", "384", "512", "1"):
        assert kensho("manifest", source, "--sha", sha)[0] == 0
        found = members(source)
        assert found["app.mf"] == manifest_of(algorithm=f"SHA{sha}")
        assert found["disk.vmdk"] == DISK


def test_home_assistant_826_the_manifest_is_written_exactly(kensho: Kensho, tmp_path: Path) -> None:
    """nextcloud/vm#910, #2607: "Invalid OVF checksum algorithm: SHA256 ", a blank before (."""
    source = unsigned(tmp_path / "in.ova", manifest_of(line="{0} ({1}) = {2}\r\n"))
    assert kensho("manifest", source)[0] == 0
    digests = [hashlib.sha256(data).hexdigest() for data in (DESCRIPTOR, DISK)]
    expected = f"SHA256(app.ovf)= {digests[0]}\nSHA256(disk.vmdk)= {digests[1]}\n"
    assert members(source)["app.mf"].decode() == expected


def test_home_assistant_3654_sha2_256_becomes_sha256(kensho: Kensho, tmp_path: Path) -> None:
    source = unsigned(tmp_path / "in.ova", manifest_of(algorithm="SHA2-256"))
    assert kensho("verify", source)[0] == 0
    assert kensho("manifest", source)[0] == 0
    assert members(source)["app.mf"] == manifest_of()


def test_kiwi_2449_nothing_but_python_is_run(tmp_path: Path, pki: Path) -> None:
    """cot#6, turnkeylinux#622, nixpkgs#378697: ovftool is closed and behind a login; so no helper."""
    source = unsigned(tmp_path / "in.ova")
    script = (
        "import sys\n"
        "def no(event, args):\n"
        "    if event in {'subprocess.Popen', 'os.system', 'os.exec', 'os.posix_spawn', 'os.fork'}:\n"
        "        raise SystemExit(f'ran {args}')\n"
        "sys.addaudithook(no)\n"
        "from kensho.cli.exits import run\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    keys = ("--key", pki / "rsa.key", "--cert", pki / "rsa.pem")
    for arguments in (("sign", source, *keys), ("verify", source)):
        command = [sys.executable, "-c", script, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, check=False, env={"PATH": ""})
        assert done.returncode == 0, done.stderr


def test_govmomi_1978_a_tampered_package_is_neither_signed_nor_verified(
    kensho: Kensho, tmp_path: Path, pki: Path
) -> None:
    """govc uploads an OVA whose disk does not match its manifest."""
    source = unsigned(tmp_path / "in.ova", manifest_of(disk=b"another"))
    before = source.read_bytes()
    assert kensho("verify", source)[0] == 11
    keys = ("--key", pki / "rsa.key", "--cert", pki / "rsa.pem")
    for extra in ((), ("-o", tmp_path / "out.ova")):
        code, _, err = kensho("sign", source, *keys, *extra)
        assert code == 11
        assert hashlib.sha256(DISK).hexdigest() in err
        assert hashlib.sha256(b"another").hexdigest() in err
    assert kensho("manifest", source)[0] == 11
    assert source.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["in.ova"]
    assert kensho("sign", source, *keys, "--changed")[0] == 0
    assert kensho("verify", source)[0] == 0


def test_a_changed_descriptor_is_seen_as_well(kensho: Kensho, tmp_path: Path) -> None:
    source = unsigned(tmp_path / "in.ova", manifest_of(descriptor=b"<Envelope/>"))
    assert kensho("manifest", source)[0] == 11
    assert kensho("manifest", source, "--changed")[0] == 0


def test_digests_that_are_there_can_be_believed(kensho: Kensho, tmp_path: Path, pki: Path) -> None:
    source = unsigned(tmp_path / "in.ova", manifest_of(disk=b"another"))
    keys = ("--key", pki / "rsa.key", "--cert", pki / "rsa.pem")
    assert kensho("sign", source, *keys, "--keep-digests")[0] == 0
    assert members(source)["app.mf"] == manifest_of(disk=b"another")


def test_passwords(
    kensho: Kensho, tmp_path: Path, pki: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = unsigned(tmp_path / "in.ova")
    key = tmp_path / "locked.key"
    openssl("pkey", "-in", pki / "rsa.key", "-aes256", "-passout", "pass:secret", "-out", key)
    command = ("sign", source, "--key", key, "--cert", pki / "rsa.pem")
    code, _, err = kensho(*command)
    assert (code, "password" in err) == (2, True)
    (tmp_path / "word").write_text("secret\n")
    assert kensho(*command, "--key-password-file", tmp_path / "word")[0] == 0
    monkeypatch.setenv("KENSHO_KEY_PASSWORD", "wrong")
    assert kensho(*command)[0] == 2
    monkeypatch.setenv("KENSHO_KEY_PASSWORD", "secret")
    assert kensho(*command)[0] == 0


def test_what_cannot_sign(kensho: Kensho, tmp_path: Path, pki: Path) -> None:
    source = unsigned(tmp_path / "in.ova")
    before = source.read_bytes()
    openssl("genpkey", "-algorithm", "ed25519", "-out", tmp_path / "ed.key")
    (tmp_path / "junk").write_bytes(b"junk")
    rsa, ec = (pki / "rsa.key", pki / "rsa.pem"), (pki / "ec.key", pki / "ec.pem")
    for key, cert, code in (
        (rsa[0], ec[1], 2),
        (tmp_path / "ed.key", rsa[1], 12),
        (tmp_path / "junk", rsa[1], 1),
        (rsa[0], tmp_path / "junk", 1),
        (tmp_path / "none", rsa[1], 2),
        (rsa[0], tmp_path / "none", 2),
    ):
        assert kensho("sign", source, "--key", key, "--cert", cert)[0] == code
    assert kensho("sign", source, "--key", rsa[0])[0] == 2
    assert source.read_bytes() == before


def test_a_certificate_that_is_not_for_signing_is_named(
    kensho: Kensho, tmp_path: Path, pki: Path
) -> None:
    source = unsigned(tmp_path / "in.ova")
    _, out, _ = kensho(
        "sign", source, "--key", pki / "root.key", "--cert", pki / "root.pem", "--json"
    )
    assert [f["code"] for f in json.loads(out)["findings"]] == ["KF-713"]


def test_a_folder_in_place_touches_no_disk(kensho: Kensho, tmp_path: Path, pki: Path) -> None:
    (tmp_path / "app.ovf").write_bytes(DESCRIPTOR)
    disk = tmp_path / "disk.vmdk"
    disk.write_bytes(DISK)
    before = disk.stat()
    keys = ("--key", pki / "rsa.key", "--cert", pki / "rsa.pem")
    assert kensho("sign", tmp_path, *keys)[0] == 0
    assert (disk.stat().st_ino, disk.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "app.cert", "app.mf", "app.ovf", "disk.vmdk",
    ]  # fmt: skip
    assert kensho("verify", tmp_path / "app.ovf")[0] == 0


def test_dry_run_writes_nothing(kensho: Kensho, tmp_path: Path) -> None:
    source = unsigned(tmp_path / "in.ova")
    before = source.read_bytes()
    code, out, _ = kensho("manifest", source, "--dry-run", "--json")
    assert (code, json.loads(out)["files"]) == (0, ["app.ovf", "disk.vmdk"])
    assert source.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["in.ova"]


def test_a_result_that_is_there_is_not_replaced(kensho: Kensho, tmp_path: Path) -> None:
    source = unsigned(tmp_path / "in.ova")
    (tmp_path / "out.ova").write_bytes(b"mine")
    assert kensho("manifest", source, "-o", tmp_path / "out.ova")[0] == 2
    assert (tmp_path / "out.ova").read_bytes() == b"mine"
    assert kensho("manifest", source, "-o", tmp_path / "out.ova", "--overwrite")[0] == 0


def test_strict_counts_warnings(kensho: Kensho, tmp_path: Path) -> None:
    source = unsigned(tmp_path / "in.ova")
    assert kensho("verify", source)[0] == 0
    assert kensho("verify", source, "--strict")[0] == 3
    assert kensho("verify", source, "--trusted")[0] == 11
    assert kensho("verify", source, "--at", "yesterday")[0] == 2
    code, out, _ = kensho("verify", source)
    assert (code, "no manifest" in out, "absent" in out) == (0, True, True)


PEAK = """
import sys
from pathlib import Path
from kensho.cli.exits import run
code = run(sys.argv[1:])
peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print(peak, file=sys.stderr)
sys.exit(code)
"""


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-c", PEAK, *map(str, arguments)]


def test_a_pipe_on_either_side_in_one_pass_and_constant_memory(tmp_path: Path) -> None:
    """``kensho manifest big.ova -o - | tee >(tar t) | kensho verify -``."""
    disk = tmp_path / "disk.vmdk"
    with disk.open("wb") as file:
        file.write(DISK)
        file.truncate(96 << 20)
    (tmp_path / "app.ovf").write_bytes(DESCRIPTOR)
    writer = subprocess.Popen(
        command("manifest", tmp_path, "-o", "-"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    reader = subprocess.run(
        command("verify", "-", "--json"), stdin=writer.stdout, capture_output=True, check=False
    )
    assert writer.stdout is not None
    writer.stdout.close()
    peaks = (writer.communicate()[1], reader.stderr)
    assert (writer.returncode, reader.returncode) == (0, 0)
    found = json.loads(reader.stdout)
    assert found["digests"] == "match"
    assert [(f["name"], f["state"], f["bytes"]) for f in found["files"]] == [
        ("app.ovf", "ok", len(DESCRIPTOR)), ("disk.vmdk", "ok", 96 << 20),
    ]  # fmt: skip
    for peak in peaks:
        assert int(peak) < 90_000  # KiB


def test_tar_reads_what_is_piped(tmp_path: Path) -> None:
    source = unsigned(tmp_path / "in.ova")
    made = subprocess.run(command("manifest", source, "-o", "-"), capture_output=True, check=True)
    listed = subprocess.run(["tar", "t"], input=made.stdout, capture_output=True, check=True)
    assert listed.stdout.decode().split() == ["app.ovf", "disk.vmdk", "app.mf"]


def test_a_pipe_cannot_hold_json_too(kensho: Kensho, tmp_path: Path) -> None:
    assert kensho("manifest", unsigned(tmp_path / "in.ova"), "-o", "-", "--json")[0] == 2


def test_a_package_out_of_a_pipe_is_not_written_in_place(tmp_path: Path) -> None:
    source = unsigned(tmp_path / "in.ova")
    for more, code in (((), 2), (("-o", str(tmp_path / "out.ova")), 12)):
        done = subprocess.run(
            [sys.executable, "-m", "kensho", "manifest", "-", *more],
            input=source.read_bytes(), capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["in.ova"]


def test_chunks_stay_chunks(kensho: Kensho, tmp_path: Path) -> None:
    text = DESCRIPTOR.replace(b'ovf:href="disk.vmdk"', b'ovf:href="disk.vmdk" ovf:chunkSize="7000"')
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "app.ovf").write_bytes(text)
    for number, at in enumerate((0, 7000)):
        (folder / f"disk.vmdk.{number:09d}").write_bytes(DISK[at : at + 7000])
    assert kensho("manifest", folder, "-o", tmp_path / "out.ova")[0] == 0
    names = ["app.ovf", "app.mf", "disk.vmdk.000000000", "disk.vmdk.000000001"]
    assert list(members(tmp_path / "out.ova")) == names
    assert kensho("verify", tmp_path / "out.ova")[0] == 0
    (folder / "disk.vmdk.000000000").unlink()
    assert kensho("manifest", folder)[0] == 1


def test_a_missing_disk_is_not_signed_away(kensho: Kensho, tmp_path: Path) -> None:
    source = ova(tmp_path / "in.ova", {"app.ovf": DESCRIPTOR})
    code, _, err = kensho("manifest", source)
    assert (code, "disk.vmdk" in err) == (1, True)


def test_a_pipe_with_something_else_in_it() -> None:
    for data in (b"", b"junk" * 1000):
        done = subprocess.run(
            [sys.executable, "-m", "kensho", "verify", "-"],
            input=data, capture_output=True, check=False,
        )  # fmt: skip
        assert (done.returncode, b"is no OVA" in done.stderr) == (12, True)
