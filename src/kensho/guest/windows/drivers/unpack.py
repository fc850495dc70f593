"""Windows Installer packages and cabinets, unpacked by msitools and cabextract.

Both are run as processes, into a folder of their own, after their list of contents was seen. Source:
msiextract(1), cabextract(1); "Microsoft Cabinet Format" (MS-CAB §2.2) for the sizes in the header.
"""

from __future__ import annotations

import glob
import shutil
import struct
import subprocess
from pathlib import Path, PurePosixPath

from kensho.model.errors import (
    CorruptError,
    LimitError,
    ToolMissingError,
    UnsafePathError,
    UnsupportedError,
)

MAX_PACKED = 1 << 30
MAX_UNPACKED = 2 << 30
_MAX_FILES = 65535
_SECONDS = 300


def unpack_msi(source: Path, folder: Path) -> None:
    """Unpack a ``.msi``; ToolMissingError, UnsafePathError, CorruptError."""
    _check_size(source)
    listed = _run("msiextract", "--list", "--", str(source)).decode("utf-8", "replace").splitlines()
    _check_names(listed, source)
    _run("msiextract", "--directory", str(folder), "--", str(source))
    # Whatever went wrong, its exit code is 0.
    if not listed or not all((folder / name).is_file() for name in listed):
        raise CorruptError("is no whole package of Windows Installer", path=source)


def unpack_cab(source: Path, folder: Path, *, only: str = "") -> None:
    """Unpack a ``.cab``, or the one file of it whose name is ``only``, whatever its case.

    Raises ToolMissingError, UnsafePathError, CorruptError, UnsupportedError.
    """
    _check_size(source)
    _check_names(_cabinet_names(source), source)
    wanted = ["--filter", glob.escape(only)] if only else []
    _run("cabextract", "--quiet", *wanted, "--directory", str(folder), "--", str(source))


def _check_size(source: Path) -> None:
    if source.stat().st_size > MAX_PACKED:
        raise LimitError(f"more than {MAX_PACKED} bytes; drivers are smaller", path=source)


def _check_names(names: list[str], source: Path) -> None:
    if len(names) > _MAX_FILES:
        raise LimitError(f"{len(names)} files; at most {_MAX_FILES} are read", path=source)
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in name:
            raise UnsafePathError(f"{name[:200]!r} leads out of the package", path=source)


def _cabinet_names(source: Path) -> list[str]:
    """Return the names in a cabinet; its files unpacked are bounded here, too."""
    with source.open("rb") as file:
        data = file.read(16 << 20)
    if data[:4] != b"MSCF":
        raise CorruptError("is no cabinet", path=source)
    try:
        place, count, flags = struct.unpack_from("<I8xHH", data, 16)
        if flags & 3:
            raise UnsupportedError("is one of several cabinets that belong together", path=source)
        names, total = [], 0
        for _ in range(count):
            (size,) = struct.unpack_from("<I", data, place)
            end = data.index(b"\0", place + 16)
            names.append(data[place + 16 : end].decode("utf-8", "replace"))
            total += size
            place = end + 1
    except (struct.error, ValueError):
        raise CorruptError("its list of files is not whole", path=source) from None
    if total > MAX_UNPACKED:
        raise LimitError(f"{total} bytes when unpacked; at most {MAX_UNPACKED}", path=source)
    return names


def _run(program: str, *words: str) -> bytes:
    found = shutil.which(program)
    if found is None:
        raise ToolMissingError(
            f"{program} is needed to unpack this",
            hint="install msitools and cabextract, or unpack it elsewhere and name the folder",
        )
    limit = shutil.which("prlimit")
    bounds = [limit, f"--fsize={MAX_UNPACKED}", f"--cpu={_SECONDS}", "--"] if limit else []
    try:
        done = subprocess.run(
            [*bounds, found, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
        )
    except subprocess.TimeoutExpired:
        raise LimitError(f"{program} did not come to an end", path=words[-1]) from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip()[-300:]
        raise CorruptError(f"{program} cannot unpack it: {said}", path=words[-1])
    return done.stdout
