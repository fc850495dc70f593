"""Packages that openssl signed, whole and tampered with, and the signed ones of the corpus."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import tarfile
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho.model.errors import CorruptError, KenshoError, LimitError, PackageError, UnsafePathError
from kensho.packages.signing.certificate import read_certificate
from kensho.packages.signing.chain import read_certificates
from kensho.packages.signing.contents import read_contents
from kensho.packages.signing.verify import verify_contents
from tests.packages.signing.conftest import (
    DESCRIPTOR,
    DISK,
    certificate_of,
    issue,
    manifest_of,
    openssl,
    ova,
    signed_ova,
)
from tests.storage.web import serving

NOW = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)  # the certificates are made later
CORPUS = Path(__file__).parents[4] / "shared/corpus"
VBOX = CORPUS / "pop-os+virtualbox/src/VBox/ValidationKit/tests/api"
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus beside the checkout")


def verdict(path, trusted=(), at=NOW):
    return verify_contents(read_contents(str(path)), lambda: trusted, at)


def codes(found):
    return {finding.code for finding in found.findings}


def root(pki):
    return read_certificates(pki / "root.pem")


@pytest.mark.parametrize("name", ["rsa", "ec"])
@pytest.mark.parametrize("sha", ["sha1", "sha256", "sha384", "sha512"])
def test_what_openssl_signed(tmp_path, pki, name, sha):
    found = verdict(signed_ova(tmp_path / "x.ova", pki, name, sha=sha), root(pki))
    assert found.trusted
    assert (found.digests, found.signature.state, found.signature.algorithm) == (
        "match", "valid", sha,
    )  # fmt: skip
    assert found.chain.state == "trusted"
    assert [c.subject for c in found.chain.certificates] == [
        f"CN={name},O=Test", "CN=middle,O=Test", "CN=root,O=Test",
    ]  # fmt: skip
    assert (found.dates.state, found.self_signed) == ("valid", False)
    assert codes(found) == ({"KF-708"} if sha == "sha1" else set())
    rows = [(f.name, f.state, f.bytes, f.offset) for f in found.files]
    with tarfile.open(tmp_path / "x.ova") as tar:
        assert rows == [
            (n, "ok", len(data), tar.getmember(n).offset_data)
            for n, data in (("app.ovf", DESCRIPTOR), ("disk.vmdk", DISK))
        ]


@pytest.mark.parametrize(
    ("name", "chain", "store", "state"),
    [
        ("rsa", ("middle",), "root", "trusted"),
        ("rsa", ("middle",), "middle", "trusted"),
        ("rsa", (), "middle", "trusted"),
        ("rsa", (), "root", "incomplete"),
        ("rsa", ("middle", "root"), None, "untrusted"),
        ("rsa", ("middle", "root"), "wrong", "untrusted"),
        ("rsa", ("middle",), None, "incomplete"),
        ("rsa", ("root", "wrong", "middle"), "root", "trusted"),
        ("alone", (), None, "self-signed"),
        ("alone", (), "alone", "trusted"),
        ("forged", ("rsa", "middle"), "root", "incomplete"),
    ],
)
def test_where_a_chain_leads_is_what_openssl_says(tmp_path, pki, name, chain, store, state):
    trusted = read_certificates(pki / f"{store}.pem") if store else ()
    found = verdict(signed_ova(tmp_path / "x.ova", pki, name, chain=chain), trusted)
    assert found.signature.state == "valid"
    assert found.chain.state == state
    assert found.trusted == (state == "trusted")
    assert found.self_signed == (name == "alone")
    others = b"".join((pki / f"{n}.pem").read_bytes() for n in chain)
    (tmp_path / "others.pem").write_bytes(others)
    if store:
        more = ("-untrusted", tmp_path / "others.pem") if chain else ()
        openssl_says = ("verify", "-partial_chain", "-CAfile", pki / f"{store}.pem", *more,
                        pki / f"{name}.pem")  # fmt: skip
        try:
            openssl(*openssl_says)
        except AssertionError:
            assert state != "trusted"
        else:
            assert state == "trusted"


def test_harbor_5276_expired_on_a_given_day(tmp_path, pki):
    """tanzu-framework#1719, wazuh-packages#1783 too: an OVA whose certificate had expired."""
    path = signed_ova(tmp_path / "x.ova", pki, "rsa")
    later = verdict(path, root(pki), dt.datetime(2099, 1, 1, tzinfo=dt.UTC))
    assert (later.dates.state, later.signature.state, later.chain.state) == (
        "expired", "valid", "trusted",
    )  # fmt: skip
    assert not later.trusted
    assert later.intact
    assert "KF-706" in codes(later)
    early = verdict(path, root(pki), dt.datetime(2001, 1, 1, tzinfo=dt.UTC))
    assert early.dates.state == "not yet valid"
    soon = verdict(path, root(pki), NOW + dt.timedelta(days=300))
    assert soon.dates.state == "valid"
    assert "KF-711" in codes(soon)


