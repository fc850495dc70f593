"""The table of forms an environment can be written in."""

from __future__ import annotations

import enum

from kensho.appliances.ovfenv.environment import Environment
from kensho.appliances.ovfenv.guestinfo import render_guestinfo
from kensho.appliances.ovfenv.ignition import render_ignition
from kensho.appliances.ovfenv.iso import write_iso
from kensho.appliances.ovfenv.known import Known
from kensho.appliances.ovfenv.nocloud import VOLUME as NOCLOUD_VOLUME
from kensho.appliances.ovfenv.nocloud import render_nocloud
from kensho.appliances.ovfenv.xml import FILE_NAME, VOLUME, render_xml

Files = tuple[tuple[str, bytes], ...]


class EnvironmentFormat(enum.StrEnum):
    """A form of the OVF environment."""

    XML = "xml"  #: ovf-env.xml of DSP8027
    ISO = "iso"  #: a CD-ROM image with it
    GUESTINFO = "guestinfo"  #: a line for a VMX file
    NOCLOUD = "nocloud"  #: a seed for cloud-init
    IGNITION = "ignition"  #: a configuration for Ignition


#: Forms that are texts; the others are CD-ROM images.
TEXTS = frozenset({EnvironmentFormat.XML, EnvironmentFormat.GUESTINFO, EnvironmentFormat.IGNITION})


def render(format: EnvironmentFormat, environment: Environment, known: Known) -> bytes:  # noqa: A002
    """Return the environment as one file."""
    match format:
        case EnvironmentFormat.XML:
            return render_xml(environment)
        case EnvironmentFormat.ISO:
            return write_iso([(FILE_NAME, render_xml(environment))], VOLUME)
        case EnvironmentFormat.GUESTINFO:
            return render_guestinfo(environment)
        case EnvironmentFormat.NOCLOUD:
            return write_iso(render_nocloud(environment, known), NOCLOUD_VOLUME)
        case EnvironmentFormat.IGNITION:
            return render_ignition(environment, known)


def left_out(format: EnvironmentFormat, known: Known) -> tuple[str, ...]:  # noqa: A002
    """Return in words what a form cannot say of what the properties mean."""
    if format not in {EnvironmentFormat.NOCLOUD, EnvironmentFormat.IGNITION}:
        return ()
    found = list(known.left_out)
    if format is EnvironmentFormat.IGNITION:
        if known.password or known.root_password:
            found.append("Ignition takes hashes of passwords only; they are in ovf-env.xml alone")
        if known.user_data:
            found.append("Ignition has no user-data; it is in ovf-env.xml alone")
    return tuple(found)
