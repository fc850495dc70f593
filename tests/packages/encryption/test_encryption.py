"""Encrypted packages against cryptography's primitives, openssl and the DMTF schema."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from kensho.appliances.ovf.elements import attribute
from kensho.model.errors import (
    CorruptError,
    DecryptionError,
    KenshoError,
    LimitError,
    ManifestMismatchError,
    TruncatedError,
    UnsupportedError,
    UsageError,
)
from kensho.packages.encryption import keys as key_module
from kensho.packages.encryption.ciphers import AES256_GCM, checked, decrypted, encrypted
from kensho.packages.encryption.decrypt import decrypt_package
from kensho.packages.encryption.encrypt import encrypt_package
from kensho.packages.encryption.keys import Derivation
from kensho.packages.encryption.section import files_of
from kensho.packages.signing.chain import read_certificates
from kensho.packages.source import opened_ovf
from kensho.storage import MemorySource
from tests.packages.signing.conftest import manifest_of, openssl, ova, pki

__all__ = ["pki"]  # a fixture
XSD = Path(__file__).parents[4] / "shared/xsd/ovf2/dsp8023_2.0.1.xsd"
NS = {
    "o": "http://schemas.dmtf.org/ovf/envelope/2",
    "e": "http://www.w3.org/2001/04/xmlenc#",
    "f": "http://www.w3.org/2009/xmlenc11#",
    "d": "http://www.w3.org/2000/09/xmldsig#",
}
VSSD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"


def descriptor(version=2, extra=""):
    ns = f"http://schemas.dmtf.org/ovf/envelope/{version}"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- kept --><Envelope xmlns="{ns}" xmlns:ovf="{ns}" xmlns:vssd="{VSSD}">
  <References>
    <File ovf:id="file1" ovf:href="disk.vmdk" ovf:size="12000"/>
    <File ovf:id="file2" ovf:href="other.iso"/>
  </References>{extra}
  <DiskSection><Info>d</Info><Disk ovf:diskId="d" ovf:fileRef="file1" ovf:capacity="1"
    ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/></DiskSection>
  <VirtualSystem ovf:id="vm"><Info>i</Info></VirtualSystem>
</Envelope>
""".encode()


DISK = b"KDMV" + bytes(range(256)) * 47
ISO = b"iso" * 1000
WORD = b"correct horse"


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    """600 000 rounds are right for users and slow for tests."""
    import kensho.packages.encryption.encrypt as module

    monkeypatch.setattr(module, "ITERATIONS", 1000)


def package(path, version=2, disk=DISK, **more):
    return ova(path, {"app.ovf": descriptor(version), "disk.vmdk": disk, "other.iso": ISO, **more})


def members(path):
    with tarfile.open(path) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar}


def encrypt(source, target, **how):
    with opened_ovf(source) as opened:
        return encrypt_package(opened, target, **how)


def decrypt(source, target, **how):
    with opened_ovf(source) as opened:
        return decrypt_package(opened, target, **how)


def private(pki, name="rsa"):
    return load_pem_private_key((pki / f"{name}.key").read_bytes(), None)


def one(root, path):
    (found,) = root.xpath(path, namespaces=NS)
    return found


def test_a_passphrase_by_hand(tmp_path):
    """The key, and then the file, as somebody would compute them who has only the standard."""
    encrypt(package(tmp_path / "a.ova"), tmp_path / "b.ova", passphrase=WORD, ids=["file1"])
    found = members(tmp_path / "b.ova")
    assert list(found) == ["app.ovf", "app.mf", "disk.vmdk", "other.iso"]
    assert found["other.iso"] == ISO
    root = etree.fromstring(found["app.ovf"])
    file = one(root, "//o:File[@o:id='file1']")
    data = one(file, "e:EncryptedData")
    assert one(data, "e:EncryptionMethod/@Algorithm") == AES256_GCM
    assert one(data, "e:CipherData/e:CipherReference/@URI") == "disk.vmdk"
    assert one(file, "@o:size") == str(len(DISK) + 28) == str(len(found["disk.vmdk"]))
    derived = one(root, "o:EncryptionSection/f:DerivedKey")
    assert one(derived, "e:ReferenceList/e:DataReference/@URI") == "#" + data.get("Id")
    params = one(derived, "f:KeyDerivationMethod/f:PBKDF2-params")
    assert one(params, "f:PRF/@Algorithm").endswith("#hmac-sha256")
    key = hashlib.pbkdf2_hmac(
        "sha256",
        WORD,
        base64.b64decode(one(params, "f:Salt/f:Specified/text()")),
        int(one(params, "f:IterationCount/text()")),
        int(one(params, "f:KeyLength/text()")),
    )
    stored = found["disk.vmdk"]
    assert AESGCM(key).decrypt(stored[:12], stored[12:], None) == DISK
    digest = hashlib.sha256(stored).hexdigest()
    assert f"SHA256(disk.vmdk)= {digest}\n".encode() in found["app.mf"]


