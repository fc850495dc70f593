"""Objects in S3, Google Cloud Storage and Azure Blob Storage, read in place.

Through obstore (the optional extra ``objects``), which finds credentials where each
cloud's own tools keep them, and retries by itself. The object must stay the same while
it is read: reads name the ETag that was seen first.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kensho.model.errors import CorruptError, LocatorError, NotFoundError, ToolMissingError
from kensho.model.extent import Extent
from kensho.storage._cache import BlockCache
from kensho.storage.reading import all_data, check_range, read_new

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.storage.base import WriteBuffer


def open_object(url: str) -> ObjectSource:
    """Open ``s3://bucket/key``, ``gs://bucket/key`` or ``az://container/key``.

    ToolMissingError without the extra, LocatorError when the object cannot be had.
    """
    _obstore()
    folder, _, key = url.rpartition("/")
    if not key or folder.endswith("/"):
        raise LocatorError("names no object", path=url, hint="s3://BUCKET/KEY")
    try:
        store = importlib.import_module("obstore.store").from_url(folder)
    except Exception as error:  # noqa: BLE001 - obstore has its own for each cloud
        raise _failed(url, error) from None
    return ObjectSource(store, key, url)


class ObjectSource:
    """The object ``key`` of an obstore ``store``, called ``name`` in errors."""

    __slots__ = ("_api", "_cache", "_etag", "_key", "_store", "mtime_ns", "name", "size")

    def __init__(self, store: Any, key: str, name: str) -> None:
        self._api = _obstore()
        self._store = store
        self._key = key
        self.name = name
        try:
            meta = self._api.head(store, key)
        except Exception as error:  # noqa: BLE001
            raise _failed(name, error) from None
        self.size = int(meta["size"])
        self._etag = meta.get("e_tag")
        changed = meta.get("last_modified")
        self.mtime_ns = 0 if changed is None else int(changed.timestamp()) * 1_000_000_000
        self._cache = BlockCache(self.size, self._fetch)

    @property
    def stamp(self) -> str:
        """What changes when the object does; empty when the store does not say."""
        return self._etag or ""

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``; TruncatedError if they are not there."""
        return read_new(self, offset, length)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``; CorruptError when the object changed meanwhile."""
        view = memoryview(buffer).cast("B")
        check_range(self.name, self.size, offset, len(view))
        self._cache.read_into(offset, view)

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Return the whole range as one DATA extent: objects know no holes."""
        return all_data(self.size, start, end)

    def kernel_file(self) -> None:
        """Return None: there is no file here."""
        return

    def close(self) -> None:
        """Do nothing; the store keeps its connections for the next object."""

    def _fetch(self, offset: int, view: memoryview) -> None:
        options: dict[str, Any] = {"range": (offset, offset + len(view))}
        if self._etag:
            options["if_match"] = self._etag
        try:
            data = memoryview(self._api.get(self._store, self._key, options=options).bytes())
        except Exception as error:  # noqa: BLE001
            if type(error).__name__ == "PreconditionError":
                raise _changed(self.name) from None
            raise _failed(self.name, error) from None
        if len(data) != len(view):
            raise _changed(self.name)
        view[:] = data


def _obstore() -> Any:
    try:
        return importlib.import_module("obstore")
    except ImportError:
        raise ToolMissingError(
            "object stores are read with the obstore package, which is not installed",
            hint="pip install 'kensho-vm[objects]'",
        ) from None


def _changed(name: str) -> CorruptError:
    return CorruptError(
        "the object changed while it was read",
        path=name,
        hint="start again once nothing writes to it",
    )


def _failed(name: str, error: Exception) -> LocatorError:
    reason = str(error).partition("\n")[0]
    there = type(error).__name__ not in {"NotFoundError", "FileNotFoundError"}
    kind = LocatorError if there else NotFoundError
    return kind(
        f"cannot be read: {reason}",
        path=name,
        hint="check the name, and the credentials and region in the environment",
    )
