"""Which entry of GRUB 2's menu a default means (GNU GRUB manual, "default": numbers, titles, ids, ``>``)."""

from __future__ import annotations

import re
from collections.abc import Iterator

_ITEM = re.compile(r"(menuentry|submenu)[ \t]+(?:'([^']*)'|\"([^\"]*)\")")
_ID = re.compile(r"(?:\$menuentry_id_option|--id)[ \t=]+(?:'([^']*)'|\"([^\"]*)\"|([^\s{]+))")
_DEEPEST = 8  #: submenus in each other; those below count as if they were not there

#: A step of the way to an entry: its number in the menu, title and id.
Step = tuple[int, str, str]


def ways(text: str) -> Iterator[tuple[Step, ...]]:
    """Yield the way to each entry of the menu, through the submenus it is in."""
    open_blocks: list[bool] = []  # True for a submenu
    above: list[Step] = []
    counts = [0]
    for line in text.split("\n"):
        words = line.strip()
        item = _ITEM.match(words)
        opens = False
        if item:
            ids = _ID.search(words, item.end())
            name = next((group for group in ids.groups() if group is not None), "") if ids else ""
            step = (counts[-1], (item[2] or item[3] or "").strip(), name)
            counts[-1] += 1
            if item[1] == "menuentry":
                yield (*above, step)
            elif words.endswith("{") and len(above) < _DEEPEST:
                opens = True
                above.append(step)
                counts.append(0)
        if words.endswith("{"):
            open_blocks.append(opens)
        elif words.startswith("}") and open_blocks and open_blocks.pop():
            above.pop()
            counts.pop()


def chosen(text: str, default: str) -> int:
    """Return which of the entries, in the order of `ways`, is started; 0 where none is meant."""
    parts = [part.strip() for part in default.split(">")]
    all_ways = list(ways(text))
    for number, way in enumerate(all_ways):
        if len(way) == len(parts) and all(map(_is, way, parts)):
            return number
    last = parts[-1]
    if not last.isdigit():  # ids are found wherever they are
        for number, way in enumerate(all_ways):
            if _is(way[-1], last):
                return number
    return 0


def _is(step: Step, part: str) -> bool:
    number, title, name = step
    return (
        int(part) == number
        if part.isdigit() and len(part) < 10
        else bool(part) and part in {title, name}
    )
