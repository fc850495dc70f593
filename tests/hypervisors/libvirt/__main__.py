"""Convert the demo's appliance to KVM, define and start it in a real libvirt, read it back.

    python -m tests.hypervisors.libvirt [--only NAME] [--out FOLDER]

Evidence goes to ``out/hypervisors/libvirt``. Ends with 0 when every row passed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

import kensho
from kensho.cli.exits import run
from kensho.model.machine import ControllerModel as C
from kensho.model.machine import Firmware
from kensho.model.machine import NicModel as N
from kensho.proof.qemu.accelerator import accelerator
from tests.hypervisors.libvirt.daemons import NotHereError, entered, needs
from tests.hypervisors.libvirt.inside import Plan, Told
from tests.hypervisors.libvirt.journey import Case
from tests.hypervisors.verdict import Verdict, table, version, write

ROOT = Path(__file__).resolve().parents[3]
OUT = ROOT / "out" / "hypervisors" / "libvirt"
_NAME = "kensho-demo"

#: Name, title, what `kensho convert --to kvm` is asked for, and the devices that have to come of it.
CASES = (
    ("native", "virtio-scsi, virtio-net, q35, BIOS", ("--firmware", "bios"), C.VIRTIO_SCSI, N.VIRTIO),
    ("uefi", "virtio-scsi, virtio-net, q35, UEFI", ("--firmware", "uefi"), C.VIRTIO_SCSI, N.VIRTIO),
    ("compatible", "SATA, E1000, q35, BIOS", ("--devices", "compatible"), C.AHCI, N.E1000),
    ("fallback", "IDE, E1000, i440FX, BIOS", ("--devices", "fallback"), C.IDE, N.E1000),
)  # fmt: skip


def main() -> int:
    """Run the tier; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tests.hypervisors.libvirt")
    names = [case[0] for case in CASES]
    parser.add_argument("--only", default=",".join(("shapes", *names)), help="shapes and cases")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    only = set(asked.only.split(","))
    begun = time.monotonic()
    try:
        needs()
    except NotHereError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    out: Path = asked.out.absolute()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix=".work-", dir=out) as scratch:
        work = Path(scratch)
        emulated = accelerator() != "kvm"
        cases = tuple(_converted(work, only, emulated=emulated))
        told = _inside(Plan(cases, "shapes" in only, emulated), work, out)
    verdict = Verdict(
        hypervisor="libvirt",
        made=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        versions=_versions(told),
        rows=told.rows,
        not_shown=_not_shown(emulated=emulated),
    )
    write(verdict, out)
    sys.stdout.write(f"\n{table(verdict.rows)}\n{out}: {time.monotonic() - begun:.0f} s\n")
    return 0 if verdict.passed else 1


def _converted(work: Path, only: set[str], *, emulated: bool) -> Sequence[Case]:
    wanted = [case for case in CASES if case[0] in only]
    if not wanted:
        return ()
    sys.path.insert(0, str(ROOT / "demo"))
    import appliance

    disk = appliance.build(ROOT / ".cache" / "demo")
    found = []
    for name, title, options, controller, adapter in wanted:
        folder = work / "results" / name
        words = ["convert", str(disk), "--to", "kvm", "-o", str(folder), "--name", _NAME]
        code = run([*words, "--guest", appliance.GUEST, *options])
        if code:
            raise SystemExit(f"kensho convert ended with {code}")
        firmware = Firmware.UEFI if "uefi" in options else Firmware.BIOS
        found.append(Case(name=name, title=title, place=str(folder), controller=controller,
                          adapter=adapter, firmware=firmware, emulated=emulated))  # fmt: skip
    return found


def _inside(plan: Plan, work: Path, out: Path) -> Told:
    (work / "plan.json").write_bytes(msgspec.json.encode(plan))
    line = [sys.executable, "-m", "tests.hypervisors.libvirt.inside"]
    line += [str(work / "plan.json"), str(work / "private"), str(out), str(work / "told.json")]
    done = subprocess.run(entered(line), cwd=ROOT, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise SystemExit(f"the run in its namespaces ended with {done.returncode}; see {out}")
    return msgspec.json.decode((work / "told.json").read_bytes(), type=Told)


def _versions(told: Told) -> dict[str, str]:
    return {
        "kensho": getattr(kensho, "__version__", ""),
        "libvirt": told.libvirt,
        "qemu": version("qemu-system-x86_64", "--version"),
        "dnsmasq": version("/usr/sbin/dnsmasq", "--version"),
        "virt-host-validate": told.validated,
    }


def _not_shown(*, emulated: bool) -> tuple[str, ...]:
    common = (
        "a Windows guest, SELinux or AppArmor confinement, control groups, migration",
        "a bridge of the host, storage pools other than files",
    )
    kvm = "KVM itself: the domains' type was changed to qemu, the processor is emulated"
    return (kvm, *common) if emulated else common


if __name__ == "__main__":
    sys.exit(main())