def test_a_public_key_by_openssl(tmp_path, pki):
    recipients = read_certificates(pki / "alone.pem") + read_certificates(pki / "rsa.pem")
    encrypt(package(tmp_path / "a.ova"), tmp_path / "b.ova", recipients=recipients)
    found = members(tmp_path / "b.ova")
    root = etree.fromstring(found["app.ovf"])
    wrapped = root.xpath("o:EncryptionSection/e:EncryptedKey", namespaces=NS)
    assert len(wrapped) == 2
    assert one(wrapped[1], "e:EncryptionMethod/@Algorithm").endswith("xmlenc11#rsa-oaep")
    certificate = base64.b64decode(one(wrapped[1], "d:KeyInfo/d:X509Data/d:X509Certificate/text()"))
    assert x509.load_der_x509_certificate(certificate) == recipients[1]
    cipher = base64.b64decode(one(wrapped[1], "e:CipherData/e:CipherValue/text()"))
    oaep = ("rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256")
    options = [part for value in oaep for part in ("-pkeyopt", value)]
    key = openssl("pkeyutl", "-decrypt", "-inkey", pki / "rsa.key", *options, data=cipher)
    for name, plain in (("disk.vmdk", DISK), ("other.iso", ISO)):
        assert AESGCM(key).decrypt(found[name][:12], found[name][12:], None) == plain
    for name in ("rsa", "alone"):
        decrypt(tmp_path / "b.ova", tmp_path / f"{name}.ova", private=private(pki, name))
        assert members(tmp_path / f"{name}.ova")["disk.vmdk"] == DISK


@pytest.mark.skipif(not XSD.is_file(), reason="no schemas beside the checkout")
@pytest.mark.parametrize("version", [1, 2])
def test_the_descriptor_passes_the_schema(tmp_path, pki, version):
    source = package(tmp_path / "a.ova", version)
    _, findings = encrypt(source, tmp_path / "b.ova", passphrase=WORD)
    recipients = read_certificates(pki / "rsa.pem")
    encrypt(source, tmp_path / "c.ova", recipients=recipients)
    decrypt(tmp_path / "b.ova", tmp_path / "d.ova", passphrase=WORD)
    assert ("KF-714" in {f.code for f in findings}) == (version == 1)
    schema = etree.XMLSchema(file=str(XSD))
    for name in ("b", "c", "d"):
        data = members(tmp_path / f"{name}.ova")["app.ovf"]
        schema.assertValid(etree.fromstring(data))
        assert b"<!-- kept -->" in data


@pytest.mark.parametrize("target", ["c.ova", "folder", "folder/x.ovf"])
def test_there_and_back(tmp_path, target):
    source = package(tmp_path / "a.ova")
    encrypt(source, tmp_path / "b.ova", passphrase=WORD)
    written, findings = decrypt(tmp_path / "b.ova", tmp_path / target, passphrase=WORD)
    assert findings == ()
    with opened_ovf(written.path) as opened:
        assert [opened.store.open(n).read_at(0, 10) for n in opened.files] == [DISK[:10], ISO[:10]]
        data = opened.data
    assert b"EncryptionSection" not in data
    assert b"EncryptedData" not in data
    assert f'size="{len(DISK)}"'.encode() in data


