"""What the scripts for all clouds share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from kensho.appliances.bash import comment, demand_files, demand_tools
from kensho.appliances.mapped import boot_ranks, only_machine, placed_disk
from kensho.appliances.names import dns_label, file_stem
from kensho.appliances.package import Document, PlacedDisk
from kensho.model import guest_os
from kensho.model.appliance import Appliance
from kensho.model.machine import Machine
from kensho.platforms.base import Platform, Shape


@dataclass(frozen=True, slots=True)
class Job:
    """A machine on its way to a cloud. ``disks`` has the one it starts from first.

    ``stem`` names files, ``label`` things in the cloud; ``title`` is the machine's own name in one
    line, ``about`` its notes in one line.
    """

    machine: Machine
    stem: str
    label: str
    title: str
    about: str
    disks: tuple[PlacedDisk, ...]
    family: str

    def disk_label(self, number: int) -> str:
        """Return what disk ``number``, from 1, is called in the cloud."""
        return f"{self.label}-disk{number}"


def job_of(appliance: Appliance, disks: Mapping[str, PlacedDisk], platform: str) -> Job:
    """Return the job; raises UnsupportedError for several machines."""
    machine = only_machine(appliance, platform)
    ranks = boot_ranks(machine)
    first = min(machine.disks, key=lambda d: ranks.get(d.id, len(ranks) + 1), default=None)
    ordered = sorted(machine.disks, key=lambda d: d is not first)
    stem = file_stem(appliance.name)
    return Job(
        machine=machine,
        stem=stem,
        label=dns_label(stem, 48),
        title=one_line(machine.name) or stem,
        about=one_line(machine.annotation),
        disks=tuple(placed_disk(disk, disks) for disk in ordered),
        family=guest_os.get(machine.guest.id).family,
    )


def one_line(text: str, most: int = 250) -> str:
    """Return a text cut, with blanks for what does not print: clouds take no more in names and tags.

    Nova refuses other separators and format characters, such as U+2028 and U+FEFF, in names.
    """
    text = text.encode(errors="replace").decode()
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:most].rstrip()


def shape_of(job: Job, platform: Platform) -> Shape:
    """Return the size of machine to ask for; the platform has some."""
    assert platform.cloud is not None
    shape = platform.cloud.shape_for(job.machine.cpu.count, job.machine.memory.size)
    assert shape is not None
    return shape


def head(what: str, usage: str, tools: list[str], files: list[str]) -> str:
    """Return the beginning of a script; ``usage`` has a line per paragraph of help."""
    help_text = "".join(f"#     {comment(line)}".rstrip() + "\n" for line in usage.splitlines())
    return (
        "#!/usr/bin/env bash\n"
        f"# Made by kensho: {what}. Run it in the folder it lies in together with its files:\n"
        f"#\n{help_text}"
        "set -euo pipefail\n\n" + demand_tools(tools) + demand_files(files)
    )


def script(name: str, text: str) -> Document:
    """Return a script as a document."""
    return Document(name, text.encode(errors="replace"), executable=True)


def json_document(name: str, value: object) -> Document:
    """Return a value as a document of ASCII JSON."""
    return Document(name, (json.dumps(value, indent=2) + "\n").encode())
