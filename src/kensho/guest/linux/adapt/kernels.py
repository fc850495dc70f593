"""Every kernel's initramfs gets the drivers it lacks, and its maker is told to keep them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kensho.guest.devices import NICS
from kensho.guest.linux.adapt.boot.default import version_of_entry
from kensho.guest.linux.adapt.fitting import Job, fit
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.adapt.kernel_plan import KernelPlan
from kensho.guest.linux.adapt.persist import persist
from kensho.guest.linux.boot.configs import started
from kensho.guest.linux.initramfs.image import Initramfs
from kensho.guest.linux.kernels import Found, find_kernels, load_initramfs, load_kernel
from kensho.guest.linux.modules.index import ModuleIndex
from kensho.guest.linux.verdict import Kernel, judge_controller
from kensho.model.errors import KenshoError
from kensho.model.finding import Severity

#: dracut's and mkinitcpio's; Debian's cryptsetup-initramfs, and before 2.0.3.
_CRYPTTABS = ("etc/crypttab", "cryptroot/crypttab", "conf/conf.d/cryptroot")


def plan_kernels(guest: LinuxGuest) -> tuple[KernelPlan, ...]:
    """Plan the initramfs of every kernel. A kernel that cannot be adapted is a finding (KF-840)."""
    every = find_kernels(guest.system.files)
    jobs = [job for f in every if f.modules and f.initramfs and (job := _job(guest, f))]
    rest = [found for found in every if found.image and not (found.modules and found.initramfs)]
    alone = [plan for found in rest if (plan := _left(guest, found))]
    missing = {job.found.version: job.result.missing for job in jobs if job.result}
    models = fit(guest, jobs)
    makers: dict[str, list[ModuleIndex]] = {}
    for job in jobs:
        if job.maker:
            makers.setdefault(job.maker, []).append(job.kernel.index)
    networked = {job.maker for job in jobs if job.networked}
    for maker, indexes in makers.items():
        adapters = guest.aims.adapters if maker in networked else ()
        try:
            guest.draft.take(*persist(guest.draft, maker, indexes, models, adapters))
        except KenshoError as error:
            what = f"{maker} cannot be told which drivers to keep: {error}"
            remedy = "its next initramfs leaves them out again: put that file right in the guest"
            guest.draft.note("KF-842", Severity.WARNING, what, remedy)
    root = guest.system.volume.id
    enlarged = (
        KernelPlan(root, version, job.found.initramfs, job.result.added, missing[version])
        for job in jobs
        if job.result and (version := job.found.version)
    )
    return (*enlarged, *alone)


def _job(guest: LinuxGuest, found: Found) -> Job | None:
    """Plan one kernel: its initramfs goes to the draft."""
    files, draft, name = guest.system.files, guest.draft, f"kernel {found.version}"
    try:
        initramfs = load_initramfs(files, found)
        kernel = load_kernel(files, found, initramfs)
        job = Job(
            found, kernel, initramfs.maker, initramfs.codec, initramfs.uses_network,
            early_files(draft.early, initramfs, kernel) | _crypttabs(initramfs, draft.crypt_words),
        )  # fmt: skip
        result = job.plan(guest, guest.aims.controllers, initramfs=initramfs)
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


def _left(guest: LinuxGuest, found: Found) -> KernelPlan | None:
    """Tell of a kernel that has no modules to be added, or no initramfs to add them to.

    Return one that is started without an initramfs, by drivers of its own: it is left as it is.
    """
    draft, name = guest.draft, f"kernel {found.version}"
    if not found.modules:
        draft.note(
            "KF-840", Severity.ERROR, f"{name} cannot be adapted: its modules are not found",
            "left as it is; what is in it and in its initramfs has to do",
        )  # fmt: skip
        return None
    try:
        kernel = load_kernel(guest.system.files, found, None)
    except KenshoError as error:
        draft.note("KF-840", Severity.ERROR, f"{name} cannot be adapted: {error}", "left as it is")
        return None
    stuck = [
        m for m in guest.aims.controllers if (v := judge_controller(kernel, m)) and not v.works
    ]
    if stuck:
        lacking = ", ".join(model.value for model in stuck)
        draft.note(
            "KF-841", Severity.WARNING,
            f"{name} has no initramfs that is found, and no driver in itself for {lacking}",
            "make one for it in the guest, or give the machine another controller there",
        )  # fmt: skip
    offered = started(guest.system.files, draft.text)
    starts = [entry for entry in offered if version_of_entry(guest, entry) == found.version]
    if not starts or any(entry.initrd for entry in starts):
        return None  # there is one, and it is not found
    return KernelPlan(guest.system.volume.id, found.version, "", (), tuple(stuck))


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


def _crypttabs(initramfs: Initramfs, words: Mapping[str, str]) -> dict[str, bytes]:
    """Return the copies of crypttab in an initramfs with these devices called otherwise."""
    found: dict[str, bytes] = {}
    pattern = re.compile(rf"(?<![^\s=,])(?:{'|'.join(map(re.escape, words))})(?![^\s,])")
    for path in _CRYPTTABS if words else ():
        entry = initramfs.get(path)
        text = bytes(entry.data).decode("utf-8", "surrogateescape") if entry else ""
        fixed = pattern.sub(lambda match: words[match[0]], text)
        if fixed != text:
            found[path] = fixed.encode("utf-8", "surrogateescape")
    return found
