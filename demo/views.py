"""Look at a disk inside a package with QEMU's eyes, without unpacking it."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

DRIVERS = {
    ".vmdk": "vmdk",
    ".qcow2": "qcow2",
    ".vhdx": "vhdx",
    ".vhd": "vpc",
    ".vdi": "vdi",
    ".img": "raw",
    ".raw": "raw",
}


def view(path: Path) -> str:
    """Return what qemu-img takes for a disk image that is a file."""
    file = {"driver": "file", "filename": str(path.resolve())}
    return _json(DRIVERS.get(path.suffix.lower(), "raw"), file)


def member_view(package: Path, name: str) -> str | None:
    """Return what qemu-img takes for a disk inside a tar file, None when it is not there."""
    with tarfile.open(package, "r:") as tar:
        member = next((m for m in tar if m.name == name), None)
    if member is None:
        return None
    window = {
        "driver": "raw",
        "offset": member.offset_data,
        "size": member.size,
        "file": {"driver": "file", "filename": str(package.resolve())},
    }
    return _json(DRIVERS.get(Path(name).suffix.lower(), "raw"), window)


def _json(driver: str, file: dict[str, object]) -> str:
    return "json:" + json.dumps({"driver": driver, "file": file})


def source_views(source: Path, plan: dict) -> dict[str, str | None]:
    """Return a view of every disk of a conversion's source, by the plan's image ids.

    None stands for a disk that QEMU cannot look at: blank, compressed as a file, or remote.
    """
    before = plan["before"]
    files = {file["id"]: file for file in before.get("files", ())}
    return {
        image["id"]: _source_view(source, files.get(image.get("file")))
        for image in before.get("images", ())
    }


def _source_view(source: Path, file: dict | None) -> str | None:
    if file is None or file.get("compression") or file.get("chunk_size"):
        return None
    if source.suffix.lower() == ".ova":
        return member_view(source, file["href"])
    folder = source if source.is_dir() else source.parent
    path = source if source.name == file["href"] else folder / file["href"]
    return view(path) if path.is_file() else None
