"""An edited descriptor as text: only the lines an edit is about differ from what was there.

A serialiser spells things in its own way: quotes, empty elements, the declaration. Lines that an
edit did not touch are therefore taken from the original; should the two not fit together, the
serialised text is used as it is.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from lxml import etree

from kensho.appliances.xmlsafe import parse_xml
from kensho.model.errors import KenshoError
from kensho.packages.rewrite import serialise_descriptor

#: The root's start tag: all but its end, and that.
_START = re.compile(
    rb"""(<[A-Za-z_][^\s<>/]*(?:\s+[^\s=<>]+\s*=\s*(?:"[^"]*"|'[^']*'))*)(\s*/?>)"""
)
_MOST_LINES = 20_000  # beyond, comparing lines takes too long


def merged(original: bytes, before: bytes, after: bytes) -> bytes:
    """Return ``after`` with the lines of ``original`` where it equals ``before``.

    ``before`` is what the original looks like serialised. The result always has the canonical
    XML of ``after``.
    """
    if before == after:
        return original
    whole = after
    if b"\r\n" in original:  # a parser reads them as \n
        before, after = (text.replace(b"\n", b"\r\n") for text in (before, after))
    original, before = _with_new_prefixes(original, before, after)
    lines = [text.splitlines(keepends=True) for text in (original, before, after)]
    if any(len(part) > _MOST_LINES for part in lines):
        return whole
    result = b"".join(_merge(*lines))
    same = _canonical(whole)
    return result if same is not None and _canonical(result) == same else whole


def unified(before: bytes, after: bytes, name: str, renamed: str | None = None) -> str:
    """Return the unified diff of two descriptors; ``renamed`` is the second one's name."""
    one, other = (d.decode("utf-8", errors="replace").splitlines() for d in (before, after))
    lines = difflib.unified_diff(one, other, f"a/{name}", f"b/{renamed or name}", lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _with_new_prefixes(original: bytes, before: bytes, after: bytes) -> tuple[bytes, bytes]:
    """Declare in the first two what only ``after`` does, so that its root's line stays as it is."""
    old, new = _root(before), _root(after)
    more = {p: u for p, u in new.nsmap.items() if p and p not in old.nsmap}
    if not more:
        return original, before
    text = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in more.items()).encode()
    patched = [
        _START.sub(lambda match: match[1] + text + match[2], data, count=1)
        for data in (original, before)
    ]
    # The serialiser puts declarations in front of attributes, wherever they stood.
    serialised = serialise_descriptor(_root(patched[1]))
    return patched[0], serialised.replace(b"\n", b"\r\n") if b"\r\n" in before else serialised


def _root(data: bytes) -> etree._Element:
    return parse_xml(data, path="descriptor")[0]


def _merge(original: list[bytes], before: list[bytes], after: list[bytes]) -> list[bytes]:
    to_original, to_after = _gaps(before, original), _gaps(before, after)
    result: list[bytes] = []
    done = 0
    for start, end in _changed(before, after, to_original, to_after):
        result += original[done : to_original[start][0]]
        result += after[to_after[start][0] : to_after[end][1]]
        done = to_original[end][1]
    return result + original[done:]


def _gaps(one: list[bytes], other: list[bytes]) -> dict[int, tuple[int, int]]:
    """Map gaps between lines of ``one`` to (first, last) gap in ``other`` where they correspond."""
    found: dict[int, tuple[int, int]] = {}
    for equal, i1, i2, j1, j2 in _blocks(one, other):
        inside = [(i1, j1), (i2, j2)]
        if equal or i2 - i1 == j2 - j1:  # as many lines, each spelled in another way
            inside = [(i1 + n, j1 + n) for n in range(i2 - i1 + 1)]
        for here, there in inside:
            first, last = found.get(here, (there, there))
            found[here] = min(first, there), max(last, there)
    return found


def _blocks(one: list[bytes], other: list[bytes]) -> Iterator[tuple[bool, int, int, int, int]]:
    """Yield (equal, from, to, from, to); what both begin and end with is not searched."""
    head, least = 0, min(len(one), len(other))
    while head < least and one[head] == other[head]:
        head += 1
    tail = 0
    while tail < least - head and one[-1 - tail] == other[-1 - tail]:
        tail += 1
    ends = len(one) - tail, len(other) - tail
    if head:
        yield True, 0, head, 0, head
    middle = difflib.SequenceMatcher(None, one[head : ends[0]], other[head : ends[1]])
    for tag, i1, i2, j1, j2 in middle.get_opcodes():
        yield tag == "equal", i1 + head, i2 + head, j1 + head, j2 + head
    if tail:
        yield True, ends[0], len(one), ends[1], len(other)


def _changed(
    before: list[bytes], after: list[bytes], *known: dict[int, tuple[int, int]]
) -> list[tuple[int, int]]:
    """Return the changed ranges of ``before``, widened to gaps that all sides know."""
    ranges: list[tuple[int, int]] = []
    for equal, start, end, _, _ in _blocks(before, after):
        if equal:
            continue
        while any(start not in k for k in known):
            start -= 1  # noqa: PLW2901
        while any(end not in k for k in known):
            end += 1  # noqa: PLW2901
        if ranges and start <= ranges[-1][1]:
            start, end = ranges[-1][0], max(end, ranges.pop()[1])  # noqa: PLW2901
        ranges.append((start, end))
    return ranges


def _canonical(data: bytes) -> bytes | None:
    try:
        return etree.tostring(_root(data).getroottree(), method="c14n")
    except (KenshoError, etree.LxmlError, ValueError):
        return None