@pytest.mark.parametrize("target", ["c.ova", "folder"])
def test_a_wrong_key_leaves_no_plain_text(tmp_path, pki, target):
    source = package(tmp_path / "a.ova")
    encrypt(source, tmp_path / "b.ova", passphrase=WORD)
    encrypt(source, tmp_path / "k.ova", recipients=read_certificates(pki / "rsa.pem"))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DecryptionError, match="the key is wrong"):
        decrypt(tmp_path / "b.ova", tmp_path / target, passphrase=b"wrong")
    with pytest.raises(DecryptionError, match="somebody else"):
        decrypt(tmp_path / "k.ova", tmp_path / target, private=private(pki, "alone"))
    with pytest.raises(DecryptionError, match="a private key"):
        decrypt(tmp_path / "k.ova", tmp_path / target, passphrase=WORD)
    with pytest.raises(DecryptionError, match="a passphrase"):
        decrypt(tmp_path / "b.ova", tmp_path / target, private=private(pki))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("at", [0, 11, 12, 5000, -17, -16, -1])
def test_one_changed_byte_is_found(tmp_path, at):
    encrypt(package(tmp_path / "a.ova"), tmp_path / "b.ova", passphrase=WORD, algorithm=None)
    found = members(tmp_path / "b.ova")
    disk = bytearray(found["disk.vmdk"])
    disk[at] ^= 1
    ova(tmp_path / "b.ova", found | {"disk.vmdk": bytes(disk)})
    with pytest.raises(DecryptionError):
        decrypt(tmp_path / "b.ova", tmp_path / "c.ova", passphrase=WORD)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.ova", "b.ova"]


def test_the_manifest_is_compared_both_ways(tmp_path):
    wrong = manifest_of(descriptor=descriptor(), disk=b"another")
    with pytest.raises(ManifestMismatchError):
        encrypt(
            package(tmp_path / "a.ova", **{"app.mf": wrong}), tmp_path / "b.ova", passphrase=WORD
        )
    encrypt(package(tmp_path / "a.ova"), tmp_path / "b.ova", passphrase=WORD)
    found = members(tmp_path / "b.ova")
    ova(tmp_path / "b.ova", found | {"other.iso": found["other.iso"][:-1] + b"x"})
    with pytest.raises((ManifestMismatchError, DecryptionError)):
        decrypt(tmp_path / "b.ova", tmp_path / "c.ova", passphrase=WORD)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.ova", "b.ova"]


def cbc(plain, key, iv):
    """XML Encryption 1.1 §5.2.1: any bytes, then the number of them."""
    padding = 16 - len(plain) % 16
    padded = plain + os.urandom(padding - 1) + bytes([padding])
    done = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return iv + done.update(padded) + done.finalize()


def example(key_length=16, salt="b3ZmcGFzc3dvcmQ="):
    """The standard's own example, with its parameters beside the method."""
    return f"""<ovf:EncryptionSection xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/2"
        xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" xmlns:xenc11="http://www.w3.org/2009/xmlenc11#"
        xmlns:pkcs-5="http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#"><ovf:Info/>
      <xenc11:DerivedKey>
        <xenc11:KeyDerivationMethod Algorithm="http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5#pbkdf2"/>
        <pkcs-5:PBKDF2-params>
          <Salt><Specified>{salt}</Specified></Salt>
          <IterationCount>4096</IterationCount><KeyLength>{key_length}</KeyLength>
          <PRF Algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"/>
        </pkcs-5:PBKDF2-params>
        <xenc:ReferenceList><xenc:DataReference URI="#first"/></xenc:ReferenceList>
      </xenc11:DerivedKey></ovf:EncryptionSection>"""


def cbc_package(path, disk, section, cipher="aes128-cbc"):
    data = f"""<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" Id="first">
      <xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#{cipher}"/>
      <xenc:CipherData><xenc:CipherReference URI="disk.vmdk"/></xenc:CipherData></xenc:EncryptedData>"""
    text = descriptor(extra=section).decode()
    text = text.replace('ovf:size="12000"/>', f">{data}</File>")
    return ova(path, {"app.ovf": text.encode(), "disk.vmdk": disk, "other.iso": ISO})


