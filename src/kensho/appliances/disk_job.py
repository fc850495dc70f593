"""A disk written into the file that a container makes room for."""

from __future__ import annotations

import hashlib

from kensho.appliances.package import DiskJob
from kensho.disks import create_disk
from kensho.storage.base import ByteSink, StreamSink


def write_job(
    job: DiskJob,
    sink: ByteSink | StreamSink,
    format_: str,
    subformat: str,
    *,
    compression: str,
    identity: str,
) -> tuple[int, int]:
    """Write one disk; return its size as written and the number of its bytes that are not zero.

    ``identity`` is any text that tells this disk from others; what the format keeps as an id comes
    of it.
    """
    writer = create_disk(
        format_,
        subformat,
        sink,
        job.virtual_size,
        compression=compression,
        # The same input gives the same result, so nothing in it may be random.
        identity=hashlib.sha256(identity.encode()).digest()[:16],
    )
    data_size = job.copy(writer)
    return writer.virtual_size, data_size
