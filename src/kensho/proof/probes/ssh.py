"""Whether an SSH server says who it is. Spec: RFC 4253, 4.2: other lines may come before."""

from __future__ import annotations

import re

from kensho.proof.probes.answer import Answer, bad, connect, good, plain, read_until, why

_MOST = 8 << 10
_BANNER = re.compile(rb"^SSH-[0-9.]+-[^\r\n]{0,255}\r?\n", re.MULTILINE)


def banner_of(address: tuple[str, int], until: float) -> Answer:
    """Return the line by which an SSH server names its version."""
    try:
        with connect(address, until) as connection:
            data = read_until(connection, lambda d: bool(_BANNER.search(d)), _MOST, until)
    except OSError as error:
        return bad(why(error))
    found = _BANNER.search(data)
    if found is not None:
        return good(plain(found[0]))
    return bad(f"no SSH: {plain(data)}" if data else "it says nothing")
