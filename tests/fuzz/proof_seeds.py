"""What a guest, its agent, QEMU and those who hand on a proof may say: small, and in its usual shape."""

import functools
import json
import struct
import tempfile
from pathlib import Path

from tests.proof.watch.test_capture import GUEST, HEAD, tcp

AGENT = (
    {"return": {"version": "7.2.0", "supported_commands": []}},
    {"return": {"id": "debian", "pretty-name": "Debian GNU/Linux 12"}},
    {"return": [{"name": "lo", "hardware-address": "00:00:00:00:00:00", "ip-addresses": []},
                {"name": "ens3", "hardware-address": "52:54:00:12:34:56",
                 "ip-addresses": [{"ip-address": "10.0.2.15", "prefix": 24}]}]},
    {"return": {"exited": True, "exitcode": 0, "out-data": "YQo="}},
)  # fmt: skip


def lines_of(*said):
    return b"".join(json.dumps(one).encode() + b"\n" for one in said)


def agent_seeds():
    yield lines_of(*AGENT)
    yield lines_of({"error": {"class": "CommandNotFound", "desc": "no"}}, *AGENT)


def qmp_seeds():
    greeting, ready = {"QMP": {"version": {}, "capabilities": []}}, {"return": {}}
    event = {"event": "SHUTDOWN", "data": {"guest": True}, "timestamp": {"seconds": 1}}
    yield lines_of(greeting, ready, event, {"return": {"status": "running"}})
    yield lines_of(greeting, ready, {"error": {"class": "GenericError", "desc": "no"}})


def capture_seeds():
    yield (
        HEAD
        + tcp(GUEST, 22, 0x12)
        + tcp(GUEST, 80, 0x12, options=2)
        + _record(_arp())
        + _record(_dhcp(5))
        + _record(_dhcp(3))
    )
    yield (
        struct.pack(">IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
        + struct.pack(">IIII", 0, 0, 42, 42)
        + _arp()
    )


def _record(packet):
    return struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet


def _arp():
    own = struct.pack(
        ">HHBBH6s4s6s4s", 1, 0x800, 6, 4, 1, GUEST, bytes((10, 0, 2, 15)), bytes(6), bytes(4)
    )
    return b"\xff" * 6 + GUEST + b"\x08\x06" + own


def _dhcp(message):
    body = (
        b"\1\1\6\0"
        + bytes(12)
        + bytes((10, 0, 2, 15))
        + bytes(8)
        + GUEST.ljust(16, b"\0")
        + bytes(192)
    )
    body += b"\x63\x82\x53\x63" + bytes((53, 1, message, 12, 2, 65, 66, 255))
    udp = struct.pack(">HHHH", 67, 68, 8 + len(body), 0) + body
    head = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), b"\xff" * 4
    )
    return b"\xff" * 6 + GUEST + b"\x08\x00" + head + udp


def serial_seeds():
    yield (
        b"SeaBIOS (version 1.16)\r\nBooting from Hard Disk\r\n\x1b[2JGNU GRUB  version 2.06\r\n[    0.0] Linux version 6.1.0\r\n"
        b"[    1.2] EXT4-fs (sda1): mounted filesystem\r\n\x1b[0;32mWelcome to Debian\r\nkensho-report 0 0 1/2 system kernel=6.1 firmware=bios\r\n"
        b"kensho-report 0 0 2/2 root source=/dev/sda1 drivers=sd,ata_piix\r\nkensho-report 0 0 1/1 nic name=a drivers=b\r\nweb01 login: "
    )  # fmt: skip
    yield (
        b"ALERT! UUID=1 does not exist.  Dropping to a shell!\n(initramfs) \nKernel panic - not syncing: VFS: Unable to mount root fs\n"
        b"*** STOP: 0x0000007B (0x1)\nTimed out waiting for device /dev/disk/by-uuid/1.\nBdsDxe: loading Boot0001\n"
        b"You are in emergency mode\nDependency failed for /a\nswitch_root: can't execute\n[ OK ] Stopped A\nreboot: Power down\n"
    )  # fmt: skip


def screen_seeds():
    yield b"P6\n# x\n8 6\n255\n" + bytes(range(144))
    yield b"P6 64 48 255\n" + b"\0\x78\xd7" * 3000 + b"\xff" * 216
    yield b"P6 64 48 255\n" + bytes(9000) + b"\xff" * 216


@functools.cache
def proof():
    """Return the files of a signed proof, and the signer's certificate."""
    from tests.proof.evidence import made_up

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        key, cert = _key(folder)
        made_up.proof(folder / "proof", key, cert)
        files = {
            p.relative_to(folder / "proof").as_posix(): p.read_bytes()
            for p in (folder / "proof").rglob("*")
            if p.is_file()
        }
        return files, cert.read_bytes()


def _key(folder):
    from tests.proof.evidence import made_up

    key, cert = folder / "key.pem", folder / "cert.pem"
    made_up.openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=somebody",
        "-days", "30", "-keyout", key, "-out", cert,
    )  # fmt: skip
    return key, cert


def envelope_seeds():
    yield proof()[0]["certificate.json"]


def statement_seeds():
    yield proof()[0]["statement.json"]


def bridge_seeds():
    frame = b"\xff" * 6 + GUEST + b"\x08\x06" + bytes(28)
    yield struct.pack(">I", len(frame)) + frame + struct.pack(">I", 20) + bytes(20)


def answer_seeds():
    yield b"HTTP/1.1 200 OK\r\nServer: a\r\n\r\n<html>"
    yield b"SSH-2.0-OpenSSH_9.2p1\r\n"


def domain_seeds():
    yield (
        b"<domain type='kvm'><name>a</name><memory unit='MiB'>64</memory><vcpu>2</vcpu><os firmware='efi'>"
        b"<type arch='x86_64' machine='pc-q35-7.2'>hvm</type><boot dev='hd'/></os><devices>"
        b"<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
        b"<controller type='scsi' index='0' model='virtio-scsi'/><interface type='network'>"
        b"<mac address='02:00:00:00:00:01'/><model type='e1000'/></interface></devices></domain>"
    )


def nbd_seeds():
    opt = b"IHAVEOPT"
    go = struct.pack(">I", 3) + opt + struct.pack(">II", 7, 6) + struct.pack(">IH", 0, 0)
    read = struct.pack(">IHHQQI", 0x25609513, 0, 0, 1, 0, 512)
    write = struct.pack(">IHHQQI", 0x25609513, 0, 1, 2, 0, 4) + b"data"
    yield go + read + write + struct.pack(">IHHQQI", 0x25609513, 0, 2, 3, 0, 0)
    structured = opt + struct.pack(">II", 8, 0)
    meta = struct.pack(">I", 0) + struct.pack(">I", 1) + struct.pack(">I", 15) + b"base:allocation"
    asked = opt + struct.pack(">II", 10, len(meta)) + meta
    status = struct.pack(">IHHQQI", 0x25609513, 0, 7, 4, 0, 65536)
    yield struct.pack(">I", 3) + structured + asked + go[4:] + status + read
