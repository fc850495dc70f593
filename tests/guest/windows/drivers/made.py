"""Driver packages made for the tests: INF, driver, catalogue, signatures. Nothing in them runs."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import struct
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

MACHINES = {"x86": 0x014C, "amd64": 0x8664, "arm64": 0xAA64}
CTL, SIGNED_DATA = "1.3.6.1.4.1.311.10.1", "1.2.840.113549.1.7.2"
SHA1, SHA256 = "1.3.14.3.2.26", "2.16.840.1.101.3.4.2.1"
SCSI = "{4D36E97B-E325-11CE-BFC1-08002BE10318}"
NET = "{4D36E972-E325-11CE-BFC1-08002BE10318}"


def der(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def oid(text: str) -> bytes:
    first, second, *rest = map(int, text.split("."))
    out = bytearray()
    for number in (first * 40 + second, *rest):
        part = [number & 0x7F]
        while number := number >> 7:
            part.append(number & 0x7F | 0x80)
        out += bytes(reversed(part))
    return der(6, bytes(out))


def algorithm(name: str) -> bytes:
    return der(0x30, oid(name), b"\x05\x00")


@functools.cache
def signer() -> tuple[rsa.RSAPrivateKey, x509.Certificate, x509.Certificate]:
    """Return a key, its certificate and the one that issued it."""
    keys = [rsa.generate_private_key(65537, 2048) for _ in range(2)]
    names = [
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
        for text in ("Test Root", "Test Drivers Inc.")
    ]
    made = []
    for index, (key, name) in enumerate(zip(keys, names, strict=True)):
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(names[0])
            .public_key(key.public_key())
            .serial_number(1000 + index)
            .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
            .not_valid_after(dt.datetime(2049, 1, 1, tzinfo=dt.UTC))
            .add_extension(x509.BasicConstraints(ca=index == 0, path_length=None), critical=True)
        )
        builder = builder.add_extension(usage, critical=False) if index else builder
        made.append(builder.sign(keys[0], hashes.SHA256()))
    return keys[1], made[1], made[0]


def signed(kind: str, content: bytes, digest: str = SHA256) -> bytes:
    """Sign a SEQUENCE the way of PKCS #7 1.5: the digest is of what is in it."""
    key, certificate, root = signer()
    name = "sha256" if digest == SHA256 else "sha1"
    inner = content[2 + (content[1] & 0x7F if content[1] & 0x80 else 0) :]
    attributes = b"".join(
        sorted(
            (
                der(0x30, oid("1.2.840.113549.1.9.3"), der(0x31, oid(kind))),
                der(
                    0x30,
                    oid("1.2.840.113549.1.9.4"),
                    der(0x31, der(4, hashlib.new(name, inner).digest())),
                ),
            )
        )
    )
    hashed = hashes.SHA256() if digest == SHA256 else hashes.SHA1()
    signature = key.sign(der(0x31, attributes), padding.PKCS1v15(), hashed)
    who = der(
        0x30,
        certificate.issuer.public_bytes(),
        der(2, certificate.serial_number.to_bytes(2, "big")),
    )
    info = der(
        0x30,
        der(2, b"\1"),
        who,
        algorithm(digest),
        der(0xA0, attributes),
        algorithm("1.2.840.113549.1.1.1"),
        der(4, signature),
    )
    certificates = b"".join(c.public_bytes(serialization.Encoding.DER) for c in (certificate, root))
    data = der(
        0x30,
        der(2, b"\1"),
        der(0x31, algorithm(digest)),
        der(0x30, oid(kind), der(0xA0, content)),
        der(0xA0, certificates),
        der(0x31, info),
    )
    return der(0x30, oid(SIGNED_DATA), der(0xA0, data))


def unsigned_cat(content: bytes) -> bytes:
    data = der(0x30, der(2, b"\1"), der(0x31), der(0x30, oid(CTL), der(0xA0, content)), der(0x31))
    return der(0x30, oid(SIGNED_DATA), der(0xA0, data))


