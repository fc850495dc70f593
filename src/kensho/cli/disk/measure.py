"""``kensho disk measure``: how large a disk will be in another format."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from kensho.cli.disk.opening import FormatOption, Locator, SnapshotOption, opened_disk
from kensho.cli.flags import Json
from kensho.cli.render import print_json
from kensho.disks.cloud import target_for_cloud
from kensho.disks.measure import measure as measure_disk
from kensho.disks.transfer import target_for
from kensho.model.errors import UsageError
from kensho.model.units import format_bytes


def measure(
    disk: Locator,
    /,
    *,
    to: Annotated[str | None, Parameter(name="--to")] = None,
    subformat: str | None = None,
    cloud: Annotated[Literal["azure", "gcp"] | None, Parameter(name="--for")] = None,
    compression: Literal["fast", "balanced", "small"] = "fast",
    format: FormatOption = None,  # noqa: A002
    snapshot: SnapshotOption = None,
    json: Json = False,
) -> None:
    """Say how many bytes a disk will need in another format. Nothing is written.

    For formats that compress, a sample is read and compressed; otherwise only tables are read.

    Parameters
    ----------
    disk
        Path, archive.ova#member or URL.
    to
        Format to measure for.
    subformat
        Variant of the format.
    cloud
        The shape a cloud takes: azure or gcp.
    compression
        As for `kensho disk convert`.
    """
    if to is None and cloud is None:
        raise UsageError("measure for what?", hint="add --to FORMAT or --for CLOUD")
    with opened_disk(disk, format, snapshot) as reader:
        if cloud is not None:
            target = target_for_cloud(cloud, "-", to, subformat, reader.virtual_size)
        else:
            target = target_for("", to, subformat, reader.virtual_size)
        found = measure_disk(reader, target, compression=compression)
    if json:
        print_json(found)
        return
    about = "about " if found.estimated else ""
    print(f"{found.format} {found.subformat}: {about}{format_bytes(found.file_size)}", end="")
    print(f" ({found.file_size} bytes), {format_bytes(found.disk_usage)} on the disk")
