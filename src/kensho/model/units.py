"""Sizes in words: binary units, as every hypervisor counts memory and disks."""

from __future__ import annotations

KIB = 1024
MIB = 1024**2
GIB = 1024**3
TIB = 1024**4

_STEPS = (("PiB", 1024**5), ("TiB", TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB))
_MOST = 1024**8


def format_bytes(count: float) -> str:
    """Return a byte count in words, e.g. ``1.5 GiB``; exact below 1 KiB."""
    if count >= _MOST:  # no size of anything: a file says so
        return "more than 1 YiB"
    for name, step in _STEPS:
        if abs(count) >= step:
            value = count / step
            return f"{value:.0f} {name}" if value == int(value) else f"{value:.1f} {name}"
    return f"{count:.0f} B"


def format_seconds(seconds: float) -> str:
    """Return a duration in words, e.g. ``2m13s``."""
    if seconds < 60:
        return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s"
