"""NTFS as a `FileSystem`. A node is the number of a file's record."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Mapping

from kensho.guest.files.base import Kind, Stat
from kensho.guest.files.ntfs import record as r
from kensho.guest.files.ntfs.logfile import log_is_open
from kensho.guest.files.ntfs.volume import File, Volume
from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError, LimitError, UnsupportedError

_LOG, _VOLUME, _ROOT, _FIRST_USER = 2, 3, 5, 16
_SYMLINK, _MOUNT_POINT, _LX_SYMLINK = 0xA000000C, 0xA0000003, 0xA000001D
#: Reparse points behind which the data is not where it seems to be.
_ELSEWHERE = {0x80000017: "compressed by Windows (WOF)", 0x80000013: "deduplicated"}
_CLOUD = 0x9000001A
_DOS_NAME = 2
_EPOCH = 116_444_736_000_000_000  #: 100 ns from 1601 to 1970
_MAX_BLOCKS = 1 << 20
_KEPT = 2048


class Ntfs:
    """An NTFS file system, read in place from a volume."""

    kind = "ntfs"
    root = _ROOT
    folds_case = True

    def __init__(self, view: Readable) -> None:
        self._name = view.name
        self._volume = Volume(view)
        self._file = functools.lru_cache(_KEPT)(self._volume.file)
        if not self._file(_ROOT).record.directory:
            raise CorruptError("NTFS: the root is no directory", path=view.name)
        information = self._file(_VOLUME).find(r.VOLUME_INFO)
        value = information.value if information else None
        dirty = value is not None and len(value) >= 12 and value[10] & 1
        self.warnings = (
            ("was not unmounted cleanly; what its log holds is not seen",)
            if dirty or self._log_is_open()
            else ()
        )

    def _log_is_open(self) -> bool:
        try:
            return log_is_open(self._volume, self._file(_LOG))
        except CorruptError:
            return True

    @property
    def label(self) -> str:
        """The volume's name."""
        found = self._file(_VOLUME).find(r.VOLUME_NAME)
        return (found.value or b"").decode("utf-16-le", "replace") if found else ""

    @property
    def latest_time(self) -> int:
        """The latest of the root directory's times, in NTFS's unit: 100 ns since 1601."""
        found = self._file(_ROOT).find(r.STANDARD)
        if found is None or found.value is None or len(found.value) < 32:
            return _EPOCH
        times: tuple[int, ...] = struct.unpack_from("<4Q", found.value)
        return max(times)

    def stat(self, node: int) -> Stat:
        """Return a file's facts; NTFS's owners and rights are not Unix's."""
        file = self._file(node)
        standard = file.find(r.STANDARD)
        mtime = 0
        if standard is not None and standard.value is not None and len(standard.value) >= 16:
            mtime = (struct.unpack_from("<Q", standard.value, 8)[0] - _EPOCH) * 100
        data = file.find(r.DATA)
        tag, _ = self._reparse(file)
        kind = Kind.DIRECTORY if file.record.directory else Kind.FILE
        if tag in {_SYMLINK, _MOUNT_POINT, _LX_SYMLINK}:
            kind = Kind.SYMLINK
        size = data.size if data is not None and kind is Kind.FILE else 0
        # hard links have a name each; a DOS name beside a long one is none
        names = sum(
            1 for a in file.attributes
            if a.type == r.NAME and a.value and len(a.value) > 65 and a.value[65] != _DOS_NAME
        )  # fmt: skip
        mode = 0o755 if kind is Kind.DIRECTORY else 0o644
        return Stat(node, kind, size, mode, mtime=mtime, links=max(1, names))

    def entries(self, node: int) -> Iterator[tuple[str, int]]:
        """Yield the names of a directory, without NTFS's own files and DOS names."""
        file = self._file(node)
        root = file.find(r.INDEX_ROOT, "$I30")
        if not file.record.directory or root is None or root.value is None:
            raise CorruptError(f"NTFS: record {node} is no directory", path=self._name)
        if len(root.value) < 32:
            raise CorruptError("NTFS: an index is cut off", path=self._name)
        (size,) = struct.unpack_from("<I", root.value, 8)
        below = file.find(r.INDEX_ALLOCATION, "$I30")
        seen: set[int] = set()
        wanted: list[int] = []
        yield from self._names(root.value[16:], wanted)
        while wanted:
            number = wanted.pop()
            if number in seen or len(seen) > _MAX_BLOCKS:
                raise CorruptError("NTFS: an index never ends", path=self._name)
            seen.add(number)
            if below is None or not 512 <= size <= 65536:
                raise CorruptError("NTFS: an index makes no sense", path=self._name)
            unit = self._volume.cluster if size >= self._volume.cluster else 512
            raw = self._volume.span(below, number * unit, size)
            block = r.fixed(raw, b"INDX", self._name, number * unit)
            yield from self._names(block[24:], wanted)

    def _names(self, index: bytes, wanted: list[int]) -> Iterator[tuple[str, int]]:
        """Yield the names in one node of an index; the nodes below it go to ``wanted``."""
        at, used = struct.unpack_from("<II", index)
        end = min(used, len(index))
        while at + 16 <= end:
            reference, length, key, flags = struct.unpack_from("<QHHH", index, at)
            if length < 16 or length % 8 or at + length > end:
                raise CorruptError("NTFS: an index's entry makes no sense", path=self._name)
            if flags & 1:
                wanted.append(struct.unpack_from("<Q", index, at + length - 8)[0])
            if flags & 2:
                return
            number = reference & ((1 << 48) - 1)
            if key >= 66 and index[at + 16 + 65] != _DOS_NAME and number >= _FIRST_USER:
                size = index[at + 16 + 64]
                raw = index[at + 16 + 66 : at + 16 + 66 + 2 * size]
                name = raw.decode("utf-16-le", "replace")
                if not name or "/" in name or "\0" in name:
                    raise CorruptError("NTFS: a name that is none", path=self._name)
                yield name, number
            at += length

    def data(self, node: int) -> Iterator[tuple[int, bytes]]:
        """Yield a file's data, unpacked where NTFS packed it."""
        file = self._file(node)
        tag, _ = self._reparse(file)
        why = _ELSEWHERE.get(tag) or ("in a cloud" if tag & 0xFFFF0FFF == _CLOUD else "")
        if why:
            raise UnsupportedError(f"the file's data is {why}", path=self._name)
        found = file.find(r.DATA)
        if found is not None:
            yield from self._volume.pieces(found)

    def target(self, node: int) -> str:
        """Return where a link or junction points to, with ``/``; a drive letter is the root."""
        tag, value = self._reparse(self._file(node))
        if tag == _LX_SYMLINK:
            return value[4:].decode("utf-8", "surrogateescape")
        if tag not in {_SYMLINK, _MOUNT_POINT} or len(value) < 8:
            raise CorruptError(f"NTFS: record {node} is no link", path=self._name)
        offset, length = struct.unpack_from("<HH", value)
        start = (12 if tag == _SYMLINK else 8) + offset
        text = value[start : start + length].decode("utf-16-le", "replace")
        if length > 2 * 32768 or len(value) < start + length:
            raise LimitError("NTFS: a link that is cut off", path=self._name)
        text = text.removeprefix("\\??\\").replace("\\", "/")
        return text[2:] or "/" if text[1:2] == ":" else text

    def xattrs(self, node: int) -> Mapping[str, bytes]:
        """Return nothing: streams and security descriptors are not read."""
        del node
        return {}

    def _reparse(self, file: File) -> tuple[int, bytes]:
        found = file.find(r.REPARSE)
        if found is None:
            return 0, b""
        value = self._volume.small(found, 1 << 17)
        if len(value) < 8:
            return 0, b""
        return struct.unpack_from("<I", value)[0], value[8:]


def open_ntfs(view: Readable) -> Ntfs:
    """Open an NTFS file system; CorruptError, TruncatedError when it cannot be one."""
    return Ntfs(view)
