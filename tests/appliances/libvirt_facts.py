"""What two readers of one machine have to agree on, and the counting of it over libvirt's pairs.

::

    python tests/appliances/libvirt_facts.py [CORPUS]    # default: $KENSHO_CORPUS, ../shared/corpus

libvirt's own tests hold VMX files and the domains that libvirt makes of them, and the other way
round; kensho reads both. Also opens every domain of the corpus.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from pathlib import Path

import msgspec

from kensho.appliances import open_package
from kensho.model.errors import KenshoError
from kensho.model.machine import Bus, Floppy, Machine


def machine_of(path: Path) -> Machine:
    """Return the machine that a file describes."""
    package = open_package(path)
    package.close()
    return package.appliance.machines[0]


def facts(machine: Machine) -> dict[str, object]:
    """Return what matters to a guest, without the ids that a reader makes up."""
    controllers = {c.id: c for c in machine.controllers}

    def place(controller: str, unit: int) -> tuple[str, int, int]:
        return controllers[controller].bus.value, controllers[controller].index, unit

    used = {d.controller for d in machine.drives}
    return {
        "name": machine.name,
        "cpu": (machine.cpu.count, machine.cpu.cores_per_socket),
        "memory": machine.memory.size,
        "firmware": machine.firmware.kind,
        "uuid": machine.uuid,
        "annotation": machine.annotation,
        "disks": sorted(place(d.controller, d.unit) for d in machine.disks),
        "cdroms": sorted(place(d.controller, d.unit) for d in machine.cdroms),
        "floppies": sum(isinstance(d, Floppy) for d in machine.drives),
        "scsi": sorted(
            (c.index, c.model) for c in machine.controllers if c.bus is Bus.SCSI and c.id in used
        ),
        "adapters": [(n.model, n.mac) for n in machine.nics],
        "networks": [n.network for n in machine.nics],
        "serial": [p.kind for p in machine.serial_ports],
    }


def as_libvirt_says(machine: Machine) -> Machine:
    """Return a VMX's machine without what libvirt has no word for.

    That is drives that are the client's own device (``clientDevice``), and the name of VMware's
    NAT, which is an interface of type user there.
    """
    client = {
        e.where.lower().removesuffix(".clientdevice")
        for e in machine.extras
        if e.where.lower().endswith(".clientdevice") and e.text.lower() == "true"
    }
    return msgspec.structs.replace(
        machine,
        drives=tuple(d for d in machine.drives if d.id not in client),
        nics=tuple(
            msgspec.structs.replace(n, network="") if n.network == "nat" else n
            for n in machine.nics
        ),
    )


def count_pairs(corpus: Path) -> tuple[int, Counter[str], list[str]]:
    """Return the number of pairs, how many agree in each fact, and what does not."""
    agree: Counter[str] = Counter()
    differ: list[str] = []
    pairs = 0
    for folder in ("vmx2xmldata", "xml2vmxdata"):
        for domain in sorted((corpus / "libvirt-9.0.0/tests" / folder).glob("*.xml")):
            vmx = domain.with_suffix(".vmx")
            if not vmx.exists():
                continue
            pairs += 1
            theirs, ours = facts(as_libvirt_says(machine_of(vmx))), facts(machine_of(domain))
            agree.update(k for k in ours if ours[k] == theirs[k])
            differ += [
                f"{domain.stem}: {k}: VMX {theirs[k]}, domain {ours[k]}"
                for k in ours
                if ours[k] != theirs[k]
            ]
    return pairs, agree, differ


def count_domains(corpus: Path) -> tuple[Counter[tuple[bool, bool]], list[str]]:
    """Return how many domains opened, by (marked to be refused, opened), and what did not."""
    counts: Counter[tuple[bool, bool]] = Counter()
    refused = []
    with (corpus / "MANIFEST.csv").open(newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            path = corpus / row["path"]
            if path.suffix != ".xml" or not row["path"].startswith("libvirt"):
                continue
            try:
                machine_of(path)
                opened = True
            except KenshoError as error:
                opened = False
                refused.append(f"{row['path']}: {error}")
            counts[row["expected"] == "reject-or-warn", opened] += 1
    return counts, refused


def corpus_folder(argument: str | None = None) -> Path:
    """Return where the corpus is, or would be."""
    import os

    beside = Path(__file__).resolve().parents[3] / "shared" / "corpus"
    return Path(argument or os.environ.get("KENSHO_CORPUS") or beside)


if __name__ == "__main__":
    folder = corpus_folder(sys.argv[1] if len(sys.argv) > 1 else None)
    counts, refused = count_domains(folder)
    pairs, agree, differ = count_pairs(folder)
    sys.stdout.write("\n".join([*refused, *differ, ""]))
    sys.stdout.write(f"domains (marked to be refused, opened): {dict(counts)}\n")
    sys.stdout.write(f"{pairs} pairs: " + ", ".join(f"{k} {n}" for k, n in agree.items()) + "\n")
