"""Every kernel's initramfs gets the drivers it lacks, and its maker is told to keep them."""

from __future__ import annotations

from collections.abc import Mapping

from kensho.guest.devices import NICS
from kensho.guest.linux.adapt.fitting import Job, fit
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.adapt.kernel_plan import KernelPlan
from kensho.guest.linux.adapt.persist import persist
from kensho.guest.linux.initramfs.image import Initramfs
from kensho.guest.linux.kernels import Found, find_kernels, load_initramfs, load_kernel
from kensho.guest.linux.modules.index import ModuleIndex
from kensho.guest.linux.verdict import Kernel
from kensho.model.errors import KenshoError
from kensho.model.finding import Severity


def plan_kernels(guest: LinuxGuest) -> tuple[KernelPlan, ...]:
    """Plan the initramfs of every kernel. A kernel that cannot be adapted is a finding (KF-840)."""
    found = (f for f in find_kernels(guest.system.files) if f.modules and f.initramfs)
    jobs = [job for kernel in found if (job := _job(guest, kernel))]
    missing = {job.found.version: job.result.missing for job in jobs if job.result}
    models = fit(guest, jobs)
    makers: dict[str, list[ModuleIndex]] = {}
    for job in jobs:
        if job.initramfs.maker:
            makers.setdefault(job.initramfs.maker, []).append(job.kernel.index)
    networked = {job.initramfs.maker for job in jobs if job.initramfs.uses_network}
    for maker, indexes in makers.items():
        adapters = guest.aims.adapters if maker in networked else ()
        guest.draft.take(*persist(guest.draft, maker, indexes, models, adapters))
    root = guest.system.volume.id
    return tuple(
        KernelPlan(root, version, job.found.initramfs, job.result.added, missing[version])
        for job in jobs
        if job.result and (version := job.found.version)
    )


def _job(guest: LinuxGuest, found: Found) -> Job | None:
    """Plan one kernel: its initramfs goes to the draft."""
    files, draft, name = guest.system.files, guest.draft, f"kernel {found.version}"
    try:
        initramfs = load_initramfs(files, found)
        kernel = load_kernel(files, found, initramfs)
        job = Job(found, kernel, initramfs, early_files(draft.early, initramfs, kernel))
        result = job.plan(guest, guest.aims.controllers)
    except KenshoError as error:
        draft.note("KF-840", Severity.ERROR, f"{name} cannot be adapted: {error}", "left as it is")
        return None
    if result.missing and not initramfs.asks_hardware:
        lacking = ", ".join(model.value for model in result.missing)
        draft.note(
            "KF-883", Severity.WARNING,
            f"{name} has an initramfs that loads a list of drivers and nothing that is added, so it does "
            f"not start from {lacking}",
            "make one with these drivers in the guest before it is moved (mkinitrd --with=DRIVER), or "
            "give the machine a controller it has", found.initramfs,
        )  # fmt: skip
    elif result.missing:
        lacking = ", ".join(model.value for model in result.missing)
        remedy = "give the machine another controller there, or the guest another kernel"
        draft.note("KF-841", Severity.WARNING, f"{name} has no driver for {lacking}", remedy)
    if not initramfs.maker:
        remedy = "its next update may leave the drivers out again"
        draft.note(
            "KF-842", Severity.WARNING, f"{name} has an initramfs that nobody known made", remedy
        )
    return job


def early_files(
    early: Mapping[str, bytes], initramfs: Initramfs, kernel: Kernel
) -> dict[str, bytes]:
    """Return the files that this initramfs is to have.

    Names of adapters matter only where udev names some already; settings of modprobe and LVM only
    where it has a copy of the guest's.
    """
    names = initramfs.files
    udev = any(name.endswith("udevd") for name in names)
    drivers = {driver for device in NICS.values() for driver in device.linux}
    nics = any("/drivers/net/" in name for name in names) or bool(drivers & kernel.index.builtin)
    nics |= initramfs.uses_network
    devices = initramfs.get("etc/lvm/devices/system.devices") is not None

    def wanted(name: str) -> bool:
        if name.endswith(".link"):
            return udev and nics
        if name.startswith("etc/modprobe"):
            return initramfs.get(name) is not None
        return devices or not name.startswith("etc/lvm/")

    return {name: data for name, data in early.items() if wanted(name)}
