"""Build the first-boot service for 32-bit and 64-bit Windows with mingw-w64: ``python build.py``.

No time, path or build id gets into the programs, so that they are the same bytes each time with the
same compiler (Debian 12: gcc-mingw-w64 12.2.0, binutils-mingw-w64 2.40). They need XP (64-bit: XP x64).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
#: Program: (compiler, entry point as the linker knows it, minor version of the least Windows NT 5).
PROGRAMS = {
    "service32.exe": ("i686-w64-mingw32-gcc", "_start", 1),
    "service64.exe": ("x86_64-w64-mingw32-gcc", "start", 2),
}
_COMPILE = (
    "-Os -Wall -Wextra -Werror -ffreestanding -fno-ident -fno-stack-protector"
    " -fno-asynchronous-unwind-tables -mno-stack-arg-probe -nostdlib -nostartfiles -s"
)


def build(program: str, folder: Path) -> Path:
    """Build one program into a folder."""
    compiler, entry, minor = PROGRAMS[program]
    link = (
        f"-Wl,--no-insert-timestamp,--build-id=none,--entry={entry},--subsystem,console"
        f",--major-subsystem-version,5,--minor-subsystem-version,{minor}"
        f",--major-os-version,5,--minor-os-version,{minor}"
    )
    target = folder / program
    command = [compiler, *_COMPILE.split(), link, "-o", str(target), "service.c"]
    subprocess.run([*command, "-lkernel32", "-ladvapi32"], cwd=_HERE, check=True)
    return target


if __name__ == "__main__":
    for name in PROGRAMS:
        build(name, Path(sys.argv[1]) if len(sys.argv) > 1 else _HERE)
