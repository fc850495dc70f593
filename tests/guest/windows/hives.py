"""Hives of Windows installations, made for the tests: what an edit looks at, and no more."""

from __future__ import annotations

from kensho.guest.windows.hive import Hive, dword, expand_sz, multi_sz, new_hive, sz
from tests.guest.windows.hive.samples import SECURITY

CLASS = r"ControlSet001\Control\Class\{4d36e967-e325-11ce-bfc1-08002be10318}"

#: NT's version, and what Setup leaves of the drivers for disks that this machine does not have.
SERVICES = {
    (5, 1): {"atapi": 0, "intelide": 4, "pciide": 4, "symmpi": 4},
    (6, 1): {"atapi": 0, "intelide": 3, "pciide": 3, "msahci": 3, "LSI_SAS": 3, "LSI_SCSI": 3,
             "vmbus": 3, "storvsc": 3},
    (10, 0): {"atapi": 0, "intelide": 0, "pciide": 0, "storahci": 0, "stornvme": 3, "LSI_SAS": 3,
              "vmbus": 3, "storvsc": 3},
}  # fmt: skip


def system_hive(nt: tuple[int, int], *, architecture: str = "AMD64") -> Hive:
    hive = new_hive("$$$PROTO.HIV", security=SECURITY, minor=5)
    hive.set("Select", dword("Current", 1), dword("Default", 1), dword("LastKnownGood", 2))
    hive.create("ControlSet002")
    for service, start in SERVICES[nt].items():
        path = rf"ControlSet001\Services\{service}"
        hive.set(
            path,
            dword("Type", 1),
            dword("Start", start),
            dword("ErrorControl", 3),
            expand_sz("ImagePath", rf"System32\drivers\{service}.sys"),
        )
        if nt >= (6, 2) and start == 0 and service != "atapi":
            hive.set(rf"{path}\StartOverride", dword("0", 3))
    environment = r"ControlSet001\Control\Session Manager\Environment"
    hive.set(environment, sz("PROCESSOR_ARCHITECTURE", architecture))
    if nt >= (6, 2):
        hive.create(r"DriverDatabase\DeviceIds\PCI")
    hive.set(r"ControlSet001\Services\VMTools", dword("Start", 2))
    hive.set(r"ControlSet001\Services\prl_strg", dword("Start", 0))
    hive.set(CLASS, multi_sz("LowerFilters", ("fvevol", "prl_strg")))
    return hive


def software_hive(build: int, product: str, current: str, *, server: bool = False) -> Hive:
    hive = new_hive("$$$PROTO.HIV", security=SECURITY, minor=5)
    path = r"Microsoft\Windows NT\CurrentVersion"
    hive.set(
        path,
        sz("CurrentVersion", current),
        sz("CurrentBuildNumber", str(build)),
        sz("ProductName", product),
        sz("EditionID", "ServerStandard" if server else "Professional"),
    )
    if build >= 10240:
        hive.set(
            path, dword("CurrentMajorVersionNumber", 10), dword("CurrentMinorVersionNumber", 0)
        )
    if build >= 7600:
        hive.set(path, sz("InstallationType", "Server" if server else "Client"))
    return hive
