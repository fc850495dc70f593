"""btrfs, read-only, in this process.

Spec: btrfs.readthedocs.io, "On-disk format" and "Trees"; structures as in Linux
include/uapi/linux/btrfs_tree.h. The log tree is not replayed: whether there is one is said.
"""
