"""The text part of a VMDK: what extents make up the disk, and its parent.

Spec: VMware Virtual Disk Format 5.0, "The Descriptor File".
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from kensho.disks._identity import identity_bytes, identity_uuid
from kensho.model.errors import CorruptError, LimitError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kensho.disks.base import ParentRef

MAX_BYTES = 1 << 20
NO_PARENT = "ffffffff"
MAX_EXTENTS = 4096
#: Where VMware keeps the keys of an encrypted disk, each of them encrypted itself.
_ENCRYPTION_KEYS = frozenset({"encryptionkeys", "encryption.keysafe", "encryption.data"})
_EXTENT = re.compile(
    r"(?P<access>RW|RDONLY|NOACCESS)\s+(?P<sectors>\d{1,19})\s+(?P<type>[A-Z0-9]+)"
    r'(?:\s+"(?P<name>[^"]*)"(?:\s+(?P<offset>\d{1,19}))?(?P<rest>.*))?\s*',
    re.IGNORECASE,
)
_SETTING = re.compile(r'([A-Za-z0-9_.]+)\s*=\s*(?:"([^"]*)"|(.*?))\s*')


@dataclasses.dataclass(frozen=True, slots=True)
class ExtentLine:
    """One extent: ``sectors`` long; ``offset`` counts sectors into a flat file."""

    sectors: int
    type: str
    name: str
    offset: int


@dataclasses.dataclass(frozen=True, slots=True)
class VmdkDescriptor:
    """A parsed descriptor; keys of ``settings`` are lowercase."""

    settings: dict[str, str]
    extents: tuple[ExtentLine, ...]

    @property
    def create_type(self) -> str:
        """The variant, such as ``monolithicFlat``."""
        return self.settings.get("createtype", "")

    @property
    def has_parent(self) -> bool:
        """Whether this is a delta on another disk."""
        return self.settings.get("parentcid", NO_PARENT).lower() not in {NO_PARENT, "0", ""}


def parse_descriptor(raw: bytes, path: str, offset: int = 0) -> VmdkDescriptor:
    """Parse a descriptor, as far as its first NUL; CorruptError for lines that make no sense."""
    body = raw.split(b"\0", 1)[0]
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("latin-1")  # encoding="windows-1252" and the like; only names matter
    settings: dict[str, str] = {}
    extents: list[ExtentLine] = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if match := _EXTENT.fullmatch(stripped):
            extents.append(
                ExtentLine(
                    int(match["sectors"]),
                    match["type"].upper(),
                    match["name"] or "",
                    int(match["offset"] or 0),
                )
            )
        elif match := _SETTING.fullmatch(stripped):
            settings[match[1].lower()] = match[3] if match[2] is None else match[2]
        else:
            raise CorruptError(
                f"descriptor line {number} makes no sense: {stripped[:80]!r}",
                path=path,
                offset=offset,
            )
        if len(extents) > MAX_EXTENTS:
            raise LimitError(f"more than {MAX_EXTENTS} extents", path=path, offset=offset)
    return VmdkDescriptor(settings, tuple(extents))


def refuse_encrypted(descriptor: VmdkDescriptor, path: str) -> None:
    """Raise UnsupportedError when VMware encrypted the disk: its data would be noise."""
    settings = descriptor.settings
    by_server = "vmwarevmcrypt" in settings.get("ddb.iofilters", "") or "keyid" in settings
    if by_server or _ENCRYPTION_KEYS & settings.keys():
        raise UnsupportedError(
            f"the disk is encrypted by {'vSphere' if by_server else 'VMware'}",
            path=path,
            field="ddb.iofilters" if by_server else "encryptionKeys",
            hint="decrypt the machine first: in vCenter by its storage policy, in Workstation or"
            " Fusion by removing the encryption in its settings",
        )


def new_content_id(identity: bytes | None) -> str:
    """Return eight hexadecimal digits that no parent has: from ``identity``, at random without."""
    return f"{int.from_bytes(identity_bytes(identity, 'vmdk cid', 4), 'big') % 0xFFFFFFFE:08x}"


def make_descriptor(
    sectors: int,
    create_type: str,
    cid: str,
    identity: bytes | None,
    extents: Sequence[str],
    parent: ParentRef | None = None,
) -> bytes:
    """Return the descriptor of a disk with content id ``cid``, a delta if there is a ``parent``.

    ``extents`` are lines ``RW sectors TYPE "name"``. The disk's UUID comes from
    ``identity``, at random without.
    """
    cylinders = max(1, min(sectors // (255 * 63), 65535))
    uuid_hex = identity_uuid(identity, "vmdk uuid").hex()
    uuid_pairs = " ".join(uuid_hex[i : i + 2] for i in range(0, 16, 2))
    uuid_rest = " ".join(uuid_hex[i : i + 2] for i in range(16, 32, 2))
    lines = "\n".join(extents)
    below = "" if parent is None else f'parentFileNameHint="{parent.name}"\n'
    encoding = "" if (lines + below).isascii() else 'encoding="UTF-8"\n'
    return f"""# Disk DescriptorFile
version=1
{encoding}CID={cid}
parentCID={NO_PARENT if parent is None else parent.identity}
createType="{create_type}"
{below}
# Extent description
{lines}

# The Disk Data Base
#DDB

ddb.virtualHWVersion = "4"
ddb.adapterType = "lsilogic"
ddb.geometry.cylinders = "{cylinders}"
ddb.geometry.heads = "255"
ddb.geometry.sectors = "63"
ddb.longContentID = "{uuid_hex[:24]}{cid}"
ddb.uuid = "{uuid_pairs}-{uuid_rest}"
""".encode()
