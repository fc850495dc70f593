"""Main memory."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, note, warning
from kensho.model.finding import Finding
from kensho.model.units import format_bytes


def check(journey: Journey) -> Iterator[Finding]:
    """Find memory settings that the target cannot say or does not allow."""
    for machine, after in journey.machines():
        memory = machine.memory
        _, most = journey.platform.limits(after.firmware.kind)
        if memory.size > most:
            yield warning(
                "KF-345",
                f"{format_bytes(memory.size)} of memory; {journey.platform.title} allows "
                f"{format_bytes(most)}",
                machine.name,
                "kept as it is; lower it if the import refuses",
            )
        if after.memory.size != memory.size:
            yield note(
                "KF-346",
                f"memory is a multiple of {format_bytes(journey.platform.memory_step)} there",
                machine.name,
                f"rounded from {memory.size} to {after.memory.size} bytes",
            )
        carries = journey.form.carries
        said = after.memory.reservation, after.memory.limit
        if (memory.reservation, memory.limit) != said:
            yield note("KF-347", "memory reservation or limit is not carried over", machine.name)
        if memory.hot_add and not carries.memory_hot_add:
            yield note("KF-348", "memory hot-add is not carried over", machine.name)
        if memory.minimum and not after.memory.minimum:
            yield note(
                "KF-428",
                f"the guest may be left {format_bytes(memory.minimum)} of its memory (ballooning);"
                " that is not carried over",
                machine.name,
                f"it gets all of its {format_bytes(after.memory.size)}",
            )
        if memory.huge_pages:
            yield note("KF-429", "huge pages of the host are not carried over", machine.name)
