"""XFS, versions 4 and 5, read-only, in this process.

Spec: XFS Algorithms & Data Structures, 3rd edition; everything is big endian, but for checksums.
The log is not replayed: whether it would have to be is said.
"""
