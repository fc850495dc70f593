"""An empty variable store for OVMF with 4 MiB of flash, as ``efidisk0`` holds it.

Source: UEFI Platform Initialization Specification 1.8, volume 3 (EFI_FIRMWARE_VOLUME_HEADER, fault
tolerant write) and edk2's VariableFormat.h (VARIABLE_STORE_HEADER). No variables, no keys.
"""

from __future__ import annotations

import struct
import uuid
import zlib

SIZE = 528 * 1024
_BLOCK = 4096
_STORE, _WORKING_AT, _WORKING = 256 * 1024, 260 * 1024, _BLOCK
_NV_DATA = uuid.UUID("fff12b8d-7696-4c8b-a985-2747075b4f50")  # EFI_SYSTEM_NV_DATA_FV_GUID
_AUTHENTICATED = uuid.UUID("aaf32c78-947b-439a-a180-2e144ec37792")  # gEfiAuthenticatedVariableGuid
_WORKING_BLOCK = uuid.UUID("9e58292b-7c68-497d-a0ce-6500fd9f1b95")  # gEdkiiWorkingBlockSignature
_VOLUME = struct.Struct("<16x16sQ4sIHHHBBIIII")
_VARIABLES = struct.Struct("<16sIBBHI")
_FORMATTED, _HEALTHY = 0x5A, 0xFE
#: Read, write and lock, memory mapped, erased bits are 1, sticky and aligned (FVB2 attributes).
_ATTRIBUTES = 0x0004FEFF


def empty_variables() -> bytes:
    """Return the store: the header of a firmware volume, erased flash, a working block."""
    volume = _volume(0)
    total = sum(struct.unpack(f"<{len(volume) // 2}H", volume))
    volume = _volume(-total & 0xFFFF)
    size = _STORE - len(volume)
    store = _VARIABLES.pack(_AUTHENTICATED.bytes_le, size, _FORMATTED, _HEALTHY, 0, 0)
    head = (volume + store).ljust(_WORKING_AT, b"\xff")
    queue = _WORKING - 32
    # The checksum is of the header with all ones in place of it and of the state.
    plain = _WORKING_BLOCK.bytes_le + b"\xff" * 8 + struct.pack("<Q", queue)
    working = _WORKING_BLOCK.bytes_le + struct.pack("<II", zlib.crc32(plain), 0xFFFFFFFE)
    return (head + working + struct.pack("<Q", queue)).ljust(SIZE, b"\xff")


def _volume(checksum: int) -> bytes:
    return _VOLUME.pack(
        _NV_DATA.bytes_le, SIZE, b"_FVH", _ATTRIBUTES, _VOLUME.size, checksum, 0, 0, 2,
        SIZE // _BLOCK, _BLOCK, 0, 0,
    )  # fmt: skip
