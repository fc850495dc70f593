"""kensho: package a virtual machine once, run it on any hypervisor."""

__version__ = "0.1.0"
