"""What a run made, as data: printed with ``--json``, kept beside the result as its report."""

from __future__ import annotations

import msgspec

from kensho.appliances.package import PlacedDisk
from kensho.convert.deployment.eulas import EulaRecord
from kensho.convert.plan import Plan
from kensho.model.finding import Finding


class Output(msgspec.Struct, frozen=True):
    """A file of the result; size in bytes, ``sha256`` empty when it was not computed."""

    name: str
    bytes: int
    sha256: str = ""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did. ``check`` is ``ok``, or ``skipped`` when verification was switched off."""

    kensho: str
    target: str
    form: str
    folder: str
    files: tuple[Output, ...]
    disks: tuple[PlacedDisk, ...]
    seconds: float
    findings: tuple[Finding, ...]
    check: str
    report: str
    plan: Plan
    eula: EulaRecord | None = None  #: of the licence agreements that were accepted
