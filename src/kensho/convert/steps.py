"""One disk to move: what a plan says of it, and what a run does."""

from __future__ import annotations

import msgspec


class DiskStep(msgspec.Struct, frozen=True):
    """One disk to move: from an image of the source to a file (or member) of the result.

    Sizes in bytes; ``virtual_size`` is the new disk's, ``data_size`` what the source's allocation says has to be read.
    """

    image: str
    source: str
    source_format: str
    virtual_size: int
    data_size: int
    filename: str
    format: str
    subformat: str
