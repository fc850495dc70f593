"""Any to any: every form that kensho writes and reads, through every form, and back again.

    python -m tests.any_to_any [FORM …]

A machine with two disks and two adapters, once with UEFI and Secure Boot, once with BIOS, is made
in each form A, converted to each form B, and back to A. The way back has to give the same machine:
all that kensho reads of A, field by field, and the content of its disks by their roots. Where it
does not, the difference has to be one of ``EXPECTED``, which says the finding that tells of it.

Forms come from the table of platforms. One that kensho cannot read as a machine (a script, a
cloud's template) is never A; as B it is read back by the note that lies beside it. Exit code 1 when a
pair fails.
"""

from __future__ import annotations

import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from kensho.appliances import open_package
from kensho.appliances.package import Package
from kensho.convert.plan import Request, make_plan
from kensho.convert.run import Options, run_plan
from kensho.convert.source import opened_image
from kensho.disks import content_root, create_disk, open_disk
from kensho.disks.copy import copy_disk
from kensho.model.errors import KenshoError, PlanBlockedError
from kensho.model.machine import Disk
from kensho.model.origin import SUFFIX
from kensho.model.units import MIB
from kensho.platforms import PLATFORMS
from kensho.storage.file import FileSink, FileSource

SIZES = (4 * MIB, 3 * MIB)
STEM = "any"
#: What may differ after A → B → A, as (A, B, field): the code of the finding that says so.
#: An empty field: the way back is refused, as its documentation says.
EXPECTED: dict[tuple[str, str, str], str] = {
    # Each disk is an archive of its own, and read back alone.
    ("*", "gcp/images", ""): "KF-500",
}
_VMX = """\
.encoding = "UTF-8"
config.version = "8"
virtualHW.version = "19"
displayName = "any"
guestOS = "debian12-64"
memsize = "2048"
numvcpus = "4"
cpuid.coresPerSocket = "2"
scsi0.present = "TRUE"
scsi0.virtualDev = "lsisas1068"
scsi0:0.present = "TRUE"
scsi0:0.fileName = "disk0.vmdk"
scsi0:1.present = "TRUE"
scsi0:1.fileName = "disk1.vmdk"
ethernet0.present = "TRUE"
ethernet0.virtualDev = "vmxnet3"
ethernet0.networkName = "VM Network"
ethernet0.addressType = "static"
ethernet0.address = "00:50:56:01:02:03"
ethernet1.present = "TRUE"
ethernet1.virtualDev = "e1000e"
ethernet1.networkName = "Backup"
ethernet1.addressType = "static"
ethernet1.address = "00:50:56:01:02:04"
ethernet1.startConnected = "FALSE"
sata0.present = "TRUE"
sata0:2.present = "TRUE"
sata0:2.deviceType = "cdrom-raw"
uuid.bios = "56 4d 12 34 56 78 9a bc-de f0 12 34 56 78 90 ab"
annotation = "Two disks, two adapters"
"""
_FIRMWARE = {"bios": "", "uefi": 'firmware = "efi"\nuefi.secureBoot.enabled = "TRUE"\n'}


@dataclass(frozen=True, slots=True)
class Pair:
    """What became of one machine on A → B → A; ``differs`` maps fields to the two values."""

    machine: str
    first: str
    through: str
    differs: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    refused: str = ""
    codes: frozenset[str] = frozenset()

    def expected(self, name: str) -> str:
        """Return the code of the finding that tells of a difference, empty when none should be."""
        places = ((self.first, self.through), ("*", self.through), (self.first, "*"))
        return next((EXPECTED[*p, name] for p in places if (*p, name) in EXPECTED), "")

    @property
    def mark(self) -> str:
        """One character: ``=`` equal, ``~`` differs as expected, ``x`` refused, ``!`` wrong."""
        if self.refused:
            return "x" if self.expected("") else "!"
        if not self.differs:
            return "="
        wanted = [self.expected(name) or "?" for name in self.differs]
        return "~" if set(wanted) <= self.codes else "!"


def forms() -> tuple[str, ...]:
    """Return all forms as PLATFORM/FORM."""
    return tuple(f"{p.name}/{form.name}" for p in PLATFORMS for form in p.forms)


def seed(folder: Path, firmware: str) -> Path:
    """Make the machine as a VMX with its disks; return the path of the VMX."""
    folder.mkdir(parents=True)
    for number, size in enumerate(SIZES):
        raw = folder / f"disk{number}.img"
        data = bytes((number + 1) * (i % 251) % 256 for i in range(64 * 1024))
        raw.write_bytes((bytes(len(data)) * (number + 1) + data).ljust(size, b"\0"))
        with FileSource(raw) as source, FileSink(raw.with_suffix(".vmdk")) as sink:
            reader = open_disk(source, format="raw")
            copy_disk(reader, create_disk("vmdk", "monolithicSparse", sink, size), threads=1)
        raw.unlink()
    path = folder / f"{STEM}.vmx"
    path.write_text(_VMX + _FIRMWARE[firmware])
    return path


def convert(source: Path, form: str, out: Path, *, note: bool = True) -> frozenset[str]:
    """Convert and return the codes of the findings."""
    target, _, name = form.partition("/")
    request = Request(source=str(source), target=target, form=name, name=STEM, origin=note)
    plan = make_plan(request)
    run_plan(plan, out, options=Options(verify=False, threads=1))
    return frozenset(f.code for f in plan.findings)


