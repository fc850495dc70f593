"""Options that several verbs share, with their help."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from kensho.convert.mapping import Devices
from kensho.model.machine import Firmware

Flag = Parameter(negative="")

To = Annotated[str, Parameter(name="--to", help="Target platform; `kensho platforms` lists them.")]
FormOption = Annotated[
    str | None, Parameter(name="--form", help="Form of the result, where a platform has several.")
]
Name = Annotated[
    str | None, Parameter(name="--name", help="Name of the result; the source's by default.")
]
MachineOption = Annotated[
    str | None, Parameter(name="--machine", help="One machine of an appliance with several.")
]
FirmwareOption = Annotated[
    Firmware | None, Parameter(name="--firmware", help="Firmware, when the source does not say.")
]
DevicesOption = Annotated[
    Devices,
    Parameter(
        name="--devices",
        help="native: best performance; compatible: fewest drivers; auto: by guest.",
    ),
]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON object.")]
