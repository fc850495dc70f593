"""What one importer takes, as data; the questions are asked in ``judge.py``."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec


class Effect(enum.StrEnum):
    """What an importer does with something, mildest first; also its verdict on a package."""

    ACCEPT = "accept"
    LOSS = "accept with loss"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Family:
    """A hardware family such as ``vmx``, up to a version; ``note`` says what newer ones need."""

    prefix: str
    newest: int | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """How a ResourceType is taken.

    ``subtypes`` are the ResourceSubTypes known, in lower case; None for any. A trailing ``*`` is
    any end. ``other`` is what happens to others, ``replacement`` what they are mended to: a
    subtype, or an empty text for none. ``none`` is what happens to an item without a subtype.
    """

    effect: Effect = Effect.ACCEPT
    subtypes: frozenset[str] | None = None
    other: Effect = Effect.ACCEPT
    none: Effect = Effect.ACCEPT
    replacement: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Feature:
    """What happens to a package that has some feature (``features.py``), and why."""

    effect: Effect
    why: str


@dataclass(frozen=True, slots=True)
class Profile:
    """One importer. Everything it is not known about is left out, and is not judged.

    ``basis`` says what the facts rest on. ``versions`` are the effects of OVF 0.9, 1 and 2.
    ``families`` None takes any, ``family`` is written in place of others. ``unknown_device`` and
    ``unknown_optional`` are what happens to ResourceTypes that are not in ``devices``, required
    and not. ``memory_units`` are the spellings taken, None for all of DSP0004's. ``digests``
    are the manifest's algorithms. ``limits`` are the most ``cpus``, ``memory`` (bytes) and
    ``nics`` of a machine.
    """

    name: str
    title: str
    basis: str
    versions: Mapping[str, Effect]
    features: Mapping[str, Feature] = field(default_factory=dict)
    families: tuple[Family, ...] | None = None
    other_family: Effect = Effect.REFUSE
    family: str = ""
    devices: Mapping[int, Device] | None = None
    unknown_device: Effect = Effect.REFUSE
    unknown_optional: Effect = Effect.LOSS
    memory_units: frozenset[str] | None = None
    memory_effect: Effect = Effect.REFUSE
    disk_formats: frozenset[str] | None = None
    digests: frozenset[str] | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    hint: str = ""


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that counts for a verdict; ``effect`` is accept for a mere note."""

    code: str
    effect: Effect
    message: str
    line: int = 0
    subject: str = ""
    mendable: bool = False


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a target will do with the package, as far as its profile knows."""

    target: str
    title: str
    verdict: Effect
    basis: str
    reasons: tuple[Reason, ...] = ()
    hint: str = ""
