"""Disks that the package does not require (ovf:required="false", DSP0243 §8.3) and that are not there.

An importer may do without them; the others are kept and block a conversion.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kensho.model.appliance import Appliance
from kensho.model.finding import Finding, Severity
from kensho.model.machine import Disk

#: Findings that say that a file cannot be had.
_LOST = frozenset({"KF-201", "KF-216", "KF-217", "KF-219", "KF-220"})


def without_optional(
    appliance: Appliance, findings: Sequence[Finding]
) -> tuple[Appliance, tuple[Finding, ...]]:
    """Return the appliance without optional disks whose file cannot be had, and why.

    ``findings`` are those about files; one that is then about no machine any more is replaced.
    """
    lost = {f.subject: f for f in findings if f.code in _LOST}
    files = {i.id: i.file for i in appliance.images}
    dropped: dict[str, list[str]] = {}
    machines = []
    for machine in appliance.machines:
        out = [d for d in machine.disks if not d.required and files.get(d.image) in lost]
        for disk in out:
            dropped.setdefault(files[disk.image] or "", []).append(f"{disk.id} of {machine.name}")
        kept = tuple(d for d in machine.drives if d not in out)
        machines.append(msgspec.structs.replace(machine, drives=kept))
    if not dropped:
        return appliance, tuple(findings)
    kept_files = {files.get(d.image) for m in machines for d in m.drives if isinstance(d, Disk)}
    result: list[Finding] = []
    for finding in findings:
        disks = dropped.get(finding.subject) if finding.code in _LOST else None
        if disks is None:
            result.append(finding)
            continue
        if finding.subject in kept_files:
            result.append(finding)
        result.append(
            Finding(
                "KF-221",
                Severity.NOTE,
                f"disk {', '.join(disks)} is not required, and {finding.message}",
                subject=finding.subject,
                action="left out of the machine",
            )
        )
    return msgspec.structs.replace(appliance, machines=tuple(machines)), tuple(result)
