"""What tells a machine from another one: UUID, name and notes."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.appliances.names import dns_name
from kensho.convert.rules.journey import Journey, note
from kensho.model.finding import Finding
from kensho.model.machine import Machine
from kensho.platforms.versions import find, to_write


def check(journey: Journey) -> Iterator[Finding]:
    """Find identities that the target cannot say."""
    for before, after in journey.machines():
        if journey.renewed:
            yield _renewed(before, after)
        elif before.uuid and not after.uuid:
            yield note(
                "KF-370",
                "the machine's UUID is not carried over",
                before.name,
                "software licensed by UUID will notice",
            )
        name = dns_name(before.name)
        if not journey.form.carries.any_name and name != before.name:
            yield note("KF-372", f"the target calls the machine {name}", before.name)
        yield from _version(journey, before, after)
        if before.annotation and not after.annotation:
            yield note("KF-371", "the notes are not carried over", before.name, "in the report")
        elif before.annotation != after.annotation:
            size = len(after.annotation.encode(errors="replace"))
            yield note(
                "KF-371",
                f"only the first {size} bytes of the notes are carried over",
                before.name,
                "the rest is in the report",
            )


def _renewed(before: Machine, after: Machine) -> Finding:
    drawn = [after.uuid, *(nic.mac for nic in after.nics)]
    shown = ", ".join(word for word in drawn if word) or "the target draws it"
    return note(
        "KF-456",
        f"the result is a copy with a new identity: {shown}",
        before.name,
        "leases and licences by UUID or MAC do not follow; host keys, machine-id or SID inside the"
        " guest are as they were",
    )


def _version(journey: Journey, before: Machine, after: Machine) -> Iterator[Finding]:
    """Say which version of the virtual hardware is written, where that is a choice."""
    versions = journey.platform.versions
    if not any(v.usual for v in versions):
        return
    written = to_write(versions, after)
    wanted = [v for name in before.hardware_versions if (v := find(versions, name)) is not None]
    if wanted and written not in wanted:
        yield note(
            "KF-374",
            f"virtual hardware {written.name} is written; the source has {wanted[0].name}",
            before.name,
            "newer products take an older one, too; --to-version chooses another",
        )
    if not journey.platform.version and written is not next(v for v in versions if v.usual):
        yield note(
            "KF-410",
            f"the machine needs virtual hardware {written.name}: {written.products} or later",
            before.name,
            "older products refuse it",
        )