def machine_file(folder: Path) -> Path | None:
    """Return the file of a result that kensho reads as a machine; None when there is none."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and ".report." not in p.name)
    notes = [p for p in files if p.name.endswith(SUFFIX)]
    for path in (*(p for p in files if p not in notes), *notes):
        try:
            with closing(open_package(path)) as package:
                disks = [d for m in package.appliance.machines for d in m.disks]
                if package.kind != "disk" and len(disks) == len(SIZES):
                    return path
        except KenshoError:
            continue
    return None


def facts(path: Path) -> dict[str, Any]:
    """Return all that is read of a machine, by field, with contents instead of files' names."""
    with closing(open_package(path)) as package:
        (machine,) = package.appliance.machines
        ids = {d.id: f"drive {n}" for n, d in enumerate(machine.drives)}
        flat = dict(_flat(msgspec.json.decode(msgspec.json.encode(machine)), ""))
        for number, drive in enumerate(machine.drives):
            if isinstance(drive, Disk):
                flat[f"drives.{number}.image"] = _root(package, drive.image)
            flat[f"drives.{number}.id"] = ids[drive.id]
        flat.pop("firmware.nvram", None)  # a file's id; what is in it is no fact of the model
        flat["networks"] = sorted(n.name for n in package.appliance.networks)
        return flat


def _root(package: Package, image: str) -> str:
    with opened_image(package, image) as reader:
        return f"{reader.virtual_size}:{content_root(reader, threads=1)}"


def _flat(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{where}.{name}" if where else name)
    elif isinstance(value, list) and where == "extras":
        for extra in value:
            yield f"extras.{extra['dialect']}:{extra['where']}", extra["text"]
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _flat(inner, f"{where}.{number}")
    else:
        yield where, value


def go(machine: str, first: str, through: str, source: Path, folder: Path) -> Pair:
    """Take one machine from A through B to A and compare."""
    try:
        codes = convert(source, through, folder / "there")
        middle = machine_file(folder / "there")
        if middle is None:
            return Pair(machine, first, through, refused="cannot be read back")
        codes |= convert(middle, first, folder / "back")
        back = machine_file(folder / "back")
        if back is None:
            return Pair(machine, first, through, refused="came back unreadable")
        before, after = facts(source), facts(back)
    except PlanBlockedError as error:
        return Pair(machine, first, through, refused=error.message)
    except KenshoError as error:
        return Pair(machine, first, through, refused=f"{type(error).__name__}: {error}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    differs = {
        name: (before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }
    return Pair(machine, first, through, differs, codes=codes)


def sources(folder: Path, wanted: Sequence[str], machine: str) -> dict[str, Path]:
    """Make the machine in every form; return the file of each that is read back."""
    start = seed(folder / "seed", machine)
    found: dict[str, Path] = {}
    for form in wanted:
        out = folder / form.replace("/", "-")
        try:
            convert(start, form, out, note=False)
            path = machine_file(out)
        except KenshoError as error:
            sys.stderr.write(f"{form}: {machine}: {error}\n")
            continue
        if path is not None:
            found[form] = path
    return found


def run(wanted: Sequence[str], folder: Path, workers: int = 2) -> tuple[list[Pair], list[str]]:
    """Try all pairs of the forms; return what became of them, and the forms not read back."""
    jobs = []
    unread: list[str] = []
    for machine in _FIRMWARE:
        made = sources(folder / machine, wanted, machine)
        unread += [form for form in wanted if form not in made and form not in unread]
        for number, (a, path) in enumerate(made.items()):
            for b in wanted:
                if number and ("*", b, "") in EXPECTED:
                    continue  # refused for all alike: once is enough
                place = folder / machine / f"{a}-{b}".replace("/", "_")
                jobs.append((machine, a, b, path, place))
    if workers < 2:
        return [go(*job) for job in jobs], unread
    # Not forked: the runs above had threads, and a lock one of them held would never be let go.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        return list(pool.map(go, *zip(*jobs, strict=True), chunksize=4)), unread


def show(pairs: Sequence[Pair], unread: Sequence[str]) -> str:
    """Return the matrix of each machine, and what is not equal."""
    lines = []
    for machine in dict.fromkeys(p.machine for p in pairs):
        marks = {(p.first, p.through): p.mark for p in pairs if p.machine == machine}
        names = list(dict.fromkeys(a for a, _ in marks))
        width = max(map(len, names))
        lines.append(f"{machine}: A (rows) -> B (columns) -> A")
        columns = list(dict.fromkeys(b for _, b in marks))
        lines += [f"{'':{width}}  {n:2} {name}" for n, name in enumerate(columns)]
        lines.append(f"{'':{width}}  " + "".join(f"{n:3}" for n in range(len(columns))))
        for a in names:
            lines.append(f"{a:{width}}  " + "".join(f"  {marks.get((a, b), '.')}" for b in columns))
        lines.append("")
    for pair in pairs:
        for name, (before, after) in pair.differs.items():
            code = pair.expected(name)
            lines.append(
                f"{pair.machine} {pair.first} -> {pair.through}: {name}:"
                f" {str(before)[:90]!r} became {str(after)[:90]!r} {code}".rstrip()
            )
        if pair.refused:
            lines.append(f"{pair.machine} {pair.first} -> {pair.through}: {pair.refused}")
    if unread:
        lines.append(f"never A, as only their platforms read them: {', '.join(unread)}")
    good = sum(p.mark != "!" for p in pairs)
    equal = sum(p.mark == "=" for p in pairs)
    lines.append(
        f"{len(pairs)} pairs: {equal} equal, {good - equal} as listed, {len(pairs) - good} wrong"
    )
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Run it for the forms named, all by default."""
    started = time.monotonic()
    wanted = [f for f in forms() if not arguments or f in arguments]
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as folder:
        pairs, unread = run(wanted, Path(folder))
    sys.stdout.write(f"{show(pairs, unread)}\n{time.monotonic() - started:.0f} s\n")
    return int(any(p.mark == "!" for p in pairs))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
