"""VMA archives made and unpacked for tests, straight from vma_spec.txt: nothing of kensho's."""

from __future__ import annotations

import hashlib
import struct

UUID = bytes(range(16))
CONF = b"""#made for tests
boot: order=scsi0;ide2
cores: 2
ide2: local:iso/debian.iso,media=cdrom,size=600M
memory: 2048
name: backup01
net0: virtio=BC:24:11:00:00:01,bridge=vmbr1,tag=7
ostype: l26
scsi0: local-lvm:vm-101-disk-0,size=1M
scsi1: local-lvm:vm-101-disk-1,backup=0,size=8G
scsihw: virtio-scsi-pci
smbios1: uuid=0d6a3a0c-1d2f-4a52-9a10-000000000001
#qmdump#map:scsi0:drive-scsi0:local-lvm:raw:
"""


def sealed(data, at):
    """Return a header with its MD5 at byte ``at``."""
    data = bytearray(data)
    data[at : at + 16] = bytes(16)
    data[at : at + 16] = hashlib.md5(data).digest()
    return bytes(data)


def header(configs, devices, uuid=UUID):
    """Return a header; ``devices`` maps numbers to (name, size)."""
    blobs = bytearray(1)

    def put(data):
        place = len(blobs)
        blobs.extend(len(data).to_bytes(2, "little") + data)
        return place

    data = bytearray(12288)
    for number, (name, text) in enumerate(configs.items()):
        struct.pack_into(">I", data, 2044 + 4 * number, put(name.encode() + b"\0"))
        struct.pack_into(">I", data, 3068 + 4 * number, put(text))
    for number, (name, size) in devices.items():
        place = put(name.encode() + b"\0")
        struct.pack_into(">IIQ", data, 4096 + 32 * number, place, 0, size)
    data += blobs
    data += bytes(-len(data) % 512)
    data[:4], data[8:24] = b"VMA\0", uuid
    struct.pack_into(">I", data, 4, 1)
    struct.pack_into(">Q", data, 24, 1_700_000_000)
    struct.pack_into(">III", data, 48, 12288, len(blobs), len(data))
    return sealed(data, 32)


def extents(clusters, uuid=UUID):
    """Return the extents for (device, number, 64 KiB) in the order given."""
    out = b""
    for first in range(0, len(clusters), 59):
        infos, body = [], b""
        for device, number, content in clusters[first : first + 59]:
            blocks = [content[at : at + 4096] for at in range(0, len(content), 4096)]
            mask = sum(1 << bit for bit, block in enumerate(blocks) if any(block))
            infos.append(mask << 48 | device << 32 | number)
            body += b"".join(b.ljust(4096, b"\0") for b in blocks if any(b))
        head = struct.pack(">4sHH", b"VMAE", 0, len(body) // 4096) + uuid + bytes(16)
        head += struct.pack(f">{len(infos)}Q", *infos)
        out += sealed(head.ljust(512, b"\0"), 24) + body
    return out


def cut(device, content):
    """Return the clusters of a disk."""
    return [(device, at // 65536, content[at : at + 65536]) for at in range(0, len(content), 65536)]


def archive(content, conf=CONF, *, order=None, **more):
    """Return an archive of one disk, its clusters in the order that ``order`` makes of them."""
    clusters = cut(1, content)
    configs = {"qemu-server.conf": conf, **more}
    return header(configs, {1: ("drive-scsi0", len(content))}) + extents(
        order(clusters) if order else clusters
    )


def unpack(data):
    """Return (configurations, disks by name), reading an archive as vma_spec.txt has it."""
    magic, version, uuid, _time, md5, at, size, whole = struct.unpack_from(">4sI16sq16sIII", data)
    assert (magic, version) == (b"VMA\0", 1)
    zeroed = bytearray(data[:whole])
    zeroed[32:48] = bytes(16)
    assert hashlib.md5(zeroed).digest() == md5
    blobs = data[at : at + size]

    def blob(place):
        length = int.from_bytes(blobs[place : place + 2], "little")
        assert place + 2 + length <= len(blobs)
        return blobs[place + 2 : place + 2 + length]

    configs, names, disks, seen = {}, {}, {}, set()
    for number in range(256):
        name, text = (struct.unpack_from(">I", data, base + 4 * number)[0] for base in (2044, 3068))
        if name:
            configs[blob(name).rstrip(b"\0").decode()] = blob(text)
    for number in range(1, 256):
        name, _, length = struct.unpack_from(">IIQ", data, 4096 + 32 * number)
        if name:
            names[number] = blob(name).rstrip(b"\0").decode()
            disks[number] = bytearray(length)
    while whole < len(data):
        head = data[whole : whole + 512]
        assert head[:4] == b"VMAE"
        assert head[4:6] == b"\0\0"
        assert head[8:24] == uuid
        assert hashlib.md5(head[:24] + bytes(16) + head[40:]).digest() == head[24:40]
        place = whole + 512
        for info in struct.unpack_from(">59Q", head, 40):
            device, number = info >> 32 & 0xFF, info & 0xFFFFFFFF
            if not device:
                assert info == 0
                continue
            assert (device, number) not in seen
            seen.add((device, number))
            for bit in range(16):
                if info >> 48 + bit & 1:
                    to = number * 65536 + bit * 4096
                    block = data[place : place + 4096]
                    assert any(block)
                    fits = min(4096, len(disks[device]) - to)
                    assert fits > 0
                    assert not any(block[fits:])
                    disks[device][to : to + fits] = block[:fits]
                    place += 4096
        (count,) = struct.unpack_from(">H", head, 6)
        assert place == whole + 512 + 4096 * count
        whole = place
    for number, disk in disks.items():
        assert {n for d, n in seen if d == number} == set(range(-(-len(disk) // 65536)))
    return configs, {names[number]: bytes(disk) for number, disk in disks.items()}