@pytest.mark.parametrize("length", [4, 15, 16, 17, 32, len(DISK), 5 << 20])
def test_cbc_as_in_the_standard_s_example(tmp_path, length):
    plain = (DISK * 500)[:length]
    key = hashlib.pbkdf2_hmac("sha256", WORD, b"ovfpassword", 4096, 16)
    source = cbc_package(tmp_path / "a.ova", cbc(plain, key, os.urandom(16)), example())
    _, findings = decrypt(source, tmp_path / "b.ova", passphrase=WORD)
    assert members(tmp_path / "b.ova")["disk.vmdk"] == plain
    assert [f.code for f in findings] == ["KF-715"]


def test_cbc_with_a_wrong_passphrase_never_gives_a_disk(tmp_path):
    key = hashlib.pbkdf2_hmac("sha256", WORD, b"ovfpassword", 4096, 16)
    source = cbc_package(tmp_path / "a.ova", cbc(DISK, key, os.urandom(16)), example())
    for number in range(40):  # one in 16 has padding that could be
        with pytest.raises(DecryptionError):
            decrypt(source, tmp_path / "b.ova", passphrase=b"wrong%d" % number)


@pytest.mark.parametrize("method", ["rsa-1_5", "rsa-oaep-mgf1p"])
def test_other_ways_to_wrap_a_key(tmp_path, pki, method):
    key = os.urandom(32)
    mode = "pkcs1" if method == "rsa-1_5" else "oaep"
    cipher = openssl("pkeyutl", "-encrypt", "-certin", "-inkey", pki / "rsa.pem", "-pkeyopt",
                     f"rsa_padding_mode:{mode}", data=key)  # fmt: skip
    section = f"""<EncryptionSection xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"><Info/>
      <xenc:EncryptedKey>
        <xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#{method}"/>
        <xenc:CipherData><xenc:CipherValue>{base64.b64encode(cipher).decode()}</xenc:CipherValue></xenc:CipherData>
        <xenc:ReferenceList><xenc:DataReference URI="#first"/></xenc:ReferenceList>
      </xenc:EncryptedKey></EncryptionSection>"""
    disk = cbc(DISK, key, os.urandom(16))
    source = cbc_package(tmp_path / "a.ova", disk, section, "aes256-cbc")
    decrypt(source, tmp_path / "b.ova", private=private(pki))
    assert members(tmp_path / "b.ova")["disk.vmdk"] == DISK


@pytest.mark.parametrize(
    ("section", "disk", "error"),
    [
        ("", b"x" * 64, UnsupportedError),
        (example().replace("4096", "99999999999"), b"x" * 64, LimitError),
        (example().replace("4096", "-1"), b"x" * 64, CorruptError),
        (example(salt="§"), b"x" * 64, CorruptError),
        (example(key_length=5), b"x" * 64, UnsupportedError),
        (example(key_length=32), b"x" * 64, DecryptionError),
        (example().replace("PBKDF2-params", "ConcatKDFParams"), b"x" * 64, UnsupportedError),
        (example().replace("hmac-sha256", "hmac-md5"), b"x" * 64, UnsupportedError),
        (example(), b"x" * 31, TruncatedError),
        (example(), b"", TruncatedError),
    ],
)
def test_what_cannot_be_decrypted_says_why(tmp_path, section, disk, error):
    source = cbc_package(tmp_path / "a.ova", disk, section)
    with pytest.raises(error):
        decrypt(source, tmp_path / "b.ova", passphrase=WORD)
    assert [p.name for p in tmp_path.iterdir()] == ["a.ova"]


def test_requests_that_make_no_sense(tmp_path):
    source = package(tmp_path / "a.ova")
    with pytest.raises(UsageError, match="no file of this package"):
        decrypt(source, tmp_path / "b.ova", passphrase=WORD)
    with pytest.raises(UsageError, match="no file has the id nothing"):
        encrypt(source, tmp_path / "b.ova", passphrase=WORD, ids=["nothing"])
    encrypt(source, tmp_path / "b.ova", passphrase=WORD)
    with pytest.raises(UnsupportedError, match="encrypted already"):
        encrypt(tmp_path / "b.ova", tmp_path / "c.ova", passphrase=WORD)
    with pytest.raises(UsageError, match="not piped"):
        decrypt(tmp_path / "b.ova", "-", passphrase=WORD)


