"""The shapes in which cloud providers take a disk, as targets of ``kensho.disks.transfer``.

Azure: learn.microsoft.com, "Prepare a VHD to upload": a fixed VHD of whole MiB.
Google: cloud.google.com, "Manually import boot disks": ``disk.raw`` of whole GiB in an
oldgnu tar, gzipped. AWS: docs.aws.amazon.com, VM Import/Export "Image formats": raw,
stream-optimized VMDK, VHD or VHDX.
"""

from __future__ import annotations

from kensho.disks.transfer import Target, target_for
from kensho.model.errors import LimitError, UsageError
from kensho.model.units import GIB, MIB, TIB

CLOUDS = ("azure", "gcp", "aws")
_AZURE_MIN, _AZURE_MAX = 20 * MIB, 2040 * GIB  # the largest VHD; managed disks take more
_GCP_MAX = 2 * TIB
_AWS_MAX = 16 * TIB
_AWS = {
    ("raw", "sparse"),
    ("vmdk", "streamOptimized"),
    ("vhd", "fixed"),
    ("vhd", "dynamic"),
    ("vhdx", "fixed"),
    ("vhdx", "dynamic"),
}


def target_for_cloud(
    cloud: str, name: str, format_: str | None, subformat: str | None, size: int
) -> Target:
    """Return what to write for ``cloud`` from a disk of ``size`` bytes to a file ``name``.

    UsageError for a format the cloud does not take, LimitError for a size it does not.
    """
    if cloud == "azure":
        return _azure(name, format_, subformat, size)
    if cloud == "gcp":
        return _gcp(name, format_, subformat, size)
    if cloud == "aws":
        return _aws(name, format_, subformat, size)
    raise UsageError(f"no cloud {cloud!r}", hint="known: " + ", ".join(CLOUDS))


def _azure(name: str, format_: str | None, subformat: str | None, size: int) -> Target:
    if format_ not in {None, "vhd"} or subformat not in {None, "fixed"}:
        raise UsageError("Azure takes fixed VHD only", hint="leave out --to and --subformat")
    if not name.lower().endswith(".vhd") and name != "-":
        raise UsageError(f"Azure takes files named .vhd, not {name!r}")
    rounded = max(_whole(size, MIB), _AZURE_MIN)
    _limit("Azure", rounded, _AZURE_MAX)
    return Target("vhd", "fixed", rounded)


def _gcp(name: str, format_: str | None, subformat: str | None, size: int) -> Target:
    if format_ is not None or subformat is not None:
        raise UsageError(
            "Google Cloud takes disk.raw in a tar.gz only", hint="leave out --to and --subformat"
        )
    if not name.lower().endswith((".tar.gz", ".tgz")) and name != "-":
        raise UsageError(f"Google Cloud takes files named .tar.gz, not {name!r}")
    rounded = _whole(size, GIB)
    _limit("Google Cloud", rounded, _GCP_MAX)
    return Target("gcp", "tar.gz", rounded)


def _aws(name: str, format_: str | None, subformat: str | None, size: int) -> Target:
    target = target_for(name, format_, subformat, size)
    if (target.format, target.subformat) not in _AWS:
        known = ", ".join(f"{f} {s}" for f, s in sorted(_AWS))
        raise UsageError(
            f"AWS does not import {target.format} {target.subformat}", hint=f"it takes: {known}"
        )
    _limit("AWS", size, _AWS_MAX)
    return target


def _whole(size: int, unit: int) -> int:
    return max(-(-size // unit), 1) * unit


def _limit(cloud: str, size: int, most: int) -> None:
    if size > most:
        raise LimitError(
            f"{cloud} takes disks of at most {most // GIB} GiB as one file, not {size} bytes"
        )
