"""What the hardware and the bare libraries allow, measured on the same image."""

from __future__ import annotations

import functools
import itertools
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kensho.disks._codec import inflate_zlib, window_4k_compressor, zlib_compressor, zstd_compressor
from measuring import data_ranges

if TYPE_CHECKING:
    from collections.abc import Callable

_GRAIN = 1 << 16
_SAMPLE = 512  # grains


def grains(image: Path) -> list[bytes]:
    """Return some hundred grains from all over the image that hold data."""
    with image.open("rb") as source:
        places = [
            at for low, high in data_ranges(image) for at in range(low, high - _GRAIN, _GRAIN)
        ]
        chosen = places[:: max(1, len(places) // _SAMPLE)]
        read = (os.pread(source.fileno(), _GRAIN, at) for at in chosen)
        return [grain for grain in read if grain.count(0) < _GRAIN]


def codec_rate(image: Path, name: str, compression: str) -> float:
    """Return bytes of the disk per second that one thread of a bare codec makes."""
    data = grains(image)
    if name == "inflate":
        packed = [zlib_compressor("small")(grain) for grain in data[:200]]
        return _rate([functools.partial(inflate_zlib, p, _GRAIN) for p in packed])
    make = {"zlib": zlib_compressor, "deflate": window_4k_compressor, "zstd": zstd_compressor}[name]
    compress = make(compression)
    return _rate([functools.partial(compress, g) for g in data])


def _rate(calls: list[Callable[[], object]]) -> float:
    best = 0.0
    for _ in range(3):
        begun = time.thread_time()
        for call in calls:
            call()
        best = max(best, len(calls) * _GRAIN / (time.thread_time() - begun))
    return best


def copy_seconds(image: Path, target: Path) -> float:
    """Return the processor seconds of copy_file_range over the image's data and nothing else."""
    best = float("inf")
    for _ in itertools.repeat(None, 3):
        target.unlink(missing_ok=True)
        with image.open("rb") as source, target.open("wb") as sink:
            sink.truncate(image.stat().st_size)
            begun = time.thread_time()
            for start, end in data_ranges(image):
                at = start
                while at < end:
                    at += os.copy_file_range(source.fileno(), sink.fileno(), end - at, at, at)
            best = min(best, time.thread_time() - begun)
        target.unlink()
    return best
