"""Hardware addresses of adapters, as vendors spell them."""

from __future__ import annotations

import re

_MAC = re.compile(r"[0-9a-f]{12}")


def normal_mac(text: str) -> str | None:
    """Return a MAC address as ``aa:bb:cc:dd:ee:ff``, None when the text is none."""
    plain = re.sub(r"[:.\s-]", "", text).lower()
    if not _MAC.fullmatch(plain):
        return None
    return ":".join(plain[n : n + 2] for n in range(0, 12, 2))
