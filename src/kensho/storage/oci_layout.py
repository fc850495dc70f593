"""An OCI image layout in one tar archive, as ``skopeo copy oci-archive:FILE`` takes it.

Specification: https://github.com/opencontainers/image-spec (image-layout.md, manifest.md, config.md,
layer.md). Blobs are called by their digest, which is known when they are written: their header is
filled in then. Layers are plain tar archives; registries and skopeo pack them on their way.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kensho.model.errors import UsageError
from kensho.storage.tar import BLOCK
from kensho.storage.tar_headers import Member, headers

if TYPE_CHECKING:
    from kensho.storage.base import ReadBuffer
    from kensho.storage.file import FileSink

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_BLOB = b"blobs/sha256/%s"
_PIECE = 1 << 20
_MOST_TIME = 253402300799  # the year 9999


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob that was written: the hexadecimal SHA-256 of its bytes, and how many there are."""

    digest: str
    size: int

    def descriptor(self, media_type: str) -> dict[str, object]:
        """Return what manifests say of it."""
        return {"mediaType": media_type, "digest": f"sha256:{self.digest}", "size": self.size}


class LayerSink:
    """A window into the archive from a layer's file on, as a ByteSink.

    ``size`` is how far it was written.
    """

    __slots__ = ("_base", "_sink", "size")

    def __init__(self, sink: FileSink, base: int) -> None:
        self._sink = sink
        self._base = base
        self.size = 0

    def write_at(self, offset: int, data: ReadBuffer) -> None:
        """Write all of ``data`` at ``offset``, growing the file as needed."""
        self._sink.write_at(self._base + offset, data)
        self.size = max(self.size, offset + len(data))

    def truncate(self, size: int) -> None:
        """Set the length to ``size`` bytes; new bytes are zero and take no room."""
        self._sink.truncate(self._base + size)
        self.size = size

    def flush(self) -> None:
        """Make what was written durable."""
        self._sink.flush()


class OciArchive:
    """Writes one image into ``sink``; ``timestamp`` (seconds since 1970) is all the time in it."""

    __slots__ = ("_at", "_layer", "_layers", "_sink", "_time")

    def __init__(self, sink: FileSink, timestamp: int) -> None:
        self._sink = sink
        self._time = max(0, min(timestamp, _MOST_TIME))
        self._at = 0  # where the next member's header goes
        self._layer: int | None = None
        self._layers: list[Blob] = []
        self._member(b"oci-layout", b'{"imageLayoutVersion":"1.0.0"}')

    @property
    def position(self) -> int:
        """Where in the archive the next byte of the open layer goes."""
        return self._sink.position

    @property
    def timestamp(self) -> int:
        """The time of all members."""
        return self._time

    def begin_layer(self) -> None:
        """Begin a layer; append its members, then end it."""
        if self._layer is not None:
            raise UsageError("a layer is open already")
        self._layer = self._at + BLOCK
        self._sink.advance_to(self._layer)

    def append(self, data: ReadBuffer) -> None:
        """Append to the open layer."""
        self._sink.append(data)

    def place(self, member: Member) -> LayerSink:
        """Begin a file of the open layer whose size is not known; `placed` ends it."""
        return LayerSink(self._sink, self._sink.position + len(_roomy(member)))

    def placed(self, member: Member, sink: LayerSink) -> None:
        """End the file; ``member`` has its size now."""
        self._sink.append(_roomy(member))
        end = self._sink.position + member.size
        self._sink.truncate(end)
        self._sink.advance_to(end)
        self._sink.append(bytes(-member.size % BLOCK))
        if sink.size != member.size:
            raise UsageError(f"{sink.size} bytes were written, not {member.size}")

    def end_layer(self) -> Blob:
        """End the open layer and return it. Its bytes are read back to be hashed."""
        if self._layer is None:
            raise UsageError("no layer is open")
        self._sink.append(bytes(2 * BLOCK))
        begin, end = self._layer, self._sink.position
        blob = Blob(self._digest(begin, end), end - begin)
        self._layer = None
        self._header(_BLOB % blob.digest.encode(), blob.size)
        self._at = end
        self._layers.append(blob)
        return blob

    def finish(
        self,
        *,
        name: str,
        architecture: str = "amd64",
        settings: Mapping[str, object] | None = None,
    ) -> None:
        """Write configuration, manifest and index; ``settings`` is the image's ``config``."""
        created = datetime.fromtimestamp(self._time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        config = self._blob(
            {
                "created": created,
                "architecture": architecture,
                "os": "linux",
                "config": dict(settings or {}),
                "rootfs": {
                    "type": "layers",
                    "diff_ids": [f"sha256:{layer.digest}" for layer in self._layers],
                },
                "history": [{"created": created, "created_by": "kensho"} for _ in self._layers],
            }
        )
        manifest = self._blob(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": config.descriptor(CONFIG),
                "layers": [layer.descriptor(LAYER) for layer in self._layers],
                "annotations": {"org.opencontainers.image.title": name},
            }
        )
        platform = {"architecture": architecture, "os": "linux"}
        named = {"org.opencontainers.image.ref.name": "latest"}
        entry = manifest.descriptor(MANIFEST) | {"platform": platform, "annotations": named}
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
        self._member(b"index.json", _json(index))
        self._sink.append(bytes(2 * BLOCK))

    def _blob(self, value: object) -> Blob:
        data = _json(value)
        blob = Blob(hashlib.sha256(data).hexdigest(), len(data))
        self._member(_BLOB % blob.digest.encode(), data)
        return blob

    def _member(self, name: bytes, data: bytes) -> None:
        self._sink.advance_to(self._at)
        self._sink.append(headers(Member(name, size=len(data), mtime=self._time)))
        self._sink.append(data)
        self._sink.append(bytes(-len(data) % BLOCK))
        self._at = self._sink.position

    def _header(self, name: bytes, size: int) -> None:
        """Put a header in the room left for it; a size beyond ustar's octal is in base 256."""
        small = headers(Member(name, size=min(size, 8**11 - 1), mtime=self._time))
        if size >= 8**11:
            from kensho.storage.tar_write import pack_header

            small = pack_header(name, size, self._time)
        self._sink.write_at(self._at, small)

    def _digest(self, begin: int, end: int) -> str:
        descriptor, base = self._sink.kernel_file()
        digest = hashlib.sha256()
        while begin < end:
            piece = os.pread(descriptor, min(_PIECE, end - begin), base + begin)
            if not piece:
                raise OSError("the file became shorter while it was written")
            digest.update(piece)
            begin += len(piece)
        return digest.hexdigest()


def _roomy(member: Member) -> bytes:
    """Return headers that are equally long for every size below 10**18 bytes: the size is a record."""
    record = b"27 size=%018d\n" % member.size
    before = Member(b"././@PaxHeader", b"x", len(record))
    small = replace(member, size=min(member.size, 8**11 - 1))
    return headers(before) + record + bytes(-len(record) % BLOCK) + headers(small)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