def test_harbor_5276_unsigned_is_said(tmp_path):
    found = verdict(ova(tmp_path / "x.ova", {"app.ovf": DESCRIPTOR, "disk.vmdk": DISK}))
    assert (found.digests, found.signature.state, found.chain) == ("no manifest", "absent", None)
    assert codes(found) == {"KF-702", "KF-703"}
    assert found.intact
    assert not found.trusted


def test_home_assistant_2121_both_digests_bytes_and_offsets_are_shown(tmp_path, pki):
    """nextcloud/vm#922 too: "the checksum does not match" and nothing more."""
    manifest = manifest_of()
    members = {"app.ovf": DESCRIPTOR, "app.mf": manifest, "disk.vmdk": b"tampered"}
    found = verdict(ova(tmp_path / "x.ova", members))
    assert found.digests == "mismatch"
    assert not found.intact
    (bad,) = [f for f in found.files if f.state == "mismatch"]
    with tarfile.open(tmp_path / "x.ova") as tar:
        offset = tar.getmember("disk.vmdk").offset_data
    assert (bad.name, bad.bytes, bad.offset) == ("disk.vmdk", 8, offset)
    (check,) = bad.digests
    digest = openssl("dgst", "-sha256", "-r", data=b"tampered").decode().split()[0]
    assert (check.found, check.expected) == (digest, manifest.decode().split()[-1])


def test_tampering_is_seen_where_it_was_done(tmp_path, pki):
    manifest = manifest_of()
    cert = certificate_of(pki, "rsa", manifest)
    whole = {"app.ovf": DESCRIPTOR, "app.mf": manifest, "app.cert": cert, "disk.vmdk": DISK}

    def of(**changed):
        members = whole | {k.replace("_", "."): v for k, v in changed.items()}
        found = verdict(ova(tmp_path / "x.ova", {k: v for k, v in members.items() if v}), root(pki))
        return found.digests, found.signature.state, found.chain and found.chain.state

    assert of() == ("match", "valid", "trusted")
    assert of(disk_vmdk=b"x") == ("mismatch", "valid", "trusted")
    assert of(app_ovf=DESCRIPTOR + b" ") == ("mismatch", "valid", "trusted")
    assert of(disk_vmdk=b"") == ("mismatch", "valid", "trusted")
    assert of(app_mf=manifest_of(disk=b"x"), disk_vmdk=b"x") == ("match", "invalid", "trusted")
    other = certificate_of(pki, "wrong", manifest, chain=())
    mixed = cert.partition(b"-----")[0] + other[other.index(b"-----") :]
    assert of(app_cert=mixed) == ("match", "invalid", "self-signed")
    assert of(app_cert=b"SHA256(app.mf)= 00\n") == ("match", "invalid", None)
    assert of(app_cert=b"junk") == ("match", "invalid", None)
    assert of(app_mf=b"") == ("no manifest", "invalid", "trusted")


def test_a_file_nobody_vouches_for_is_named(tmp_path, pki):
    manifest = manifest_of()
    members = {"app.ovf": DESCRIPTOR, "app.mf": manifest, "disk.vmdk": DISK, "extra.iso": b"x"}
    found = verdict(ova(tmp_path / "x.ova", members))
    assert [f.state for f in found.files] == ["ok", "ok", "not covered"]
    assert "KF-212" in codes(found)


@pytest.mark.parametrize(
    ("line", "algorithm", "exact"),
    [
        ("{0}({1})= {2}\n", "SHA256", True),
        ("{0} ({1}) = {2}\r\n", "SHA256", False),  # home-assistant/operating-system#826
        ("{0}({1})= {2}\n", "SHA2-256", False),  # home-assistant/operating-system#3654
        ("{0}({1}) ={2}   \n\n", "sha512", False),
        ("{0}(./{1})= {2}\n", "SHA1", True),
    ],
)
def test_manifests_as_they_are_spelled(tmp_path, line, algorithm, exact):
    manifest = manifest_of(algorithm=algorithm, line=line)
    members = {"app.ovf": DESCRIPTOR, "app.mf": manifest, "disk.vmdk": DISK}
    found = verdict(ova(tmp_path / "x.ova", members))
    assert found.digests == "match"
    assert {f.state for f in found.files} == {"ok"}
    assert ("KF-701" in codes(found)) != exact


