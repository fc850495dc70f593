"""Convert one appliance to every target, let other programs judge, and boot one result.

``make demo`` builds the appliance; ``make demo APPLIANCE=file.ova`` takes yours. Ends
with 0 when every check passed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import appliance
from kensho.model.errors import KenshoError
from kensho.proof.watch.boot import boot_domain
from oracles import check_result
from page import write_page
from results import Boot, Outcome, Target
from shell import StepFailedError, step
from table import print_table
from views import source_views

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "out" / "demo"
KENSHO = Path(sys.executable).parent / "kensho"

TARGETS = (
    Target("ova"),
    Target("vmware"),
    Target("vmware", "vmx"),
    Target("virtualbox"),
    Target("virtualbox", "vbox"),
    Target("kvm"),
    Target("proxmox"),
    Target("hyperv"),
    Target("hyperv", "export"),
    Target("xenserver"),
    Target("xen"),
    Target("kubevirt"),
    Target("aws"),
    Target("azure"),
    Target("gcp"),
    Target("openstack"),
    Target("oci-rootfs"),
)
BOOT_TARGET = Target("kvm")


def main() -> int:
    """Run the demo; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--appliance", type=Path, help="convert this instead of the demo's own")
    given: Path | None = parser.parse_args().appliance
    if given is not None and not given.exists():
        parser.error(f"no such file: {given}")
    start = time.monotonic()
    try:
        outcomes = list(_convert_all(given))
    except StepFailedError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    boot = _boot(outcomes, must_login=given is None)
    page = write_page(OUT / "index.html", outcomes, boot)
    print_table(outcomes, boot)
    failed = sum(not outcome.ok for outcome in outcomes) + (not boot.ok)
    print(f"\nreport: {page}")
    print(f"{failed or 'no'} failures, {time.monotonic() - start:.0f} s in all")
    return 1 if failed else 0


def _convert_all(given: Path | None) -> list[Outcome]:
    if given is not None:
        print(f"\nThe appliance: {given}")
        return _convert_each(given)
    print("\nThe appliance: a small Debian 12 that boots on BIOS and UEFI")
    disk = appliance.build(ROOT / ".cache" / "demo")
    print("\nIts disk image packed as an OVA")
    known = ("--name", appliance.NAME, "--guest", appliance.GUEST)
    packed = _convert(disk, Target("ova"), OUT / "source", *known)
    if packed.error:
        raise StepFailedError(packed.error)
    files = [OUT / "source" / name for name in packed.file_names if name.endswith(".ova")]
    return [packed, *_convert_each(files[0])]


def _convert_each(source: Path) -> list[Outcome]:
    print("\nThe OVA converted to every target" if source.suffix == ".ova" else "\nConverted")
    return [_convert(source, target, OUT / target.folder) for target in TARGETS]


def _convert(source: Path, target: Target, folder: Path, *more: str) -> Outcome:
    """Convert once and have the result judged."""
    arguments = [KENSHO, "convert", source, "--to", target.name, "-o", folder]
    arguments += ["--form", target.form] if target.form else []
    with step(f"{source.name} -> {target.title}"):
        done = subprocess.run(
            [*map(str, arguments), *more, "--json", "--overwrite"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        print(f"    kensho ended with code {done.returncode}")
        return Outcome(source.name, target, error=_last_words(done.stderr or done.stdout))
    result = json.loads(done.stdout)
    with step("  judged by other programs"):
        checks = check_result(folder, result, source_views(source, result["plan"]))
    return Outcome(source.name, target, result=result, checks=tuple(checks))


def _last_words(text: str) -> str:
    return text.strip()[-2000:] or "kensho said nothing"


def _boot(outcomes: Sequence[Outcome], *, must_login: bool) -> Boot:
    """Boot the KVM result from the domain XML that was made for it, if one was made now."""
    print("\nThe KVM result booted from its own libvirt XML, in software emulation")
    made = [outcome for outcome in outcomes if outcome.target == BOOT_TARGET]
    names = [name for outcome in made for name in outcome.file_names if name.endswith(".xml")]
    if not names:
        return Boot(must_login=must_login, error="there is no domain XML to boot")
    log = OUT / "serial.log"
    try:
        result = boot_domain(
            OUT / BOOT_TARGET.folder / names[0], log=log, on_event=lambda text: print(f"    {text}")
        )
    except KenshoError as error:
        return Boot(must_login=must_login, error=f"{error}\n{error.hint}".strip())
    print(f"  {result.verdict}: {result.reason}")
    return Boot(must_login=must_login, result=result)


if __name__ == "__main__":
    sys.exit(main())
