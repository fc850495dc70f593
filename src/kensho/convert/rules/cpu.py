"""Processors."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, note, warning
from kensho.model.finding import Finding
from kensho.model.machine import Machine


def check(journey: Journey) -> Iterator[Finding]:
    """Find processor settings that the target cannot say or does not allow."""
    for machine, after in journey.machines():
        cpu = machine.cpu
        most, _ = journey.platform.limits(after.firmware.kind)
        yield from _host(machine)
        if cpu.count > most:
            yield warning(
                "KF-340",
                f"{cpu.count} processors; {journey.platform.title} allows {most}",
                machine.name,
                "kept as it is; lower it if the import refuses",
            )
        if cpu.cores_per_socket > 1 and not journey.form.carries.cores_per_socket:
            yield note(
                "KF-341",
                f"{cpu.cores_per_socket} cores per socket cannot be said",
                machine.name,
                "the target decides; licences counted by socket may see a difference",
            )
        carries = journey.form.carries
        if (cpu.reservation_hz or cpu.limit_hz) and not carries.reservations:
            yield note("KF-342", "processor reservation or limit is not carried over", machine.name)
        if cpu.hot_add and not carries.cpu_hot_add:
            yield note("KF-343", "processor hot-add is not carried over", machine.name)
        if cpu.nested_virtualization and not carries.nested_virtualization:
            yield warning(
                "KF-344",
                "the machine uses nested virtualization, which is not carried over",
                machine.name,
                "switch it on after the import",
            )


def _host(machine: Machine) -> Iterator[Finding]:
    cpu = machine.cpu
    if cpu.model:
        yield note(
            "KF-426",
            f"the kind of processor ({cpu.model}) is not carried over",
            machine.name,
            "the target shows its own; software built for one processor, and licences, may notice",
        )
    if cpu.limit_percent:
        yield note(
            "KF-342",
            f"the limit of {cpu.limit_percent} % of a host's processor is not carried over",
            machine.name,
        )
    bound = ["processors bound to the host's"] if cpu.pinned else []
    bound += [f"{cpu.numa_nodes} NUMA nodes"] if cpu.numa_nodes > 1 else []
    if bound:
        yield note(
            "KF-427",
            f"not carried over: {' and '.join(bound)}",
            machine.name,
            "the host's scheduler decides; set it there for machines that need it",
        )
