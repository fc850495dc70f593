"""Xen's own reader of configuration files: libxlutil, which needs no hypervisor. None where absent."""

from __future__ import annotations

import ctypes
import ctypes.util
from pathlib import Path

_STDERR = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "stderr")


def load() -> ctypes.CDLL | None:
    names = [ctypes.util.find_library("xlutil"), *Path("/usr/lib").glob("*/libxlutil.so.*")]
    for name in filter(None, names):
        try:
            library = ctypes.CDLL(str(name))
        except OSError:
            continue
        library.xlu_cfg_init.restype = ctypes.c_void_p
        library.xlu_cfg_get_listitem.restype = ctypes.c_char_p
        return library
    return None


class Disk(ctypes.Structure):
    """The beginning of libxl_device_disk in Xen 4.17, and room for the rest."""

    _fields_ = (
        ("backend_domid", ctypes.c_uint32),
        ("backend_domname", ctypes.c_char_p),
        ("pdev_path", ctypes.c_char_p),
        ("vdev", ctypes.c_char_p),
        ("backend", ctypes.c_int),
        ("format", ctypes.c_int),
        ("script", ctypes.c_char_p),
        ("removable", ctypes.c_int),
        ("readwrite", ctypes.c_int),
        ("is_cdrom", ctypes.c_int),
        ("rest", ctypes.c_char * 512),
    )


class Config:
    """A configuration as xl reads it. ValueError when it does not."""

    def __init__(self, library: ctypes.CDLL, data: bytes) -> None:
        self.library = library
        self.handle = ctypes.c_void_p(library.xlu_cfg_init(_STDERR, b"test"))
        if library.xlu_cfg_readdata(self.handle, data, len(data)):
            raise ValueError("xl does not read this")

    def text(self, name: str) -> str | None:
        found = ctypes.c_char_p()
        error = self.library.xlu_cfg_get_string(self.handle, name.encode(), ctypes.byref(found), 1)
        return None if error else found.value.decode()

    def number(self, name: str) -> int | None:
        found = ctypes.c_long()
        error = self.library.xlu_cfg_get_long(self.handle, name.encode(), ctypes.byref(found), 1)
        return None if error else found.value

    def texts(self, name: str) -> list[str]:
        found, count = ctypes.c_void_p(), ctypes.c_int()
        if self.library.xlu_cfg_get_list(
            self.handle, name.encode(), ctypes.byref(found), ctypes.byref(count), 1
        ):
            return []
        return [self.library.xlu_cfg_get_listitem(found, n).decode() for n in range(count.value)]

    def disk(self, text: str) -> Disk:
        disk = Disk()
        specs = (ctypes.c_char_p * 1)(text.encode())
        if self.library.xlu_disk_parse(self.handle, 1, specs, ctypes.byref(disk)):
            raise ValueError(f"xl does not read the disk {text!r}")
        return disk
