"""Read images: OCI layouts (folder or tar) and the archives of ``docker save``.

Specifications: OCI image-spec (image-layout.md, manifest.md) and Docker's image spec v1.2
(manifest.json). Every JSON is bounded; blobs are taken by their digest's name, nothing is run. Digests
are checked: an OCI layout's JSON as it is read, layers by the package's manifest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kensho.appliances.kubevirt.values import mapping, objects, text
from kensho.appliances.package import Digest
from kensho.appliances.packed import unpack_limit
from kensho.appliances.store import Store, read_text_file
from kensho.model.errors import (
    CorruptError,
    LimitError,
    ManifestMismatchError,
    TruncatedError,
    UnsupportedError,
)
from kensho.storage import ByteSource
from kensho.storage.gzip import MAGIC, GzipSource

_MOST_JSON = 32 << 20  # a label of the configuration has the note of where a machine came from
_MOST_LAYERS = 500
_MOST_INDEXES = 4
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ZSTD = b"\x28\xb5\x2f\xfd"
_BLOBS = "blobs/sha256/"


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its configuration and the names of its layers in the store, lowest first.

    ``manifest`` is what the layers hash to, by name: as they are stored, or what is in them
    when they are ``unpacked``, as Docker has it.
    """

    config: dict[str, Any]
    layers: tuple[str, ...]
    manifest: Mapping[str, tuple[Digest, ...]]
    unpacked: bool


def read_image(store: Store) -> Image:
    """Return the image for x86-64 in a layout or archive, the only one where there is no choice.

    CorruptError when its JSON is none, LimitError for too much, UnsupportedError for several.
    """
    if store.size_of("index.json") is not None:
        return _oci(store)
    listed = _json(store, "manifest.json")
    entries = objects(listed)
    if len(entries) != 1:
        raise UnsupportedError(
            f"{len(entries)} images are in this archive, one is read", path=store.path
        )
    names = entries[0].get("Layers")
    layers = tuple(map(text, names)) if isinstance(names, list) else ()
    config = mapping(_json(store, text(entries[0].get("Config"))))
    named = mapping(config, "rootfs").get("diff_ids")
    said = tuple(map(text, named)) if isinstance(named, list) else ()
    if len(said) != len(layers) or not all(map(_DIGEST.fullmatch, said)):
        raise CorruptError("not a digest for each layer", path=store.path, field="diff_ids")
    layers = _checked(layers, store)
    return Image(config, layers, _manifest(dict(zip(layers, said, strict=True))), unpacked=True)


def open_layer(store: Store, name: str) -> ByteSource:
    """Open a layer's tar archive, unpacked as it is read. UnsupportedError for zstd."""
    source = store.open(name)
    head = source.read_at(0, min(4, source.size))
    if head.startswith(MAGIC):
        return GzipSource(source, unpack_limit(source.size, None))
    if head == _ZSTD:
        raise UnsupportedError(
            "a layer is packed with zstd",
            path=source.name,
            hint="skopeo copy --dest-compress-format gzip makes an image that can be read",
        )
    return source


def _oci(store: Store) -> Image:
    entries = objects(mapping(_json(store, "index.json")).get("manifests"))
    for _ in range(_MOST_INDEXES):
        entry = _chosen(entries, store.path)
        manifest = mapping(_json(store, _blob(entry, store)))
        if "manifests" not in manifest:
            config = mapping(_json(store, _blob(mapping(manifest, "config"), store)))
            layers = tuple(_blob(layer, store) for layer in objects(manifest.get("layers")))
            said = {name: f"sha256:{_digest_of(name)}" for name in _checked(layers, store)}
            return Image(config, layers, _manifest(said), unpacked=False)
        entries = objects(manifest.get("manifests"))
    raise LimitError("indexes in indexes without end", path=store.path, field="index.json")


def _chosen(entries: list[dict[str, Any]], path: str) -> dict[str, Any]:
    fitting = [
        e for e in entries if text(mapping(e, "platform").get("architecture")) in {"", "amd64"}
    ] or entries
    if len(fitting) != 1:
        raise UnsupportedError(
            f"{len(fitting)} images are in this layout, one is read",
            path=path,
            field="index.json",
            hint="copy one of them: skopeo copy oci:FOLDER:TAG oci-archive:FILE",
        )
    return fitting[0]


def _blob(entry: dict[str, Any], store: Store) -> str:
    """Return the name of a blob that is there and as large as is said; it is not hashed yet."""
    digest = text(entry.get("digest"))
    if _DIGEST.fullmatch(digest) is None:
        raise UnsupportedError(f"not a SHA-256 digest: {digest[:80]!r}", path=store.path)
    name = digest.replace("sha256:", _BLOBS)
    size, said = store.size_of(name), entry.get("size")
    if size is not None and isinstance(said, int) and size != said:
        raise TruncatedError(
            f"a blob of {size} bytes, the image says {said}", path=store.path, field=digest
        )
    return name


def _checked(layers: tuple[str, ...], store: Store) -> tuple[str, ...]:
    if len(layers) > _MOST_LAYERS:
        raise LimitError(f"{len(layers)} layers; at most {_MOST_LAYERS} are read", path=store.path)
    return layers


def _manifest(said: Mapping[str, str]) -> dict[str, tuple[Digest, ...]]:
    return {name: (Digest("sha256", d.removeprefix("sha256:")),) for name, d in said.items()}


def _digest_of(name: str) -> str:
    """Return the SHA-256 that a blob's name is, in hexadecimal; empty for other names."""
    return name.removeprefix(_BLOBS) if name.startswith(_BLOBS) else ""


def _json(store: Store, name: str) -> object:
    data = read_text_file(store, name, _MOST_JSON)
    said, found = _digest_of(name), hashlib.sha256(data).hexdigest()
    if said not in {"", found}:
        raise ManifestMismatchError(
            f"SHA256 of {name} is {found}",
            path=store.path,
            field=name,
            hint="the image is damaged: fetch it again",
        )
    try:
        return _load(data)
    except (ValueError, RecursionError):
        raise CorruptError("not JSON", path=store.path, field=name) from None


_load: Callable[[bytes], object] = json.loads
