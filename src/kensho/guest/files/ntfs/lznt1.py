"""LZNT1, what NTFS compresses files with: [MS-XCA] 2.5."""

from __future__ import annotations

from kensho.model.errors import CorruptError

_CHUNK = 4096


def unpack(data: bytes, size: int, name: str) -> bytes:
    """Return at most ``size`` bytes; what is missing at the end is zero. CorruptError on damage."""
    out = bytearray()
    at = 0
    while at + 2 <= len(data) and len(out) < size:
        head = int.from_bytes(data[at : at + 2], "little")
        if not head:
            break
        length = (head & 0xFFF) + 1
        chunk = data[at + 2 : at + 2 + length]
        if len(chunk) < length:
            raise CorruptError("NTFS: compressed data is cut off", path=name)
        out += _chunk(chunk, name) if head & 0x8000 else chunk
        if len(out) % _CHUNK:
            out += bytes(-len(out) % _CHUNK)
        at += 2 + length
    return bytes(out[:size]).ljust(size, b"\0")


def _chunk(data: bytes, name: str) -> bytes:
    out = bytearray()
    at = 0
    while at < len(data):
        flags = data[at]
        at += 1
        for bit in range(8):
            if at >= len(data):
                break
            if not flags >> bit & 1:
                out.append(data[at])
                at += 1
                continue
            if at + 2 > len(data) or not out:
                raise CorruptError("NTFS: compressed data is damaged", path=name)
            token = int.from_bytes(data[at : at + 2], "little")
            at += 2
            # the more is there to point back to, the fewer bits are left for the length
            shift = 12 - max(0, (len(out) - 1).bit_length() - 4)
            back, length = (token >> shift) + 1, (token & ((1 << shift) - 1)) + 3
            if back > len(out) or len(out) + length > _CHUNK:
                raise CorruptError("NTFS: compressed data is damaged", path=name)
            start = len(out) - back
            piece = bytes(out[start : start + length])
            out += (piece * (length // len(piece) + 1))[:length]
    return bytes(out)
