"""ext2, ext3 and ext4, read-only, in this process.

Spec: Linux Documentation/filesystems/ext4. Nothing is written, and no journal is replayed on disk.
"""
