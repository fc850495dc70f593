"""What a target is, and the file that its input stands for."""

import dataclasses
from collections.abc import Callable

from packed import REPAIR, Sparse, load
from repair import REPAIRS


@dataclasses.dataclass(frozen=True)
class Target:
    """``packed``: the input is a packed file, else its bytes are what is read.

    ``run`` returns what was read where that can be compared; the same input has to give the same again.
    """

    run: Callable[[bytes], object]
    seeds: Callable[[], object]
    packed: bool


def file_of(data, name):
    """Return the packed file and a source of its bytes, with checksums made right where it asks for that."""
    packed = load(data)
    file = Sparse(packed, "disk")
    if packed.flags & REPAIR and name in REPAIRS:
        REPAIRS[name](file)
    return packed, file