def test_several_digests_of_one_file(tmp_path):
    manifest = manifest_of() + manifest_of(algorithm="SHA1")
    members = {"app.ovf": DESCRIPTOR, "disk.vmdk": DISK, "app.mf": manifest}
    found = verdict(ova(tmp_path / "x.ova", members))
    assert [[c.algorithm for c in f.digests] for f in found.files] == [["sha256", "sha1"]] * 2
    wrong = manifest_of() + manifest_of(algorithm="SHA1", disk=b"")
    found = verdict(ova(tmp_path / "x.ova", members | {"app.mf": wrong}))
    assert [f.state for f in found.files] == ["ok", "mismatch"]


def test_a_folder_is_judged_like_an_archive(tmp_path, pki):
    manifest = manifest_of()
    (tmp_path / "app.ovf").write_bytes(DESCRIPTOR)
    (tmp_path / "app.mf").write_bytes(manifest)
    (tmp_path / "app.cert").write_bytes(certificate_of(pki, "ec", manifest))
    (tmp_path / "disk.vmdk").write_bytes(DISK)
    assert verdict(tmp_path, root(pki)).trusted
    assert verdict(tmp_path / "app.ovf", root(pki)).trusted
    (tmp_path / "disk.vmdk").unlink()
    found = verdict(tmp_path, root(pki))
    assert found.digests == "mismatch"
    assert [f.state for f in found.files] == ["ok", "missing"]
    (tmp_path / "disk.vmdk").symlink_to("/etc/passwd")
    assert [f.state for f in verdict(tmp_path).files] == ["ok", "missing"]


def test_names_in_percent_code(tmp_path):
    manifest = manifest_of().replace(b"disk.vmdk", b"my%20disk.vmdk")
    members = {"app.ovf": DESCRIPTOR, "app.mf": manifest, "my disk.vmdk": DISK}
    assert verdict(ova(tmp_path / "x.ova", members)).digests == "match"


def test_vmware_pads_its_certificate_and_writes_sha1(tmp_path, pki):
    manifest = manifest_of()
    cert = certificate_of(pki, "rsa", manifest, sha="sha1")
    members = {"app.ovf": DESCRIPTOR, "app.mf": manifest, "app.cert": cert.ljust(102400),
               "disk.vmdk": DISK}  # fmt: skip
    found = verdict(ova(tmp_path / "x.ova", members), root(pki))
    assert found.trusted
    assert codes(found) == {"KF-707", "KF-708"}


def test_a_line_that_states_the_wrong_digest(tmp_path, pki):
    manifest = manifest_of()
    cert = certificate_of(pki, "rsa", manifest).replace(b"SHA256(", b"SHA1(", 1)
    members = {"app.ovf": DESCRIPTOR, "app.mf": manifest, "app.cert": cert, "disk.vmdk": DISK}
    found = verdict(ova(tmp_path / "x.ova", members), root(pki))
    assert (found.signature.state, found.signature.algorithm, found.signature.stated) == (
        "valid", "sha256", "sha1",
    )  # fmt: skip
    assert "KF-710" in codes(found)


def test_virtualbox_cms_is_named_and_not_believed(tmp_path, pki):
    manifest = manifest_of()
    (tmp_path / "app.mf").write_bytes(manifest)
    cms = openssl("cms", "-sign", "-binary", "-in", tmp_path / "app.mf", "-outform", "PEM",
                  "-signer", pki / "rsa.pem", "-inkey", pki / "rsa.key")  # fmt: skip
    members = {"app.ovf": DESCRIPTOR, "app.mf": manifest, "disk.vmdk": DISK}
    alone = verdict(ova(tmp_path / "x.ova", members | {"app.cert": cms}), root(pki))
    assert (alone.signature.state, alone.trusted) == ("not checked", False)
    assert "KF-709" in codes(alone)
    both = certificate_of(pki, "rsa", manifest) + cms
    found = verdict(ova(tmp_path / "x.ova", members | {"app.cert": both}), root(pki))
    assert (found.signature.state, found.trusted) == ("valid", True)
    assert "KF-709" in codes(found)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", CorruptError),
        (b"no signature\n", CorruptError),
        (b"SHA256(x.mf)= xyz\n", CorruptError),
        (b"SHA256(x.mf)= abc\n", CorruptError),
        (b"SHA3-999(x.mf)= ab\n", CorruptError),
        (b"-----BEGIN CERTIFICATE-----\nAA", CorruptError),
        (b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----", CorruptError),
        (b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n" * 40, LimitError),
        (b" " * (5 << 20), LimitError),
    ],
)
def test_certificate_files_that_are_none(data, error):
    with pytest.raises(error):
        read_certificate(data, path="x.cert")


