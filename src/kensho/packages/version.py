"""Turn a descriptor into OVF 1.x or 2.x: DSP0243 1.1 and 2.1, DSP8023 1.1.1 and 2.0.1.

From 0.9, from a dialect or within a version it also mends what the schema does not allow.
"""

from __future__ import annotations

from lxml import etree

from kensho.appliances.ovf.conform import conform
from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.envelope import read_envelope_model, write_envelope
from kensho.appliances.ovf.sections.parts import Version
from kensho.model.finding import Finding


def convert_version(
    root: etree._Element, version: Version, *, path: str = ""
) -> tuple[etree._Element, tuple[Finding, ...]]:
    """Return a new root in OVF ``version``, and what changed or could not be said.

    Unknown XML and comments are in the result, in OVF's namespace of the version where they were
    in the document's. ``root`` stays as it is; ``path`` names the document in findings. Raises
    UnsupportedError for XML that is no envelope, and for an encrypted package that shall become
    OVF 1; LimitError when there is too much of something.
    """
    notes = Notes(path)
    envelope = conform(read_envelope_model(root, notes), version, notes)
    return write_envelope(envelope, version), tuple(notes.findings)
