"""How QEMU names the disk another one is based on: a file, a protocol or JSON.

Sources: QEMU docs/interop/qcow2.rst, "backing file name"; for what stands before a colon
block.c (path_has_protocol), for ``json:`` qapi/block-core.json, BlockdevOptions. Relative names
are taken from the folder of the disk here, always.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from kensho.model.errors import UnsupportedError

#: Options that do not change which bytes are read.
_IDLE = {
    "auto-read-only",
    "cache",
    "detect-zeroes",
    "discard",
    "force-share",
    "node-name",
    "read-only",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Backing:
    """A file, the format it is in by QEMU's name if that is said, and which bytes of it."""

    name: str
    format: str | None = None
    window: tuple[int, int] | None = None  # offset and size, as of a disk in an archive


def file_of(name: str, path: str) -> Backing:
    """Return what ``name``, recorded in the disk at ``path``, means.

    An absolute name of a file in the folder of the disk or below becomes a relative one.
    UnsupportedError, which names what is in the way, for all that is no file.
    """
    if name.startswith("json:"):
        backing = _from_json(name[5:], path)
    elif name.startswith("file:"):
        backing = Backing(name[5:])
    elif ":" in name.partition("/")[0] and not _is_drive(name):
        raise _refused(f"{name!r}, which is no file", path)
    else:
        backing = Backing(name)
    return dataclasses.replace(backing, name=_relative(backing.name, path))


def _relative(name: str, path: str) -> str:
    if not name.startswith("/"):
        return name
    try:
        folder = Path(path).resolve().parent
        return Path(name).resolve().relative_to(folder).as_posix()
    except (OSError, RuntimeError, ValueError):
        return name  # elsewhere: refused later


def _is_drive(name: str) -> bool:
    """Return whether the colon is that of a drive: refused later, as a name that leads elsewhere."""
    return name[1:2] == ":" and name[:1].isalpha()


def _from_json(text: str, path: str) -> Backing:
    try:
        options = json.loads(text)
    except (ValueError, RecursionError):
        options = None
    if not isinstance(options, dict):
        raise _refused("a json: name that is none", path)
    flat: dict[str, Any] = {}
    _flatten(options, "", flat)
    driver, filename = flat.pop("driver", None), flat.pop("file.filename", None)
    if driver == "file" and filename is None:
        driver, filename = None, flat.pop("filename", None)
    window = None
    if flat.get("file.driver") == "raw" and filename is None:  # a part of a file
        window = (flat.pop("file.offset", None), flat.pop("file.size", None))
        filename = flat.pop("file.file.filename", None)
        flat["file.driver"] = flat.pop("file.file.driver", "file")
    if flat.pop("file.driver", "file") != "file":
        raise _refused("json: with another protocol than file", path)
    odd = [key for key in flat if key.removeprefix("file.").partition(".")[0] not in _IDLE]
    if odd:
        raise _refused(f"json: with the option {odd[0]!r}", path)
    if not isinstance(filename, str) or not isinstance(driver, str | None):
        raise _refused("json: without a file name", path)
    if window is not None and not all(type(n) is int and n >= 0 for n in window):
        raise _refused("json: with a part of a file that it does not say", path)
    return Backing(filename, driver, window)


def _flatten(options: dict[str, Any], prefix: str, into: dict[str, Any]) -> None:
    """Write ``{"file": {"filename": …}}`` as ``{"file.filename": …}``, which QEMU takes, too."""
    for key, value in options.items():
        if (
            isinstance(value, dict) and prefix.count(".") < 4
        ):  # nothing that means anything is deeper
            _flatten(value, f"{prefix}{key}.", into)
        else:
            into[prefix + key] = value


def _refused(what: str, path: str) -> UnsupportedError:
    return UnsupportedError(
        f"is based on {what}",
        path=path,
        field="backing_file",
        hint="flatten it with `qemu-img convert`, or give it a file with `qemu-img rebase -u`",
    )
