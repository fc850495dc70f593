"""The file that a package carries its proof in: one archive, listed in References, told by its name.

DSP0243 1.1 and 2.1 §7.1: a package's files are all listed in References, so that tools can copy it
without understanding it; a file that nothing else refers to is allowed. What `kensho prove` writes is
dozens of files; as one, with a flat name, it is one line in the manifest, and importers have one thing
to pass over. VirtualBox' importer compares the digests of what it read and passes over other entries
of the manifest (RTMANIFEST_EQUALS_IGN_MISSING_ENTRIES_2ND in ApplianceImplImport.cpp); what VMware's
and XenServer's do with such a file is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from kensho.model.appliance import Appliance

SUFFIX = ".proof.tar"
_NAME = re.compile(r"\.proof(-\d+)?\.tar$", re.IGNORECASE)  #: numbered where names would clash


def proofs_among(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of proofs among a package's files: one, or several of packages that were merged."""
    return tuple(name for name in names if _NAME.search(name))


def proofs_of(appliance: Appliance) -> tuple[str, ...]:
    """Return the names of the proofs that an appliance's package carries."""
    return proofs_among(file.href for file in appliance.files)
