"""Names and networks in a Kubernetes cluster."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.appliances.kubevirt.write import attachment
from kensho.appliances.names import dns_label, file_stem
from kensho.convert.rules.journey import Journey, note, warning
from kensho.model.finding import Finding


def check(journey: Journey) -> Iterator[Finding]:
    """Find names that Kubernetes does not take and networks that have to be there."""
    if journey.platform.name != "kubevirt":
        return
    name = dns_label(file_stem(journey.after.name), 48)
    if journey.form.container:
        yield warning(
            "KF-516",
            "what the machine writes to its disks is gone when it stops: they are a container's",
            name,
            "use --form datavolumes for a machine that keeps what it writes",
        )
    for before, after in journey.machines():
        if name != before.name:
            yield note("KF-507", f"the machine is called {name} in the cluster", before.name)
        others = [nic for n, nic in enumerate(after.nics) if n or nic.target_network]
        if others:
            names = ", ".join(dict.fromkeys(map(attachment, others)))
            yield note(
                "KF-511",
                f"adapters ask for networks of the cluster: {names}",
                before.name,
                "have a NetworkAttachmentDefinition of that name there; --network NAME=OTHER names another",
            )