def indirect(digest: bytes, *, program: bool) -> bytes:
    """Return a SpcIndirectDataContent."""
    what = der(
        0x30,
        oid("1.3.6.1.4.1.311.2.1.15" if program else "1.3.6.1.4.1.311.2.1.25"),
        der(0x30, der(3, b"\0"), der(0xA0, der(0xA2, der(0x80, b"")))),
    )
    return der(
        0x30, what, der(0x30, algorithm(SHA256 if len(digest) == 32 else SHA1), der(4, digest))
    )


def ctl(files: Mapping[str, bytes], name: str = "sha256") -> bytes:
    """Return the list of a catalogue: what Inf2Cat makes, as far as it is looked at."""
    members = b""
    for data in files.values():
        program = data[:2] == b"MZ"
        digest = authenticode(data, name) if program else hashlib.new(name, data).digest()
        tag = digest if name == "sha256" else digest.hex().upper().encode("utf-16-le") + b"\0\0"
        value = der(
            0x30,
            oid("1.3.6.1.4.1.311.2.1.4"),
            der(0x31, indirect(digest, program=program)),
        )
        members += der(0x30, der(4, tag), der(0x31, value))
    member = "1.3.6.1.4.1.311.12.1.3" if name == "sha256" else "1.3.6.1.4.1.311.12.1.2"
    return der(
        0x30,
        der(0x30, oid("1.3.6.1.4.1.311.12.1.1")),
        der(4, bytes(16)),
        der(0x17, b"230724000000Z"),
        algorithm(member),
        der(0x30, members),
    )


def authenticode(data: bytes, name: str) -> bytes:
    """Return the digest of a program as this module makes them: its fields are where `driver` puts them."""
    header = struct.unpack_from("<I", data, 0x3C)[0]
    wide = struct.unpack_from("<H", data, header + 24)[0] == 0x20B
    entry = header + 24 + (112 if wide else 96) + 32
    start, length = struct.unpack_from("<II", data, entry)
    body = data[:start] if length else data + bytes(-len(data) % 8)
    checksum = header + 24 + 64
    return hashlib.new(
        name, body[:checksum] + body[checksum + 4 : entry] + body[entry + 8 :]
    ).digest()


def driver(architecture: str = "amd64", filling: bytes = b"driver") -> bytes:
    """Return a program with a section of nothing: enough of a driver to be looked at."""
    wide = architecture != "x86"
    size = 240 if wide else 224
    coff = struct.pack(
        "<HHIIIHH", MACHINES[architecture], 1, 0, 0, 0, size, 0x22 if wide else 0x102
    )
    optional = struct.pack("<HBBIIIII", 0x20B if wide else 0x10B, 14, 0, 512, 0, 0, 0x1000, 0x1000)
    if wide:
        optional += struct.pack("<QIIHHHHHHIIIIHHQQQQII", 0x10000, 4096, 512, 6, 0, 0, 0, 6, 0, 0,
                                0x2000, 512, 0, 1, 0, 0x100000, 0x1000, 0x100000, 0x1000, 0, 16)  # fmt: skip
    else:
        optional += struct.pack("<IIIIHHHHHHIIIIHHIIIIII", 0, 0x10000, 4096, 512, 5, 1, 0, 0, 5, 1, 0,
                                0x2000, 512, 0, 1, 0, 0x100000, 0x1000, 0x100000, 0x1000, 0, 16)  # fmt: skip
    optional += bytes(128)
    section = struct.pack("<8sIIIIIIHHI", b".text", 512, 0x1000, 512, 512, 0, 0, 0, 0, 0x60000020)
    head = b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + coff + optional + section
    return head.ljust(512, b"\0") + filling.ljust(512, b"\xcc")


