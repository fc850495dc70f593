"""QEMU: a machine as its command line, the process, its monitor, what it reads and may write."""
