"""The first root file system of a Linux kernel: taken apart, and extended by an archive."""