def signed_driver(architecture: str = "amd64", filling: bytes = b"driver") -> bytes:
    """Return a driver with a signature of its own."""
    plain = driver(architecture, filling)
    blob = signed("1.3.6.1.4.1.311.2.1.4", indirect(authenticode(plain, "sha256"), program=True))
    table = struct.pack("<IHH", 8 + len(blob), 0x0200, 2) + blob
    table += bytes(-len(table) % 8)
    entry = 64 + 24 + (112 if architecture != "x86" else 96) + 32
    table_place = struct.pack("<II", len(plain), len(table))
    return plain[:entry] + table_place + plain[entry + 8 :] + table


INF = r"""; made for a test
[Version]
Signature   = "$WINDOWS NT$"
Class       = %CLASS%
ClassGuid   = {GUID}
Provider    = %VENDOR%
DriverVer   = {VER}
CatalogFile = {NAME}.cat
PnpLockdown = 1

[DestinationDirs]
DefaultDestDir = 12

[SourceDisksNames]
1 = %DISK%,,,

[SourceDisksFiles]
{NAME}.sys = 1,,

[Manufacturer]
%VENDOR% = Devices, {TARGETS}

{MODELS}

[{NAME}_inst]
CopyFiles = {NAME}_files

[{NAME}_files]
{NAME}.sys

[{NAME}_inst.Services]
AddService = {NAME}, 0x00000002 , {NAME}_service, {NAME}_events

[{NAME}_service]
DisplayName    = %DEVICE%
ServiceType    = %SERVICE_KERNEL_DRIVER%
StartType      = %SERVICE_BOOT_START%
ErrorControl   = %SERVICE_ERROR_NORMAL%
ServiceBinary  = %12%\{NAME}.sys
LoadOrderGroup = SCSI miniport
AddReg         = {NAME}_values

[{NAME}_values]
HKR, "Parameters\PnpInterface", "5", %REG_DWORD%, 0x00000001
HKR, "Parameters", "BusType", %REG_DWORD%, 0x0000000A

[{NAME}_events]
AddReg = {NAME}_event_values

[Strings]
VENDOR = "Test, Inc."
CLASS = "{CLASSNAME}"
DISK = "Drivers ""on"" a disk; yes"
DEVICE = "Test 100% SCSI controller"
SERVICE_KERNEL_DRIVER = 1
SERVICE_BOOT_START = 0
SERVICE_ERROR_NORMAL = 1
REG_DWORD = 0x00010001
"""
IDS = ("PCI\\VEN_1AF4&DEV_1001&SUBSYS_00021AF4&REV_00", "PCI\\VEN_1AF4&DEV_1042")


def inf(
    name: str = "viostor",
    targets: str = "NTamd64.10.0",
    version: str = "07/24/2023,100.94.104.24800",
    *,
    guid: str = SCSI,
    ids: tuple[str, ...] = IDS,
    encoding: str = "utf-16",
) -> bytes:
    models = "\r\n".join(
        f"[Devices.{target.strip()}]\r\n"
        + "\r\n".join(f"%DEVICE% = {name}_inst, {identity}" for identity in ids)
        for target in targets.split(",")
    )
    text = INF
    for word, value in {
        "{NAME}": name, "{TARGETS}": targets, "{MODELS}": models, "{VER}": version, "{GUID}": guid,
        "{CLASSNAME}": "SCSIAdapter" if guid == SCSI else "Net",
    }.items():  # fmt: skip
        text = text.replace(word, value)
    return text.encode(encoding)


def package(
    folder: Path,
    name: str = "viostor",
    *,
    architecture: str = "amd64",
    text: bytes | None = None,
    filling: bytes = b"driver",
    hashed: str = "sha256",
    embedded: bool = True,
    **options: object,
) -> Path:
    """Write a whole package into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    make = signed_driver if embedded else driver
    files = {
        f"{name}.inf": text if text is not None else inf(name, **options),  # type: ignore[arg-type]
        f"{name}.sys": make(architecture, filling),
    }
    kind = SHA256 if hashed == "sha256" else SHA1
    files[f"{name}.cat"] = signed(CTL, ctl(files, hashed), kind)
    for file, data in files.items():
        (folder / file).write_bytes(data)
    return folder
