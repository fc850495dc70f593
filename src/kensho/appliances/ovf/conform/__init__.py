"""Make a descriptor's model one that a version of OVF can say and its schema allows.

Each file is about one subject, takes an `Envelope` and gives one back; what had to change, or
could not be kept, is noted as a finding.
"""

from __future__ import annotations

from kensho.appliances.ovf.conform.ids import with_ids
from kensho.appliances.ovf.conform.items import with_items_of
from kensho.appliances.ovf.conform.places import with_names_of_files
from kensho.appliances.ovf.conform.properties import with_properties_of
from kensho.appliances.ovf.conform.sections import with_sections_of
from kensho.appliances.ovf.conform.structure import with_structure
from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.envelope import Envelope
from kensho.appliances.ovf.sections.parts import Version


def conform(envelope: Envelope, version: Version, notes: Notes) -> Envelope:
    """Return the model as ``version`` has it.

    UnsupportedError when the package is encrypted and ``version`` is 1: its disks would be noise.
    """
    envelope = with_ids(with_structure(envelope, notes), notes)
    envelope = with_sections_of(envelope, version, notes)
    envelope = with_items_of(envelope, version, notes)
    envelope = with_properties_of(envelope, version, notes)
    return with_names_of_files(envelope, notes)
