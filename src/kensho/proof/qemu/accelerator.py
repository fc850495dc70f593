"""Whether KVM runs guests here: asked of a guest of one sector, not of ``/dev/kvm``.

That the device opens proves nothing: nested or emulated virtualisation may take it and then run a stock
kernel a thousand times too slowly, or not at all. ``probe.S`` enters long mode as kernels do, counts to
2^28, says so and ends; a processor needs a tenth of a second for that, software emulation one.
"""

from __future__ import annotations

import functools
import os
import subprocess
import time

from kensho.proof.qemu.arguments import dying_with_us, escaped, find_qemu
from kensho.proof.qemu.rooms import room

_SECTOR = 512
_SECONDS = 5.0
_IDLE_SECONDS, _MOST_SECONDS = (
    1.0,
    20.0,
)  #: the probe emulated, on an otherwise idle machine of 2023
#: What ``probe.S`` is assembled to; a test does it again.
CODE = bytes.fromhex(
    "fa31c08ed88ec08ed0bc007cbf0010b90018fcf3abc70600100320c70600200330c706003083000f"
    "0116887c66b8a00000000f22e066b8001000000f22d866b9800000c00f320d00010f3066b8110000"
    "800f22c0ea597c0800b900000010ffc975fc66baf803b04bee66baf400eef4ebfd0f1f8000000000"
    "000000000000000000000000009a20000f00787c"
)
_DONE = (ord("K") << 1) | 1  #: how QEMU ends after a write to isa-debug-exit


@functools.cache
def accelerator() -> str:
    """Return ``kvm`` where a probe has shown that it works, ``tcg`` otherwise. Asked once."""
    usable = os.access("/dev/kvm", os.R_OK | os.W_OK)
    return "kvm" if usable and runs_on("kvm", _SECONDS) else "tcg"


@functools.cache
def slowness() -> float:
    """Return how many times longer emulation takes here and now than on an idle machine; at least 1.

    ToolMissingError without QEMU.
    """
    begun = time.monotonic()
    runs_on("tcg", _MOST_SECONDS)
    return max(1.0, (time.monotonic() - begun) / _IDLE_SECONDS)


def runs_on(kind: str, seconds: float) -> bool:
    """Tell whether the probe ends in time under an accelerator. ToolMissingError without QEMU."""
    with room("kensho-probe-") as folder:
        disk = folder / "probe.img"
        disk.write_bytes(CODE.ljust(_SECTOR - 2, b"\0") + b"\x55\xaa")
        line = [
            *dying_with_us(),
            find_qemu(),
            "-accel",
            kind,
            "-m",
            "16M",
            "-nodefaults",
            "-no-user-config",
        ]
        line += ["-display", "none", "-serial", "none", "-monitor", "none"]
        line += ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
        line += ["-drive", f"file={escaped(str(disk))},format=raw,if=ide,snapshot=on"]
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)  # fmt: skip
        try:
            return process.wait(seconds) == _DONE
        except subprocess.TimeoutExpired:
            return False
        finally:
            process.kill()
            process.wait()
