"""Look into the guests of a package: what is on the disks of each machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import msgspec

from kensho.appliances import Package
from kensho.convert.source import opened_image
from kensho.disks.base import DiskReader
from kensho.guest.inspect.facts import GuestReport
from kensho.guest.inspect.inspect import inspect_disks
from kensho.guest.volumes.luks.device import Key
from kensho.model.errors import KenshoError
from kensho.model.finding import Finding, Severity


def look_into(package: Package, keys: Sequence[Key] = ()) -> Iterator[tuple[str, GuestReport]]:
    """Yield each machine's id and what is on its disks; one that cannot be read is a finding.

    ``keys`` open volumes of LUKS.
    """
    for machine in package.appliance.machines:
        readers: list[DiskReader] = []
        problems: list[Finding] = []
        with ExitStack() as stack:
            for disk in machine.disks:
                try:
                    readers.append(stack.enter_context(opened_image(package, disk.image)))
                except KenshoError as error:
                    problems.append(
                        Finding(
                            "KF-802",
                            Severity.WARNING,
                            f"the disk is not looked into: {error.message}",
                            disk.id,
                            error.hint,
                        )
                    )
            report = inspect_disks(readers, keys)
        yield machine.id, _with(report, problems)


def _with(report: GuestReport, problems: list[Finding]) -> GuestReport:
    return msgspec.structs.replace(report, findings=(*problems, *report.findings))
