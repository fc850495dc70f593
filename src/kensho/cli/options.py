"""Options that several verbs share, with their help."""

from __future__ import annotations

from dataclasses import dataclass

from cyclopts import Parameter

from kensho.cli.flags import Flag, Json
from kensho.convert.mapping import Devices
from kensho.convert.plan import Request
from kensho.model.machine import Firmware

__all__ = ["Flag", "Json", "Wishes"]


@Parameter(name="*")
@dataclass(frozen=True)
class Wishes:
    """How a conversion is wanted, beside source and target.

    Parameters
    ----------
    form
        Form of the result, where a platform has several.
    name
        Name of the result; the source's by default.
    machine
        One machine of an appliance with several.
    firmware
        Firmware, when the source does not say or says it wrong.
    guest
        Guest OS, when the source does not say or says it wrong, e.g. debian12 or win2k22.
    devices
        native: best performance; compatible: fewest drivers; auto: by guest.
    """

    form: str | None = None
    name: str | None = None
    machine: str | None = None
    firmware: Firmware | None = None
    guest: str | None = None
    devices: Devices = Devices.AUTO

    def request(self, source: str, target: str) -> Request:
        """Return the request to plan."""
        return Request(
            source=source,
            target=target,
            form=self.form,
            name=self.name,
            machine=self.machine,
            firmware=self.firmware,
            guest=self.guest,
            devices=self.devices,
        )
