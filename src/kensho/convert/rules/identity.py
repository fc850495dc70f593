"""What tells a machine from another one: UUID, name and notes."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.appliances.names import dns_name
from kensho.convert.rules.journey import Journey, note
from kensho.model.finding import Finding


def check(journey: Journey) -> Iterator[Finding]:
    """Find identities that the target cannot say."""
    for before, after in journey.machines():
        if before.uuid and not after.uuid:
            yield note(
                "KF-370",
                "the machine's UUID is not carried over",
                before.name,
                "software licensed by UUID will notice",
            )
        name = dns_name(before.name)
        if not journey.form.carries.any_name and name != before.name:
            yield note("KF-372", f"the target calls the machine {name}", before.name)
        wanted = [v for v in before.hardware_versions if v.startswith("vmx-")]
        if wanted and journey.platform.name == "vmware":
            yield note(
                "KF-374",
                f"the virtual hardware version {', '.join(wanted)} is not carried over",
                before.name,
                "an older one is written, which newer products take too",
            )
        if before.annotation and not after.annotation:
            yield note("KF-371", "the notes are not carried over", before.name, "in the report")
