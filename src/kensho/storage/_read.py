"""Small checks shared by the sources."""

from __future__ import annotations

from kensho.model.errors import TruncatedError


def check_range(name: str, size: int, offset: int, length: int) -> None:
    """Raise TruncatedError unless ``length`` bytes from ``offset`` lie within ``size``."""
    if offset < 0 or length < 0 or offset + length > size:
        raise TruncatedError(
            f"{length} bytes wanted here, but the file has only {size}", path=name, offset=offset
        )