def test_a_second_group_of_files_with_a_key_of_its_own(tmp_path, pki):
    encrypt(package(tmp_path / "a.ova"), tmp_path / "b.ova", passphrase=WORD, ids=["file1"])
    encrypt(
        tmp_path / "b.ova", tmp_path / "c.ova",
        recipients=read_certificates(pki / "rsa.pem"), ids=["file2"],
    )  # fmt: skip
    data = members(tmp_path / "c.ova")["app.ovf"]
    ids = etree.fromstring(data).xpath("//@Id")
    assert len(ids) == len(set(ids)) == 2
    with pytest.raises(DecryptionError):
        decrypt(tmp_path / "c.ova", tmp_path / "d.ova", passphrase=WORD)


class Large(MemorySource):
    """So large that nobody has it."""

    def __init__(self):
        super().__init__(b"")
        self.size = 1 << 37


def test_gcm_s_limit_is_kept():
    with pytest.raises(LimitError):
        encrypted(Large(), bytes(32), bytes(12))


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=70_000), st.lists(st.integers(1, 30_000), max_size=8))
def test_any_content_in_any_pieces(data, pieces):
    key, iv = os.urandom(32), os.urandom(12)

    def read(source):
        out, at = io.BytesIO(), 0
        sizes = iter([*pieces, *[1000] * (source.size // 1000 + 1)])
        while at < source.size:
            part = source.read_at(at, min(next(sizes), source.size - at))
            at += len(part)
            out.write(part)
        return out.getvalue()

    stored = read(encrypted(MemorySource(data), key, iv))
    assert stored == iv + AESGCM(key).encrypt(iv, data, None)
    below = MemorySource(stored)
    digest = {"sha256": hashlib.sha256(stored).hexdigest()}
    assert read(decrypted(below, checked(below, "x", digest), key, AES256_GCM)) == data
    with pytest.raises(ManifestMismatchError):
        read(decrypted(below, checked(below, "x", {"sha256": "00" * 32}), key, AES256_GCM))


def test_derivation_is_rfc_7914_s_test_vector():
    """RFC 7914 §11: PBKDF2-HMAC-SHA-256 (P="passwd", S="salt", c=1, dkLen=64), its first half."""
    key = Derivation(b"salt", 1, 32, key_module.HMAC_SHA256).key(b"passwd")
    assert key.hex() == "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"


def test_users_get_many_rounds():
    assert key_module.ITERATIONS >= 600_000


def test_openssl_decrypts_cbc_that_kensho_reads(tmp_path):
    """openssl enc knows no GCM; its CBC is the one of XML Encryption but for the padding bytes."""
    key, iv = os.urandom(16), os.urandom(16)
    done = subprocess.run(
        ["openssl", "enc", "-aes-128-cbc", "-K", key.hex(), "-iv", iv.hex()],
        input=DISK,
        capture_output=True,
        check=True,
    )
    stored = MemorySource(iv + done.stdout)
    algorithm = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
    plain = decrypted(stored, stored, key, algorithm)
    assert plain.read_at(0, plain.size) == DISK


CORPUS = Path(__file__).parents[4] / "shared/corpus"


@pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus beside the checkout")
def test_descriptors_of_the_field_there_and_back(tmp_path):
    """Every tenth, with files made up for it; what the schema says is never about encryption."""
    schema = etree.XMLSchema(file=str(XSD))
    done = 0
    for number, path in enumerate(sorted(CORPUS.rglob("*.ovf"))[::10]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "x.ovf").write_bytes(path.read_bytes())
        try:
            with opened_ovf(folder / "x.ovf") as opened:
                hrefs = [attribute(f, "href") for f in files_of(opened.root)]
            for href in hrefs:
                if href and "/" not in href:
                    (folder / href).write_bytes(b"KDMV" + href.encode())
            encrypt(folder / "x.ovf", folder / "e.ova", passphrase=WORD)
        except KenshoError:
            continue
        root = etree.fromstring(members(folder / "e.ova")["x.ovf"])
        schema.validate(root)
        told = [e.message for e in schema.error_log]
        assert not any("xmlenc" in m or "Encryption" in m or "}File'" in m for m in told), path
        decrypt(folder / "e.ova", folder / "d.ova", passphrase=WORD)
        found = members(folder / "d.ova")
        assert all(found[h] == b"KDMV" + h.encode() for h in hrefs if "/" not in h)
        done += 1
    assert done > 20
