"""Processors."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, note, warning
from kensho.model.finding import Finding


def check(journey: Journey) -> Iterator[Finding]:
    """Find processor settings that the target cannot say or does not allow."""
    for machine, _ in journey.machines():
        cpu = machine.cpu
        if cpu.count > journey.platform.most_cpus:
            yield warning(
                "KF-340",
                f"{cpu.count} processors; {journey.platform.title} allows "
                f"{journey.platform.most_cpus}",
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
