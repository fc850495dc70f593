"""What a guest that came up does not do although it was asked: probes, its agent, to shut down."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from kensho.proof.causes.likely import Cause
from kensho.proof.inside.read import Inside
from kensho.proof.probes.run import NO_WAY
from kensho.proof.watch.asking import Asked
from kensho.proof.watch.result import BootResult
from kensho.proof.watch.serial import SHUTDOWN

STAYS_ON = "KF-975"
_NETWORK = IPv4Network("10.0.0.0/16")  #: QEMU's own, where a guest that takes a lease is reached


class PowerOff(enum.StrEnum):
    """Whether a guest that came up is asked by ACPI to shut down."""

    ASK = "ask"  #: it is, and it is said whether it did
    REQUIRE = "require"  #: one that does not fails
    SKIP = "skip"


def probe_failure(result: BootResult, inside: Inside | None, *, anywhere: bool) -> Cause | None:
    """Return why the probes are not answered as they should be, None when all are.

    ``inside`` is what the guest reported. ``anywhere`` tells that probes reach any address, not those of
    QEMU's own network alone.
    """
    failed = [told for told in result.asked.probes if not told.ok]
    if not failed:
        return None
    first = failed[0]
    evidence = "; ".join(f"{told.name}: {told.seen}" for told in failed)[:1000]
    of_agent = all(told.name.startswith("agent:") for told in failed)
    strange = None
    if anywhere and all(told.seen == NO_WAY for told in failed):
        strange = "no address of it is known on a network of the appliance"
    elif not of_agent and not anywhere:
        strange = _strange_address(result, inside)
    if strange is not None:
        return Cause("KF-976", f"it came up, and no probe can reach it: {strange}",
                     "it is reached where it takes its address by DHCP, or through its agent",
                     evidence)  # fmt: skip
    if of_agent and result.asked.agent is None:
        return _silent(result.asked, evidence)
    return Cause("KF-974", f"it came up, and does not answer {first.name}: {first.seen}",
                 "look at the service inside; --probe-timeout gives it more time", evidence)  # fmt: skip


def not_done(result: BootResult, *, power_off: bool, agent: bool) -> tuple[Cause, ...]:
    """Return what else it did not do: answer as an ``agent``, shut down when that was asked."""
    found = []
    if agent and result.asked.silence:
        found.append(_silent(result.asked))
    if power_off and SHUTDOWN not in result.milestones:
        said = result.asked.stopping
        what = "begins to shut down when asked by ACPI, and does not end in time"
        remedy = "what it waits for is at the end of its log"
        if not said:
            what = "does not shut down when asked by ACPI"
            remedy = "acpid or systemd-logind answers the button; else its power has to be cut"
        found.append(Cause(STAYS_ON, f"it {what}", remedy, said))
    return tuple(found)


def _silent(asked: Asked, evidence: str = "") -> Cause:
    return Cause("KF-977", f"it came up, and {asked.silence or 'its agent does not answer'}",
                 "install qemu-guest-agent in it; it needs the driver virtio_console", evidence)  # fmt: skip


def _strange_address(result: BootResult, inside: Inside | None) -> str | None:
    """Say why the guest is not on the network that probes come from, None when it is.

    One with a fixed address may say nothing on its network; its report tells.
    """
    known = {told.lease for told in result.heard} | {a for t in result.heard for a in t.addresses}
    known |= set(_reported(inside)) if inside is not None else set()
    known -= {""}
    if any(IPv4Address(address) in _NETWORK for address in known):
        return None
    if known:
        return f"it has {', '.join(sorted(known))}, which is not of the network here ({_NETWORK})"
    if any(told.asked for told in result.heard):
        return "it asked for an address, and took none"
    return "no address of its own was heard on its network"


def _reported(inside: Inside) -> Iterator[str]:
    for nic in inside.nics:
        with suppress(ValueError):
            yield str(IPv4Interface(nic.address).ip)
