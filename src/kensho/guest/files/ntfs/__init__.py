"""NTFS, read-only, in this process.

Spec: the Linux-NTFS project's documentation (flatcap.github.io/linux-ntfs) and [MS-FSCC] for reparse
points; [MS-XCA] 2.5 for LZNT1. The log is not replayed: whether the volume is dirty is said.
"""
