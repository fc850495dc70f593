"""``kensho check``: whether a guest starts on other hypervisors."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from kensho.cli import exits
from kensho.cli.flags import Flag, Json, Locator
from kensho.cli.render import console, print_json, table
from kensho.cli.secrets import read_keys
from kensho.cli.targets import chosen_platforms
from kensho.convert.judging import DeviceVerdict, StartVerdict, judge
from kensho.convert.mapping import Devices
from kensho.convert.source import opened
from kensho.model.errors import PlanBlockedError
from kensho.platforms import PLATFORMS


def check(
    source: Locator,
    /,
    *,
    for_: Annotated[str, Parameter(name="--for")] = "all",
    devices: Devices = Devices.AUTO,
    key: Annotated[tuple[str, ...], Flag] = (),
    json: Json = False,
) -> int:
    """Tell whether a guest finds its disk and network on other hypervisors. Nothing is started.

    Every kernel is judged on the devices that `kensho convert` would give the machine there, which
    are others than the target's usual ones where the guest has no driver for those: is the
    driver in the kernel, in its initramfs, on the root file system alone, or nowhere? Of Windows, it
    is whether a driver for the disk starts with it. Exits with 10 when one does not start somewhere.

    Parameters
    ----------
    source
        As for `kensho inspect`: an appliance or a disk image.
    for_
        Targets, with commas: kvm,vmware,hyperv; all by default.
    devices
        As for `kensho convert`.
    key
        ID=FILE: what opens a LUKS volume, with ID its name, UUID or all; ID alone asks for it. Repeatable.
    json
        Print one JSON object: verdicts.
    """
    everywhere = tuple(p for p in PLATFORMS if p.name != "ova" and p.controllers)
    platforms = chosen_platforms(for_, everywhere)
    with opened(source) as package:
        verdicts = tuple(judge(package, platforms, devices, read_keys(key)))
    if json:
        print_json({"verdicts": verdicts})
    else:
        _show(verdicts)
    return PlanBlockedError.exit_code if any(v.starts is False for v in verdicts) else exits.OK


def _show(verdicts: tuple[StartVerdict, ...]) -> None:
    from rich.markup import escape

    several = len({verdict.machine for verdict in verdicts}) > 1
    names = ("target", "kernel", "starts", "boot disk on", "adapters", "instead")
    rows = table("", *(("machine", *names) if several else names))
    for verdict in verdicts:
        starts = {True: "yes", False: "[red]no[/]", None: "[yellow]?[/]"}[verdict.starts]
        disk = _words(verdict.disk) if verdict.disk else verdict.problem
        instead = ", ".join(verdict.instead) if verdict.starts is False else ""
        rows.add_row(
            *((escape(verdict.machine),) if several else ()),
            escape(verdict.target),
            escape(verdict.kernel),
            starts,
            escape(disk),
            escape(", ".join(_words(nic) for nic in verdict.adapters)),
            escape(instead),
        )
    console().print(rows)


def _words(device: DeviceVerdict) -> str:
    if device.works:
        return f"{device.model} ({device.place})"
    return f"{device.model}: lacks {' '.join(device.lacking)}"
