"""``kensho disk compare``: whether two disks read the same."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from kensho.cli import exits
from kensho.cli.disk.opening import Locator, opened_disk
from kensho.cli.flags import Flag, Json
from kensho.cli.progress import shown
from kensho.cli.render import print_json
from kensho.convert.events import Moved
from kensho.disks.compare import compare as compare_disks
from kensho.model.progress import Meter

Format = Annotated[str | None, Parameter()]


def compare(
    a: Locator,
    b: Locator,
    /,
    *,
    format_a: Format = None,
    format_b: Format = None,
    strict: Annotated[bool, Flag] = False,
    threads: int | None = None,
    json: Json = False,
    quiet: Annotated[bool, Parameter(name=["-q", "--quiet"], negative="")] = False,
) -> int:
    """Compare what a guest would read from two disks, whatever their formats.

    Exit code 0 when they are the same, 1 when they differ. A disk that is longer than the
    other counts as the same when the rest of it is zero, as formats round sizes up.

    Parameters
    ----------
    a
        Path, archive.ova#member or URL.
    b
        What to compare it with: the same.
    format_a
        Read A as this format instead of what its first bytes say.
    format_b
        Read B as this format instead of what its first bytes say.
    strict
        Another size is a difference, even when the rest is zero.
    threads
        Worker threads; as many as there are processors by default.
    quiet
        Print nothing; only the exit code tells.
    """
    with (
        opened_disk(a, format_a) as left,
        opened_disk(b, format_b) as right,
        shown(events=False, quiet=quiet or json) as listener,
    ):
        meter = Meter(a, "compare", lambda progress: listener(Moved(progress)))
        offset = compare_disks(left, right, threads=threads, on_bytes=meter)
        sizes = left.virtual_size, right.virtual_size
    same = offset is None and (sizes[0] == sizes[1] or not strict)
    if json:
        print_json(
            {
                "identical": same,
                "first_difference": offset,
                "sizes": sizes,
                "sizes_differ": sizes[0] != sizes[1],
            }
        )
    elif not quiet:
        print(_sentence(offset, sizes))
    return exits.OK if same else exits.FAILURE


def _sentence(offset: int | None, sizes: tuple[int, int]) -> str:
    tail = ""
    if sizes[0] != sizes[1]:
        tail = f"; the sizes differ ({sizes[0]} and {sizes[1]} bytes)"
    if offset is not None:
        return f"different: first at byte {offset} ({offset:#x}){tail}"
    return f"identical{tail}, the rest is zero" if tail else "identical"
