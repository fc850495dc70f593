"""Drivers of every wanted device in the initramfs of every kernel.

An archive with the modules that are missing is appended to the initramfs; nothing of the guest is
run, and what the guest made stays as it is. What the guest's own maker of the initramfs is told, so
that its next kernel has them too, is in ``persist``.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kensho.guest.devices import CONTROLLERS, NICS
from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.tree import GuestFiles
from kensho.guest.linux.initramfs.image import Initramfs
from kensho.guest.linux.initramfs.overlay import with_overlay
from kensho.guest.linux.modules.index import ModuleIndex
from kensho.guest.linux.modules.modinfo import read_modinfo
from kensho.guest.linux.verdict import Kernel, judge_controller, module_files
from kensho.model.errors import KenshoError
from kensho.model.machine import ControllerModel, NicModel

_MOST_MODULE = 64 << 20
_MOST_FIRMWARE = 100  #: of one module
#: Where the kernel looks for firmware, and what it may be packed with: drivers/base/firmware_loader/main.c.
_FIRMWARE = (
    "lib/firmware/updates/{v}", "lib/firmware/updates", "lib/firmware/{v}", "lib/firmware"
)  # fmt: skip
_PACKED = ("", ".zst", ".xz")
#: Where the drivers of an initramfs are listed to be loaded whether or not a device asks for them.
#: udev loads by hardware in both families; the Xen front ends have no alias on old kernels.
_EXTRA = ("sd_mod", "sr_mod")
#: Whatever udev and kmod look things up in: that of all modules does for the few as well.
_INDEXES = (
    *("modules.dep", "modules.dep.bin", "modules.alias", "modules.alias.bin", "modules.softdep"),
    *("modules.symbols", "modules.symbols.bin", "modules.builtin", "modules.builtin.bin"),
    *("modules.builtin.alias.bin", "modules.builtin.modinfo", "modules.order", "modules.devname"),
)
#: Whose initramfs has kmod, which reads the compiled forms alone; busybox reads the texts.
_KMOD = frozenset({"initramfs-tools", "dracut", "mkinitcpio"})
_COMPILED = tuple(
    name for name in _INDEXES
    if name not in {"modules.dep", "modules.alias", "modules.symbols", "modules.order"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Enlarged:
    """An initramfs with more drivers: the edit, the modules it adds, and what the kernel lacks."""

    edit: FileEdit | None
    added: tuple[str, ...]
    missing: tuple[ControllerModel, ...]


def wanted_drivers(
    index: ModuleIndex, models: Iterable[ControllerModel], adapters: Iterable[NicModel] = ()
) -> tuple[str, ...]:
    """Return the drivers for these devices, those that the kernel has not among them."""
    wanted: dict[str, None] = {}
    for device in (*(CONTROLLERS[m] for m in models), *(NICS[m] for m in adapters)):
        for modalias in device.modaliases:
            wanted |= dict.fromkeys(index.drivers(modalias))
        wanted |= dict.fromkeys((*device.linux, *device.upper, *device.under, *device.beside))
    return tuple(wanted)


def wanted_modules(
    index: ModuleIndex, models: Iterable[ControllerModel], adapters: Iterable[NicModel] = ()
) -> tuple[str, ...]:
    """Return the modules for these devices with all they need, in the order of loading."""
    return index.closure((*wanted_drivers(index, models, adapters), *_EXTRA))


def enlarge(
    files: GuestFiles,
    kernel: Kernel,
    folder: str,
    path: str,
    initramfs: Initramfs,
    models: Iterable[ControllerModel],
    early: Mapping[str, bytes] = MappingProxyType({}),
    packing: str = "",
    adapters: Iterable[NicModel] = (),
) -> Enlarged:
    """Plan the initramfs at ``path`` with the drivers for ``models`` of the modules in ``folder``.

    ``early`` are other files to be in it: paths without a leading slash. ``packing`` names a codec to
    make it as small as can be: then kmod's indexes come without the texts they are made of.

    Adapters' drivers are left out on purpose: names given within the initramfs would hold before
    the guest's own rules are there. One that brings a network up has them of ``adapters``, too. An initramfs that loads a list of its own is left as it is; all it
    does not drive is missing then. Raises what reading the files raises.
    """
    chosen = tuple(models)
    index = kernel.index
    names = wanted_modules(index, chosen, adapters if initramfs.uses_network else ())
    added = tuple(name for name in names if name not in kernel.in_initramfs)
    missing = tuple(model for model in chosen if not _could(kernel, model))
    if not initramfs.asks_hardware:
        # What is added would lie there unused.
        return Enlarged(None, (), tuple(model for model in chosen if not _drives(kernel, model)))
    content = {
        name: data
        for name, data in early.items()
        if (entry := initramfs.get(name)) is None or bytes(entry.data) != data
    }
    if not added and not content:
        return Enlarged(None, (), missing)
    if added:
        lean = bool(packing) and initramfs.maker in _KMOD
        content |= _modules(files, kernel, folder, (added, _COMPILED if lean else _INDEXES))
        if initramfs.maker == "initramfs-tools":
            content["conf/modules"] = _listed(initramfs, added)
    words = [f"{len(added)} modules added for {', '.join(chosen)}"] if added else []
    words += [f"{', '.join(sorted(early))} added"] if early else []
    data = with_overlay(initramfs, content, packing, _renamed(initramfs, kernel) if added else {})
    return Enlarged(FileEdit(path, data, "; ".join(words), mode=0o600), added, missing)


def _modules(
    files: GuestFiles, kernel: Kernel, folder: str, wanted: tuple[Iterable[str], Iterable[str]]
) -> dict[str, bytes]:
    """Return modules and the indexes they are found by, as files of an initramfs."""
    names, indexes = wanted
    modules = [kernel.index.files[name] for name in names]
    paths = [*modules, *(name for name in indexes if files.exists(f"{folder}/{name}"))]
    inside = f"lib/modules/{kernel.version}"
    found = {f"{inside}/{path}": files.read(f"{folder}/{path}", _MOST_MODULE) for path in paths}
    for path in modules:
        found |= _firmware(files, kernel.version, found[f"{inside}/{path}"])
    return found


def _firmware(files: GuestFiles, version: str, module: bytes) -> dict[str, bytes]:
    """Return the firmware that a module asks for and that the guest has, as files of an initramfs."""
    try:
        asked = [value for key, value in read_modinfo(module, "") if key == "firmware"]
    except KenshoError:
        return {}  # what is no module asks for nothing
    names = [n for n in asked[:_MOST_FIRMWARE] if not {"", ".", ".."} & set(n.split("/"))]
    paths = (
        next((p for top in _FIRMWARE for end in _PACKED
              if files.exists(p := f"/{top.format(v=version)}/{name}{end}")), "")
        for name in names
    )  # fmt: skip
    return {path[1:]: files.read(path, _MOST_MODULE) for path in paths if path}


def _renamed(initramfs: Initramfs, kernel: Kernel) -> dict[str, str]:
    """Return links for modules of the initramfs that the indexes, which now come along, call otherwise.

    Makers unpack ``x.ko.xz`` to ``x.ko`` there and index that; kmod and busybox go by the content.
    """
    links: dict[str, str] = {}
    inside = f"lib/modules/{kernel.version}"
    for name, there in module_files(initramfs, kernel.version).items():
        path = kernel.index.files.get(name)
        if path is not None and initramfs.get(f"{inside}/{path}") is None:
            place = posixpath.dirname(initramfs.real(f"{inside}/{path}"))
            links[f"{inside}/{path}"] = posixpath.relpath(f"/{there}", f"/{place}")
    return links


def _could(kernel: Kernel, model: ControllerModel) -> bool:
    """Tell whether the kernel would drive a controller with all of its modules at hand."""
    return _drives(Kernel(kernel.version, kernel.index, frozenset(kernel.index.files)), model)


def _drives(kernel: Kernel, model: ControllerModel) -> bool:
    verdict = judge_controller(kernel, model)
    return verdict is not None and verdict.works


def _listed(initramfs: Initramfs, added: tuple[str, ...]) -> bytes:
    """Return ``conf/modules`` with the drivers that initramfs-tools is to load by name."""
    entry = initramfs.get("conf/modules")
    before = bytes(entry.data) if entry is not None else b""
    known = before.decode(errors="replace").split()
    by_name = [d for device in CONTROLLERS.values() for d in device.linux if d in added]
    lines = [name for name in dict.fromkeys(by_name) if name not in known]
    head = before.rstrip(b"\n") + b"\n" if before else b""
    return head + "".join(f"{line}\n" for line in lines).encode()
