"""Start Xen under QEMU with a disk of trials, and follow what its dom0 says."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from kensho.proof.inside import overlay
from kensho.proof.qemu.arguments import dying_with_us, find_qemu
from shell import run
from tests.hypervisors.xen.dom0 import Dom0

MEMORY = 2048  #: MiB of the machine that Xen runs on
_DOM0 = 768
INSIDE = Path(__file__).with_name("inside")
REPORT = Path(overlay.__file__).with_name("report.sh")
#: Both ways of a guest: paravirtual, which needs nothing of the processor, and HVM on emulated AMD-V.
_CPU = "qemu64,+svm,+npt"


def trials_disk(folder: Path, disk: Path) -> None:
    """Make an ext4 of what dom0 is to try; a trial is a folder, dom0's own programs lie beside."""
    for program in (INSIDE / "trials.py", REPORT):
        shutil.copyfile(program, folder / program.name)
        (folder / program.name).chmod(0o755)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    with disk.open("wb") as file:
        file.truncate(size + size // 16 + (64 << 20))
    run(["mkfs.ext4", "-q", "-F", "-L", "trials", "-m", "0", "-d", folder, disk])


def start(
    dom0: Dom0, disk: Path, out: Path, *, seconds: float, told: Callable[[str], None]
) -> tuple[str, float]:
    """Run it until dom0 is done; return what dom0 said, and the seconds it took.

    ``out`` gets ``xen.log`` (Xen and dom0) and ``trials.log``; nothing is written to the disks.
    """
    argv = [
        *(*dying_with_us(), find_qemu(), "-M", "pc", "-accel", "tcg", "-cpu", _CPU, "-smp", "1"),
        *("-m", str(MEMORY), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *(
            "-kernel",
            dom0.xen,
            "-append",
            f"com1=115200,8n1 console=com1 dom0_mem={_DOM0}M,max:{_DOM0}M",
        ),
        *("-initrd", f"{dom0.kernel} root=/dev/vda rw console=hvc0,{dom0.initramfs}"),
    ]
    for path in (dom0.root, disk):
        argv += ["-drive", f"file={path},format=raw,if=virtio,snapshot=on"]
    for name in ("xen.log", "trials.log"):
        argv += ["-serial", f"file:{out / name}"]
    log, began = out / "trials.log", time.monotonic()
    log.touch()
    qemu = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL)
    try:
        with log.open("rb") as said:
            rest = b""
            while time.monotonic() - began < seconds:
                data = said.read()
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    told(line.decode("utf-8", "replace").strip())
                if any(line.startswith(b"dom0: done") for line in lines):
                    break
                if qemu.poll() is not None and not data:
                    break
                time.sleep(0.5)
    finally:
        qemu.kill()
        qemu.wait()
    return log.read_text("utf-8", "replace"), time.monotonic() - began
