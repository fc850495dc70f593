"""Values of xl's configuration as text: the one place where they are quoted.

Source: Xen's tools/libs/util/libxlu_cfg_l.l, and libxlutil 4.17 itself: it knows a backslash
before quotes, backslash and the letters of C, and gets numbers behind one wrong, so other control
characters are written as they are. It reads no negative numbers and no strings over several lines.
"""

from __future__ import annotations

import re

from kensho.appliances.xen.parse import Value

_KEY = re.compile(r"[a-z][a-z0-9_]{0,80}")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\0": " "})


def quoted(text: str) -> str:
    """Return a text as xl reads it back, in double quotes; only NUL becomes a blank."""
    return f'"{text.translate(_ESCAPES)}"'


def value_text(value: Value) -> str:
    """Return a value as xl reads it back; a negative number as a text, which xl takes for one."""
    if isinstance(value, list):
        return f"[ {', '.join(value_text(item) for item in value)} ]" if value else "[ ]"
    if isinstance(value, int) and value >= 0:
        return str(value)
    return quoted(str(value))


def is_key(name: str) -> bool:
    """Tell whether xl takes a word as the name of a setting."""
    return _KEY.fullmatch(name) is not None
