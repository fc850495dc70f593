"""A QCOW2 overlay that can be read and written at random, on top of any open disk.

``disk`` reads and writes, ``tables`` says where clusters lie, ``space`` which are free,
``file`` is the file below, ``opening`` makes and opens overlays.
"""

from kensho.disks.overlay.disk import OverlayDisk
from kensho.disks.overlay.opening import create_overlay, open_alone, open_overlay

__all__ = ["OverlayDisk", "create_overlay", "open_alone", "open_overlay"]