def test_hex_in_several_lines():
    found = read_certificate(b"SHA1(ourOvf.mf)= ab\ncd\n", path="x")
    assert (found.algorithm, found.manifest, found.signature) == ("sha1", "ourOvf.mf", b"\xab\xcd")


def test_archives_that_are_no_package(tmp_path):
    with pytest.raises(PackageError):
        verdict(ova(tmp_path / "x.ova", {"disk": b""}))
    with tarfile.open(tmp_path / "y.ova", "w") as tar:
        info = tarfile.TarInfo("../app.ovf")
        tar.addfile(info, io.BytesIO())
    with pytest.raises(UnsafePathError):
        verdict(tmp_path / "y.ova")


@needs_corpus
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tdAppliance1-t4.ova", ("match", "valid", "sha1", "self-signed", True)),
        ("tdAppliance1-t4-ovftool-4.1.0.ova", ("match", "valid", "sha1", "self-signed", True)),
        ("tdAppliance1-t5.ova", ("match", "valid", "sha1", "incomplete", False)),
        ("tdAppliance1-t5-ovftool-4.1.0.ova", ("match", "valid", "sha1", "incomplete", False)),
    ],
)
def test_the_signed_packages_of_virtualbox_have_the_verdicts_of_their_making(name, expected):
    """t4: a self-signed test certificate; t5: a developer's code signing certificate of DigiCert."""
    at = dt.datetime(2016, 6, 1, tzinfo=dt.UTC)
    found = verdict(VBOX / name, at=at)
    assert (
        found.digests, found.signature.state, found.signature.algorithm, found.chain.state,
        found.self_signed,
    ) == expected  # fmt: skip
    assert found.dates.state == "valid"
    assert "KF-707" in codes(found)
    assert ("KF-700" in codes(found)) == ("ovftool-4.1" not in name)


@needs_corpus
def test_a_library_s_made_up_certificate_is_no_signature():
    found = verdict(CORPUS / "ruby-ovf+ovfparse/test_files/ourOVF.ova")
    assert (found.digests, found.signature.state) == ("mismatch", "invalid")
    assert found.dates.state == "expired"


@needs_corpus
def test_every_archive_of_the_corpus_gets_a_verdict():
    others = []
    for path in sorted(CORPUS.rglob("*.ova")):
        try:
            found = verdict(path)
        except KenshoError as error:
            others.append((path.name, type(error).__name__))
            continue
        assert found.intact == (path.name != "ourOVF.ova"), path
    assert others == [
        ("testserver-no-ovf.ova", "PackageError"), ("testserver-not-tar.ova", "UnsupportedError"),
    ]  # fmt: skip


def test_a_package_at_a_url(tmp_path, pki):
    manifest = manifest_of()
    files = {
        "/x.ova": signed_ova(tmp_path / "x.ova", pki, "rsa").read_bytes(),
        "/app.ovf": DESCRIPTOR,
        "/app.mf": manifest,
        "/app.cert": certificate_of(pki, "rsa", manifest),
        "/disk.vmdk": DISK,
    }
    with serving(files) as web:
        for name in ("x.ova", "app.ovf"):
            assert verdict(f"{web.url}/{name}", root(pki)).trusted


def test_a_package_packed_as_a_whole(tmp_path, pki):
    path = signed_ova(tmp_path / "x.ova", pki, "rsa")
    (tmp_path / "x.ova.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert verdict(tmp_path / "x.ova.gz", root(pki)).trusted


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 4000), st.binary(max_size=3), st.booleans())
def test_damage_is_a_verdict_or_a_typed_error(pki, at, new, cut):
    manifest = manifest_of()
    cert = certificate(pki, manifest)
    damaged = cert[:at] + new + (b"" if cut else cert[at + len(new) :])
    with suppress(KenshoError), tempfile.TemporaryDirectory() as folder:
        members = {
            "app.ovf": DESCRIPTOR,
            "app.mf": manifest,
            "app.cert": damaged,
            "disk.vmdk": DISK,
        }
        found = verdict(ova(Path(folder) / "x.ova", members), root(pki))
        assert found.digests == "match"
        if found.signature.state == "valid":
            now, before = (read_certificate(c, path="x") for c in (damaged, cert))
            assert now.signature == before.signature
            # Another certificate with the same key is nobody's who is trusted.
            assert not found.trusted or now.certificates[0] == before.certificates[0]


@cache
def certificate(pki, manifest):
    return certificate_of(pki, "ec", manifest)


def test_another_manifest_in_the_archive_confuses_nobody(tmp_path):
    other = manifest_of(algorithm="SHA1", disk=b"other")
    members = {"a.mf": other, "app.ovf": DESCRIPTOR, "disk.vmdk": DISK, "app.mf": manifest_of()}
    found = verdict(ova(tmp_path / "x.ova", members))
    assert (found.manifest, found.digests) == ("app.mf", "match")


def test_md5_is_named(tmp_path):
    members = {"app.ovf": DESCRIPTOR, "disk.vmdk": DISK, "app.mf": manifest_of(algorithm="MD5")}
    found = verdict(ova(tmp_path / "x.ova", members))
    assert found.digests == "match"
    assert "KF-213" in codes(found)


@pytest.mark.parametrize("name", ["app.mf", "app.cert"])
def test_a_manifest_of_megabytes_is_not_taken_for_none(tmp_path, name):
    members = {"app.ovf": DESCRIPTOR, name: b"\n" * (5 << 20), "disk.vmdk": DISK}
    with pytest.raises(LimitError):
        verdict(ova(tmp_path / "x.ova", members))


def test_the_signer_need_not_come_first(tmp_path, pki):
    manifest = manifest_of()
    line = certificate_of(pki, "rsa", manifest, chain=()).partition(b"\n")[0] + b"\n"
    pems = b"".join((pki / f"{n}.pem").read_bytes() for n in ("middle", "rsa"))
    members = {
        "app.ovf": DESCRIPTOR,
        "app.mf": manifest,
        "app.cert": line + pems,
        "disk.vmdk": DISK,
    }
    found = verdict(ova(tmp_path / "x.ova", members), root(pki))
    assert found.trusted
    assert found.chain.certificates[0].subject == "CN=rsa,O=Test"


def test_sha1_alone_is_named(tmp_path):
    members = {"app.ovf": DESCRIPTOR, "disk.vmdk": DISK, "app.mf": manifest_of(algorithm="SHA1")}
    assert "KF-719" in codes(verdict(ova(tmp_path / "x.ova", members)))


@pytest.mark.parametrize("files", [("disk.vmdk",), ("app.ovf",)])
def test_what_the_manifest_does_not_cover_is_not_trusted(tmp_path, pki, files):
    """A valid signature says nothing about a descriptor that the manifest leaves out (ovftool 4.0)."""
    lines = manifest_of().splitlines(keepends=True)
    manifest = b"".join(line for line in lines if any(f.encode() in line for f in files))
    members = {"app.ovf": DESCRIPTOR, "app.mf": manifest,
               "app.cert": certificate_of(pki, "rsa", manifest), "disk.vmdk": DISK}  # fmt: skip
    found = verdict(ova(tmp_path / "x.ova", members), root(pki))
    assert (found.signature.state, found.chain.state, found.intact) == ("valid", "trusted", True)
    assert not found.trusted


def test_a_file_that_is_listed_and_nowhere(tmp_path):
    found = verdict(ova(tmp_path / "x.ova", {"app.ovf": DESCRIPTOR}))
    assert "KF-201" in codes(found)
    found = verdict(ova(tmp_path / "x.ova", {"app.ovf": DESCRIPTOR, "disk.vmdk.000000000": DISK}))
    assert "KF-201" not in codes(found)


def test_a_package_in_a_folder_of_its_archive(tmp_path, pki):
    manifest = manifest_of()
    members = {"p/app.ovf": DESCRIPTOR, "p/app.mf": manifest, "p/disk.vmdk": DISK,
               "p/app.cert": certificate_of(pki, "rsa", manifest)}  # fmt: skip
    found = verdict(ova(tmp_path / "x.ova", members), root(pki))
    assert found.trusted
    assert "KF-212" not in codes(found)


@pytest.mark.parametrize(
    "extension", ["extendedKeyUsage=serverAuth,clientAuth", "keyUsage=critical,keyEncipherment"]
)
def test_a_certificate_that_is_for_something_else_is_named(tmp_path, pki, extension):
    for name in ("root.pem", "root.key"):
        (tmp_path / name).write_bytes((pki / name).read_bytes())
    issue(tmp_path, "web", "P-256", "root", ("basicConstraints=CA:false", extension))
    found = verdict(signed_ova(tmp_path / "x.ova", tmp_path, "web", chain=()), root(pki))
    assert "KF-713" in codes(found)
    assert "KF-713" not in codes(verdict(signed_ova(tmp_path / "y.ova", pki, "rsa"), root(pki)))
