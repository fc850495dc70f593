"""Guest operating systems, and what every vendor calls them.

One literal table. Sources: CIM numbers are DMTF's ``CIM_OperatingSystem.OsType`` (CIM 2.52);
VMware ids are ``vim.vm.GuestOsDescriptor.GuestOsIdentifier`` of vSphere 8; VirtualBox ids are
those of ``VBoxManage list ostypes`` 7.2; osinfo ids are the ids of osinfo-db; Proxmox ids are
``ostype`` in qm.conf(5); Xen names are XenServer 8 and XCP-ng 8.3 template names.

Rules of the table: of several rows with the same vendor id the first one is what that id means,
so the order matters; the 32-bit row of ``x`` is called ``x-32``; an empty cell means that the
vendor has no word for it, and `to_vendor` gives the nearest generic one.
"""

from __future__ import annotations

import difflib
import enum
import re
from dataclasses import dataclass
from typing import Literal

from kensho.model.errors import UsageError

Dialect = Literal["vmw", "vmx", "vbox", "osinfo", "pve", "xen"]
Family = Literal["linux", "windows", "bsd", "solaris", "other"]


class Generation(enum.StrEnum):
    """Guests that bring the same drivers: what platforms choose their devices by."""

    WINDOWS_XP = "windows-xp"  #: NT 5 for 32-bit processors: 2000, XP, Server 2003
    WINDOWS_XP_64 = "windows-xp-64"  #: the same for x64, which has drivers for fewer adapters
    WINDOWS_VISTA = "windows-vista"  #: NT 6.0 and 6.1: Vista, 7, Server 2008 and 2008 R2
    WINDOWS = "windows"  #: NT 6.2 and later: 8, 10, 11, Server 2012 and later
    LINUX_OLD = "linux-old"  #: before 2.6.33, which brought vmxnet3 and pvscsi
    LINUX = "linux"
    BSD = "bsd"
    SOLARIS = "solaris"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class GuestOsRow:
    """One operating system: ``bits`` is 32 or 64, ``cim`` DMTF's OsType number."""

    id: str
    title: str
    family: Family
    bits: int
    cim: int
    vmw: str
    vbox: str
    osinfo: str
    pve: str
    xen: str

    @property
    def vmx(self) -> str:
        """Return the ``guestOS`` of a VMX file: VMware's id, lower case, dashed."""
        return _vmx_of(self.vmw)


_Row = GuestOsRow
# fmt: off
#        id              title             family bits CIM VMware  VirtualBox  osinfo  Proxmox  Xen
TABLE: tuple[GuestOsRow, ...] = (
    _Row("other",               "Other",                               "other",   64, 102, "otherGuest64",               "Other_64",               "",                                        "other",   "Other install media"),
    _Row("other-32",            "Other (32-bit)",                      "other",   32, 1,   "otherGuest",                 "Other",                  "",                                        "other",   ""),
    _Row("linux",               "Linux",                               "linux",   64, 101, "otherLinux64Guest",          "Linux_64",               "http://libosinfo.org/linux/2022",         "l26",     ""),
    _Row("linux-32",            "Linux (32-bit)",                      "linux",   32, 36,  "otherLinuxGuest",            "Linux",                  "http://libosinfo.org/linux/2022",         "l26",     ""),
    _Row("linux6",              "Linux 6.x or later",                  "linux",   64, 100, "other6xLinux64Guest",        "Linux26_64",             "http://libosinfo.org/linux/2022",         "l26",     ""),
    _Row("linux6-32",           "Linux 6.x or later (32-bit)",         "linux",   32, 99,  "other6xLinuxGuest",          "Linux26",                "http://libosinfo.org/linux/2022",         "l26",     ""),
    _Row("linux5",              "Linux 5.x",                           "linux",   64, 100, "other5xLinux64Guest",        "Linux26_64",             "http://libosinfo.org/linux/2020",         "l26",     ""),
    _Row("linux5-32",           "Linux 5.x (32-bit)",                  "linux",   32, 99,  "other5xLinuxGuest",          "Linux26",                "http://libosinfo.org/linux/2020",         "l26",     ""),
    _Row("linux4",              "Linux 4.x",                           "linux",   64, 100, "other4xLinux64Guest",        "Linux26_64",             "http://libosinfo.org/linux/2018",         "l26",     ""),
    _Row("linux4-32",           "Linux 4.x (32-bit)",                  "linux",   32, 99,  "other4xLinuxGuest",          "Linux26",                "http://libosinfo.org/linux/2018",         "l26",     ""),
    _Row("linux3",              "Linux 3.x",                           "linux",   64, 100, "other3xLinux64Guest",        "Linux26_64",             "http://libosinfo.org/linux/2016",         "l26",     ""),
    _Row("linux3-32",           "Linux 3.x (32-bit)",                  "linux",   32, 99,  "other3xLinuxGuest",          "Linux26",                "http://libosinfo.org/linux/2016",         "l26",     ""),
    _Row("linux2.6",            "Linux 2.6",                           "linux",   64, 100, "other26xLinux64Guest",       "Linux26_64",             "",                                        "l26",     ""),
    _Row("linux2.6-32",         "Linux 2.6 (32-bit)",                  "linux",   32, 99,  "other26xLinuxGuest",         "Linux26",                "",                                        "l26",     ""),
    _Row("linux2.4",            "Linux 2.4",                           "linux",   64, 98,  "other24xLinux64Guest",       "Linux24_64",             "",                                        "l24",     ""),
    _Row("linux2.4-32",         "Linux 2.4 (32-bit)",                  "linux",   32, 97,  "other24xLinuxGuest",         "Linux24",                "",                                        "l24",     ""),
    _Row("debian13",            "Debian 13",                           "linux",   64, 96,  "debian13_64Guest",           "Debian13_64",            "http://debian.org/debian/13",             "l26",     "Debian Trixie 13"),
    _Row("debian12",            "Debian 12",                           "linux",   64, 96,  "debian12_64Guest",           "Debian12_64",            "http://debian.org/debian/12",             "l26",     "Debian Bookworm 12"),
    _Row("debian12-32",         "Debian 12 (32-bit)",                  "linux",   32, 95,  "debian12Guest",              "Debian12",               "http://debian.org/debian/12",             "l26",     ""),
    _Row("debian11",            "Debian 11",                           "linux",   64, 96,  "debian11_64Guest",           "Debian11_64",            "http://debian.org/debian/11",             "l26",     "Debian Bullseye 11"),
    _Row("debian11-32",         "Debian 11 (32-bit)",                  "linux",   32, 95,  "debian11Guest",              "Debian11",               "http://debian.org/debian/11",             "l26",     ""),
    _Row("debian10",            "Debian 10",                           "linux",   64, 96,  "debian10_64Guest",           "Debian10_64",            "http://debian.org/debian/10",             "l26",     "Debian Buster 10"),
    _Row("debian10-32",         "Debian 10 (32-bit)",                  "linux",   32, 95,  "debian10Guest",              "Debian10",               "http://debian.org/debian/10",             "l26",     ""),
    _Row("debian9",             "Debian 9",                            "linux",   64, 96,  "debian9_64Guest",            "Debian9_64",             "http://debian.org/debian/9",              "l26",     ""),
    _Row("debian9-32",          "Debian 9 (32-bit)",                   "linux",   32, 95,  "debian9Guest",               "Debian9",                "http://debian.org/debian/9",              "l26",     ""),
    _Row("debian8",             "Debian 8",                            "linux",   64, 96,  "debian8_64Guest",            "Debian8_64",             "http://debian.org/debian/8",              "l26",     ""),
    _Row("debian8-32",          "Debian 8 (32-bit)",                   "linux",   32, 95,  "debian8Guest",               "Debian8",                "http://debian.org/debian/8",              "l26",     ""),
    _Row("debian7",             "Debian 7",                            "linux",   64, 96,  "debian7_64Guest",            "Debian7_64",             "http://debian.org/debian/7",              "l26",     ""),
    _Row("debian7-32",          "Debian 7 (32-bit)",                   "linux",   32, 95,  "debian7Guest",               "Debian7",                "http://debian.org/debian/7",              "l26",     ""),
    _Row("debian",              "Debian",                              "linux",   64, 96,  "debian12_64Guest",           "Debian_64",              "http://debian.org/debian/testing",        "l26",     ""),
    _Row("debian-32",           "Debian (32-bit)",                     "linux",   32, 95,  "debian12Guest",              "Debian",                 "http://debian.org/debian/testing",        "l26",     ""),
    _Row("ubuntu",              "Ubuntu",                              "linux",   64, 94,  "ubuntu64Guest",              "Ubuntu_64",              "",                                        "l26",     ""),
    _Row("ubuntu-32",           "Ubuntu (32-bit)",                     "linux",   32, 93,  "ubuntuGuest",                "Ubuntu",                 "",                                        "l26",     ""),
    _Row("ubuntu24.04",         "Ubuntu 24.04 LTS",                    "linux",   64, 94,  "ubuntu64Guest",              "Ubuntu24_LTS_64",        "http://ubuntu.com/ubuntu/24.04",          "l26",     "Ubuntu Noble Numbat 24.04"),
    _Row("ubuntu22.04",         "Ubuntu 22.04 LTS",                    "linux",   64, 94,  "ubuntu64Guest",              "Ubuntu22_LTS_64",        "http://ubuntu.com/ubuntu/22.04",          "l26",     "Ubuntu Jammy Jellyfish 22.04"),
    _Row("ubuntu20.04",         "Ubuntu 20.04 LTS",                    "linux",   64, 94,  "ubuntu64Guest",              "Ubuntu20_LTS_64",        "http://ubuntu.com/ubuntu/20.04",          "l26",     "Ubuntu Focal Fossa 20.04"),
    _Row("ubuntu18.04",         "Ubuntu 18.04 LTS",                    "linux",   64, 94,  "ubuntu64Guest",              "Ubuntu18_LTS_64",        "http://ubuntu.com/ubuntu/18.04",          "l26",     "Ubuntu Bionic Beaver 18.04"),
    _Row("ubuntu16.04",         "Ubuntu 16.04 LTS",                    "linux",   64, 94,  "ubuntu64Guest",              "Ubuntu16_LTS_64",        "http://ubuntu.com/ubuntu/16.04",          "l26",     ""),
    _Row("ubuntu14.04",         "Ubuntu 14.04 LTS",                    "linux",   64, 94,  "ubuntu64Guest",              "Ubuntu14_LTS_64",        "http://ubuntu.com/ubuntu/14.04",          "l26",     ""),
    _Row("rhel10",              "Red Hat Enterprise Linux 10",         "linux",   64, 80,  "rhel10_64Guest",             "RedHat10_64",            "http://redhat.com/rhel/10.0",             "l26",     "Red Hat Enterprise Linux 10"),
    _Row("rhel9",               "Red Hat Enterprise Linux 9",          "linux",   64, 80,  "rhel9_64Guest",              "RedHat9_64",             "http://redhat.com/rhel/9-unknown",        "l26",     "Red Hat Enterprise Linux 9"),
    _Row("rhel8",               "Red Hat Enterprise Linux 8",          "linux",   64, 80,  "rhel8_64Guest",              "RedHat8_64",             "http://redhat.com/rhel/8-unknown",        "l26",     "Red Hat Enterprise Linux 8"),
    _Row("rhel7",               "Red Hat Enterprise Linux 7",          "linux",   64, 80,  "rhel7_64Guest",              "RedHat7_64",             "http://redhat.com/rhel/7-unknown",        "l26",     "Red Hat Enterprise Linux 7"),
    _Row("rhel6",               "Red Hat Enterprise Linux 6",          "linux",   64, 80,  "rhel6_64Guest",              "RedHat6_64",             "http://redhat.com/rhel/6-unknown",        "l26",     ""),
    _Row("rhel6-32",            "Red Hat Enterprise Linux 6 (32-bit)", "linux",   32, 79,  "rhel6Guest",                 "RedHat6",                "http://redhat.com/rhel/6-unknown",        "l26",     ""),
    _Row("rhel5",               "Red Hat Enterprise Linux 5",          "linux",   64, 80,  "rhel5_64Guest",              "RedHat5_64",             "http://redhat.com/rhel/5.11",             "l26",     ""),
    _Row("rhel5-32",            "Red Hat Enterprise Linux 5 (32-bit)", "linux",   32, 79,  "rhel5Guest",                 "RedHat5",                "http://redhat.com/rhel/5.11",             "l26",     ""),
    _Row("rhel",                "Red Hat Enterprise Linux",            "linux",   64, 80,  "rhel9_64Guest",              "RedHat_64",              "http://redhat.com/rhel/unknown",          "l26",     ""),
    _Row("rhel-32",             "Red Hat Enterprise Linux (32-bit)",   "linux",   32, 79,  "rhel6Guest",                 "RedHat",                 "http://redhat.com/rhel/unknown",          "l26",     ""),
    _Row("centos",              "CentOS",                              "linux",   64, 107, "centos64Guest",              "RedHat_64",              "",                                        "l26",     ""),
    _Row("centos-32",           "CentOS (32-bit)",                     "linux",   32, 106, "centosGuest",                "RedHat",                 "",                                        "l26",     ""),
    _Row("centos9",             "CentOS Stream 9",                     "linux",   64, 107, "centos9_64Guest",            "RedHat9_64",             "http://centos.org/centos-stream/9",       "l26",     "CentOS Stream 9"),
    _Row("centos8",             "CentOS 8",                            "linux",   64, 107, "centos8_64Guest",            "RedHat8_64",             "http://centos.org/centos/8",              "l26",     "CentOS 8"),
    _Row("centos7",             "CentOS 7",                            "linux",   64, 107, "centos7_64Guest",            "RedHat7_64",             "http://centos.org/centos/7.0",            "l26",     "CentOS 7"),
    _Row("centos6",             "CentOS 6",                            "linux",   64, 107, "centos6_64Guest",            "RedHat6_64",             "http://centos.org/centos/6.10",           "l26",     ""),
    _Row("centos6-32",          "CentOS 6 (32-bit)",                   "linux",   32, 106, "centos6Guest",               "RedHat6",                "http://centos.org/centos/6.10",           "l26",     ""),
    _Row("rocky",               "Rocky Linux",                         "linux",   64, 80,  "rockylinux_64Guest",         "RedHat_64",              "http://rockylinux.org/rocky/unknown",     "l26",     ""),
    _Row("rocky10",             "Rocky Linux 10",                      "linux",   64, 80,  "rockylinux_64Guest",         "RedHat10_64",            "http://rockylinux.org/rocky/10",          "l26",     "Rocky Linux 10"),
    _Row("rocky9",              "Rocky Linux 9",                       "linux",   64, 80,  "rockylinux_64Guest",         "RedHat9_64",             "http://rockylinux.org/rocky/9",           "l26",     "Rocky Linux 9"),
    _Row("rocky8",              "Rocky Linux 8",                       "linux",   64, 80,  "rockylinux_64Guest",         "RedHat8_64",             "http://rockylinux.org/rocky/8",           "l26",     "Rocky Linux 8"),
    _Row("almalinux",           "AlmaLinux",                           "linux",   64, 80,  "almalinux_64Guest",          "RedHat_64",              "",                                        "l26",     ""),
    _Row("almalinux10",         "AlmaLinux 10",                        "linux",   64, 80,  "almalinux_64Guest",          "RedHat10_64",            "http://almalinux.org/almalinux/10",       "l26",     "AlmaLinux 10"),
    _Row("almalinux9",          "AlmaLinux 9",                         "linux",   64, 80,  "almalinux_64Guest",          "RedHat9_64",             "http://almalinux.org/almalinux/9",        "l26",     "AlmaLinux 9"),
    _Row("almalinux8",          "AlmaLinux 8",                         "linux",   64, 80,  "almalinux_64Guest",          "RedHat8_64",             "http://almalinux.org/almalinux/8",        "l26",     "AlmaLinux 8"),
    _Row("oraclelinux",         "Oracle Linux",                        "linux",   64, 109, "oracleLinux64Guest",         "Oracle_64",              "",                                        "l26",     ""),
    _Row("oraclelinux-32",      "Oracle Linux (32-bit)",               "linux",   32, 108, "oracleLinuxGuest",           "Oracle",                 "",                                        "l26",     ""),
    _Row("oraclelinux10",       "Oracle Linux 10",                     "linux",   64, 109, "oracleLinux10_64Guest",      "Oracle10_64",            "",                                        "l26",     "Oracle Linux 10"),
    _Row("oraclelinux9",        "Oracle Linux 9",                      "linux",   64, 109, "oracleLinux9_64Guest",       "Oracle9_64",             "http://oracle.com/ol/9.0",                "l26",     "Oracle Linux 9"),
    _Row("oraclelinux8",        "Oracle Linux 8",                      "linux",   64, 109, "oracleLinux8_64Guest",       "Oracle8_64",             "http://oracle.com/ol/8.0",                "l26",     "Oracle Linux 8"),
    _Row("oraclelinux7",        "Oracle Linux 7",                      "linux",   64, 109, "oracleLinux7_64Guest",       "Oracle7_64",             "http://oracle.com/ol/7.0",                "l26",     "Oracle Linux 7"),
    _Row("oraclelinux6",        "Oracle Linux 6",                      "linux",   64, 109, "oracleLinux6_64Guest",       "Oracle6_64",             "http://oracle.com/ol/6.0",                "l26",     ""),
    _Row("oraclelinux6-32",     "Oracle Linux 6 (32-bit)",             "linux",   32, 108, "oracleLinux6Guest",          "Oracle6",                "http://oracle.com/ol/6.0",                "l26",     ""),
    _Row("fedora",              "Fedora",                              "linux",   64, 100, "fedora64Guest",              "Fedora_64",              "http://fedoraproject.org/fedora/unknown", "l26",     ""),
    _Row("fedora-32",           "Fedora (32-bit)",                     "linux",   32, 99,  "fedoraGuest",                "Fedora",                 "http://fedoraproject.org/fedora/unknown", "l26",     ""),
    _Row("sles",                "SUSE Linux Enterprise",               "linux",   64, 85,  "sles64Guest",                "SUSE_LE_64",             "http://suse.com/sle/unknown",             "l26",     ""),
    _Row("sles-32",             "SUSE Linux Enterprise (32-bit)",      "linux",   32, 84,  "slesGuest",                  "SUSE_LE",                "http://suse.com/sle/unknown",             "l26",     ""),
    _Row("sles16",              "SUSE Linux Enterprise 16",            "linux",   64, 85,  "sles16_64Guest",             "SUSE_LE_64",             "",                                        "l26",     ""),
    _Row("sles15",              "SUSE Linux Enterprise 15",            "linux",   64, 85,  "sles15_64Guest",             "SUSE_LE_64",             "http://suse.com/sle/15",                  "l26",     "SUSE Linux Enterprise 15 (64-bit)"),
    _Row("sles12",              "SUSE Linux Enterprise 12",            "linux",   64, 85,  "sles12_64Guest",             "SUSE_LE_64",             "http://suse.com/sles/12",                 "l26",     ""),
    _Row("sles11",              "SUSE Linux Enterprise 11",            "linux",   64, 85,  "sles11_64Guest",             "SUSE_LE_64",             "http://suse.com/sles/11",                 "l26",     ""),
    _Row("sles11-32",           "SUSE Linux Enterprise 11 (32-bit)",   "linux",   32, 84,  "sles11Guest",                "SUSE_LE",                "http://suse.com/sles/11",                 "l26",     ""),
    _Row("opensuse",            "openSUSE",                            "linux",   64, 83,  "opensuse64Guest",            "OpenSUSE_64",            "http://opensuse.org/opensuse/unknown",    "l26",     ""),
    _Row("opensuse-32",         "openSUSE (32-bit)",                   "linux",   32, 82,  "opensuseGuest",              "OpenSUSE",               "http://opensuse.org/opensuse/unknown",    "l26",     ""),
    _Row("opensuse-leap",       "openSUSE Leap",                       "linux",   64, 83,  "opensuse64Guest",            "OpenSUSE_Leap_64",       "http://opensuse.org/opensuse/15.4",       "l26",     ""),
    _Row("opensuse-tumbleweed", "openSUSE Tumbleweed",                 "linux",   64, 83,  "opensuse64Guest",            "OpenSUSE_Tumbleweed_64", "http://opensuse.org/opensuse/tumbleweed", "l26",     ""),
    _Row("alpine",              "Alpine Linux",                        "linux",   64, 101, "other6xLinux64Guest",        "Linux_64",               "http://alpinelinux.org/alpinelinux/3.17", "l26",     ""),
    _Row("archlinux",           "Arch Linux",                          "linux",   64, 100, "other6xLinux64Guest",        "ArchLinux_64",           "http://archlinux.org/archlinux/rolling",  "l26",     ""),
    _Row("gentoo",              "Gentoo Linux",                        "linux",   64, 100, "other6xLinux64Guest",        "Gentoo_64",              "http://gentoo.org/gentoo/rolling",        "l26",     ""),
    _Row("amazonlinux2",        "Amazon Linux 2",                      "linux",   64, 101, "amazonlinux2_64Guest",       "Linux_64",               "",                                        "l26",     ""),
    _Row("amazonlinux3",        "Amazon Linux 3 (2023)",               "linux",   64, 101, "amazonlinux3_64Guest",       "Linux_64",               "",                                        "l26",     ""),
    _Row("photon",              "VMware Photon OS",                    "linux",   64, 101, "vmwarePhoton64Guest",        "Linux_64",               "",                                        "l26",     ""),
    _Row("flatcar",             "Flatcar / CoreOS Container Linux",    "linux",   64, 101, "coreos64Guest",              "Linux_64",               "",                                        "l26",     ""),
    _Row("win2k",               "Windows 2000",                        "windows", 32, 58,  "win2000ProGuest",            "Windows2000",            "http://microsoft.com/win/2k",             "w2k",     ""),
    _Row("winxp",               "Windows XP",                          "windows", 64, 71,  "winXPPro64Guest",            "WindowsXP_64",           "http://microsoft.com/win/xp",             "wxp",     ""),
    _Row("winxp-32",            "Windows XP (32-bit)",                 "windows", 32, 67,  "winXPProGuest",              "WindowsXP",              "http://microsoft.com/win/xp",             "wxp",     ""),
    _Row("winvista",            "Windows Vista",                       "windows", 64, 74,  "winVista64Guest",            "WindowsVista_64",        "http://microsoft.com/win/vista",          "wvista",  ""),
    _Row("winvista-32",         "Windows Vista (32-bit)",              "windows", 32, 73,  "winVistaGuest",              "WindowsVista",           "http://microsoft.com/win/vista",          "wvista",  ""),
    _Row("win7",                "Windows 7",                           "windows", 64, 105, "windows7_64Guest",           "Windows7_64",            "http://microsoft.com/win/7",              "win7",    "Windows 7 (64-bit)"),
    _Row("win7-32",             "Windows 7 (32-bit)",                  "windows", 32, 105, "windows7Guest",              "Windows7",               "http://microsoft.com/win/7",              "win7",    "Windows 7 (32-bit)"),
    _Row("win8",                "Windows 8",                           "windows", 64, 114, "windows8_64Guest",           "Windows8_64",            "http://microsoft.com/win/8",              "win8",    ""),
    _Row("win8-32",             "Windows 8 (32-bit)",                  "windows", 32, 113, "windows8Guest",              "Windows8",               "http://microsoft.com/win/8",              "win8",    ""),
    _Row("win8.1",              "Windows 8.1",                         "windows", 64, 117, "windows8_64Guest",           "Windows81_64",           "http://microsoft.com/win/8.1",            "win8",    ""),
    _Row("win8.1-32",           "Windows 8.1 (32-bit)",                "windows", 32, 116, "windows8Guest",              "Windows81",              "http://microsoft.com/win/8.1",            "win8",    ""),
    _Row("win10",               "Windows 10",                          "windows", 64, 120, "windows9_64Guest",           "Windows10_64",           "http://microsoft.com/win/10",             "win10",   "Windows 10 (64-bit)"),
    _Row("win10-32",            "Windows 10 (32-bit)",                 "windows", 32, 119, "windows9Guest",              "Windows10",              "http://microsoft.com/win/10",             "win10",   "Windows 10 (32-bit)"),
    _Row("win11",               "Windows 11",                          "windows", 64, 120, "windows11_64Guest",          "Windows11_64",           "http://microsoft.com/win/11",             "win11",   "Windows 11"),
    _Row("win2k3",              "Windows Server 2003",                 "windows", 64, 70,  "winNetStandard64Guest",      "Windows2003_64",         "http://microsoft.com/win/2k3",            "w2k3",    ""),
    _Row("win2k3-32",           "Windows Server 2003 (32-bit)",        "windows", 32, 69,  "winNetStandardGuest",        "Windows2003",            "http://microsoft.com/win/2k3",            "w2k3",    ""),
    _Row("win2k8",              "Windows Server 2008",                 "windows", 64, 77,  "winLonghorn64Guest",         "Windows2008_64",         "http://microsoft.com/win/2k8",            "w2k8",    ""),
    _Row("win2k8-32",           "Windows Server 2008 (32-bit)",        "windows", 32, 76,  "winLonghornGuest",           "Windows2008",            "http://microsoft.com/win/2k8",            "w2k8",    ""),
    _Row("win2k8r2",            "Windows Server 2008 R2",              "windows", 64, 103, "windows7Server64Guest",      "Windows2008_64",         "http://microsoft.com/win/2k8r2",          "win7",    ""),
    _Row("win2k12",             "Windows Server 2012",                 "windows", 64, 112, "windows8Server64Guest",      "Windows2012_64",         "http://microsoft.com/win/2k12",           "win8",    "Windows Server 2012 (64-bit)"),
    _Row("win2k12r2",           "Windows Server 2012 R2",              "windows", 64, 115, "windows8Server64Guest",      "Windows2012_64",         "http://microsoft.com/win/2k12r2",         "win8",    "Windows Server 2012 R2 (64-bit)"),
    _Row("win2k16",             "Windows Server 2016",                 "windows", 64, 118, "windows9Server64Guest",      "Windows2016_64",         "http://microsoft.com/win/2k16",           "win10",   "Windows Server 2016 (64-bit)"),
    _Row("win2k19",             "Windows Server 2019",                 "windows", 64, 118, "windows2019srv_64Guest",     "Windows2019_64",         "http://microsoft.com/win/2k19",           "win10",   "Windows Server 2019 (64-bit)"),
    _Row("win2k22",             "Windows Server 2022",                 "windows", 64, 118, "windows2019srvNext_64Guest", "Windows2022_64",         "http://microsoft.com/win/2k22",           "win11",   "Windows Server 2022 (64-bit)"),
    _Row("win2k25",             "Windows Server 2025",                 "windows", 64, 118, "windows2022srvNext_64Guest", "Windows2025_64",         "http://microsoft.com/win/2k25",           "win11",   "Windows Server 2025"),
    _Row("windows",             "Windows",                             "windows", 64, 102, "windows9_64Guest",           "WindowsNT_64",           "",                                        "win10",   ""),
    _Row("windows-32",          "Windows (32-bit)",                    "windows", 32, 1,   "windows9Guest",              "WindowsNT",              "",                                        "win10",   ""),
    _Row("freebsd",             "FreeBSD",                             "bsd",     64, 78,  "freebsd64Guest",             "FreeBSD_64",             "",                                        "other",   ""),
    _Row("freebsd-32",          "FreeBSD (32-bit)",                    "bsd",     32, 42,  "freebsdGuest",               "FreeBSD",                "",                                        "other",   ""),
    _Row("freebsd14",           "FreeBSD 14",                          "bsd",     64, 78,  "freebsd14_64Guest",          "FreeBSD_64",             "http://freebsd.org/freebsd/14.0",         "other",   ""),
    _Row("freebsd14-32",        "FreeBSD 14 (32-bit)",                 "bsd",     32, 42,  "freebsd14Guest",             "FreeBSD",                "http://freebsd.org/freebsd/14.0",         "other",   ""),
    _Row("freebsd13",           "FreeBSD 13",                          "bsd",     64, 78,  "freebsd13_64Guest",          "FreeBSD_64",             "http://freebsd.org/freebsd/13.0",         "other",   ""),
    _Row("freebsd13-32",        "FreeBSD 13 (32-bit)",                 "bsd",     32, 42,  "freebsd13Guest",             "FreeBSD",                "http://freebsd.org/freebsd/13.0",         "other",   ""),
    _Row("freebsd12",           "FreeBSD 12",                          "bsd",     64, 78,  "freebsd12_64Guest",          "FreeBSD_64",             "http://freebsd.org/freebsd/12.0",         "other",   ""),
    _Row("freebsd12-32",        "FreeBSD 12 (32-bit)",                 "bsd",     32, 42,  "freebsd12Guest",             "FreeBSD",                "http://freebsd.org/freebsd/12.0",         "other",   ""),
    _Row("freebsd11",           "FreeBSD 11",                          "bsd",     64, 78,  "freebsd11_64Guest",          "FreeBSD_64",             "http://freebsd.org/freebsd/11.0",         "other",   ""),
    _Row("freebsd11-32",        "FreeBSD 11 (32-bit)",                 "bsd",     32, 42,  "freebsd11Guest",             "FreeBSD",                "http://freebsd.org/freebsd/11.0",         "other",   ""),
    _Row("openbsd",             "OpenBSD",                             "bsd",     64, 65,  "otherGuest64",               "OpenBSD_64",             "http://openbsd.org/openbsd/7.0",          "other",   ""),
    _Row("openbsd-32",          "OpenBSD (32-bit)",                    "bsd",     32, 65,  "otherGuest",                 "OpenBSD",                "http://openbsd.org/openbsd/7.0",          "other",   ""),
    _Row("netbsd",              "NetBSD",                              "bsd",     64, 43,  "otherGuest64",               "NetBSD_64",              "http://netbsd.org/netbsd/9.0",            "other",   ""),
    _Row("netbsd-32",           "NetBSD (32-bit)",                     "bsd",     32, 43,  "otherGuest",                 "NetBSD",                 "http://netbsd.org/netbsd/9.0",            "other",   ""),
    _Row("solaris10",           "Solaris 10",                          "solaris", 64, 81,  "solaris10_64Guest",          "Solaris_64",             "http://sun.com/solaris/10",               "solaris", ""),
    _Row("solaris10-32",        "Solaris 10 (32-bit)",                 "solaris", 32, 29,  "solaris10Guest",             "Solaris",                "http://sun.com/solaris/10",               "solaris", ""),
    _Row("solaris11",           "Oracle Solaris 11",                   "solaris", 64, 81,  "solaris11_64Guest",          "Solaris11_64",           "http://oracle.com/solaris/11",            "solaris", ""),
    _Row("freedos",             "FreeDOS / MS-DOS",                    "other",   32, 14,  "dosGuest",                   "DOS",                    "http://freedos.org/freedos/1.2",          "other",   ""),
)
# fmt: on

_BY_ID = {row.id: row for row in TABLE}

#: CIM numbers that no row carries, or of which the first row is not the best: a number stands
#: for every version of a distribution, so it means the generic row.
_CIM_MEANS = {
    2: "other", 15: "windows-32", 16: "windows-32", 17: "windows-32", 18: "windows-32",
    41: "freebsd-32", 58: "win2k", 63: "windows-32", 72: "winxp-32", 79: "rhel-32",
    80: "rhel", 84: "sles-32", 85: "sles", 86: "sles-32", 87: "opensuse-32", 95: "debian-32",
    96: "debian", 99: "linux6-32", 100: "linux6", 101: "linux", 111: "win2k8r2",
}  # fmt: skip

#: How a vendor's id of an unlisted version begins, and the generic row for it. Longest first.
_STEMS = {
    "windows server": "windows", "microsoft": "windows", "windows": "windows", "win": "windows",
    "win2000": "win2k", "winnet": "win2k3", "winxp": "winxp", "winvista": "winvista", "winlonghorn": "win2k8",
    "longhorn": "win2k8", "w2k": "windows", "wxp": "winxp", "wvista": "winvista",
    "debian": "debian", "ubuntu": "ubuntu", "lubuntu": "ubuntu", "xubuntu": "ubuntu",
    "rhel": "rhel", "redhat": "rhel", "red hat": "rhel", "scientific": "rhel", "asianux": "rhel",
    "centos": "centos", "rocky": "rocky", "alma": "almalinux", "oracle": "oraclelinux",
    "ol/": "oraclelinux", "fedora": "fedora", "sle": "sles", "suse": "sles",
    "opensuse": "opensuse", "alpine": "alpine", "arch": "archlinux", "gentoo": "gentoo",
    "amazon": "amazonlinux3", "vmwarephoton": "photon", "vmware-photon": "photon",
    "photon": "photon", "coreos": "flatcar", "flatcar": "flatcar", "kylin": "linux",
    "linux": "linux", "otherlinux": "linux", "genericlinux": "linux", "mandr": "linux",
    "mageia": "linux", "turbolinux": "linux", "other24xlinux": "linux2.4",
    "other26xlinux": "linux2.6", "other3xlinux": "linux3", "other4xlinux": "linux4",
    "other5xlinux": "linux5", "other6xlinux": "linux6", "other7xlinux": "linux6",
    "freebsd": "freebsd", "openbsd": "openbsd", "netbsd": "netbsd", "solaris": "solaris10",
    "opensolaris": "solaris10",
    "dos": "freedos", "freedos": "freedos", "msdos": "freedos", "other": "other",
}  # fmt: skip
_STEM_ORDER = sorted(_STEMS, key=len, reverse=True)

#: Rows of a generation that their family does not tell, without ``-32``.
_GENERATIONS: dict[str, Generation] = {
    "win2k": Generation.WINDOWS_XP, "winxp": Generation.WINDOWS_XP,
    "win2k3": Generation.WINDOWS_XP, "winvista": Generation.WINDOWS_VISTA,
    "win7": Generation.WINDOWS_VISTA, "win2k8": Generation.WINDOWS_VISTA,
    "win2k8r2": Generation.WINDOWS_VISTA, "linux2.4": Generation.LINUX_OLD,
    "linux2.6": Generation.LINUX_OLD, "rhel5": Generation.LINUX_OLD,
}  # fmt: skip

#: The row that stands for a family where a vendor has no word for the member.
_FAMILY_ROW: dict[str, str] = {
    "linux": "linux", "windows": "windows", "bsd": "freebsd", "solaris": "solaris10",
    "other": "other",
}  # fmt: skip

#: Where a VMX id is not its vSphere id in lower case.
_VMX_WORDS = (
    ("winlonghorn", "longhorn"),
    ("server-64", "srv-64"),
    ("vmwarephoton", "vmware-photon"),
)
_WORDLESS = {"osinfo": "http://libosinfo.org/unknown", "xen": "Other install media"}


def get(guest_id: str) -> GuestOsRow:
    """Return the row called ``guest_id``; raises UsageError when there is none."""
    row = _BY_ID.get(guest_id)
    if row is None:
        near = difflib.get_close_matches(guest_id.lower(), _BY_ID, n=5)
        raise UsageError(
            f"no guest operating system is called {guest_id!r}",
            hint=f"such as {', '.join(near or ('debian12', 'rhel9', 'win2k22'))}, or other",
        )
    return row


def generation(guest_id: str) -> Generation:
    """Return the generation of a row; raises UsageError when there is no such row."""
    row = get(guest_id)
    found = _GENERATIONS.get(row.id.removesuffix("-32"), Generation(row.family))
    is_64 = found is Generation.WINDOWS_XP and row.bits == 64
    return Generation.WINDOWS_XP_64 if is_64 else found


def from_cim(number: int, bits: int | None = None) -> str:
    """Return the id of the row that DMTF's OsType ``number`` means, ``other`` when unknown.

    A number covers all versions of a distribution, so the answer is its generic row. ``bits``
    (32 or 64) decides where one number stands for both.
    """
    known = _CIM_MEANS.get(number)
    rows = [row.id for row in TABLE if row.cim == number]
    return _with_bits(known or next(iter(rows), "other"), bits)


def from_vendor(dialect: Dialect, value: str) -> str | None:
    """Return the id of the row a vendor's ``value`` means, None when nothing is known of it.

    Case does not matter. A version the table lacks (``debian99_64Guest``) gives the generic
    row of its distribution.
    """
    wanted = value.strip().lower()
    for row in TABLE:
        if wanted and getattr(row, dialect).lower() == wanted:
            return row.id
    # osinfo ids are URLs: product and version follow the vendor's host.
    stem_text = re.sub(r"^https?://[^/]*/", "", wanted) if dialect == "osinfo" else wanted
    for stem in _STEM_ORDER:
        if stem_text.startswith(stem):
            return _with_bits(_STEMS[stem], _bits_in(dialect, wanted))
    return None


def to_vendor(guest_id: str, dialect: Dialect) -> str:
    """Return what ``dialect`` calls ``guest_id``, or its nearest generic word; never empty."""
    row = get(guest_id)
    family = _FAMILY_ROW[row.family]
    for candidate in (row.id, row.id.removesuffix("-32"), family):
        word: str = getattr(_BY_ID[candidate], dialect)
        if word:
            return word
    return _WORDLESS[dialect]


def _vmx_of(vmw: str) -> str:
    """Return ``debian12-64`` for ``debian12_64Guest``, ``other`` for ``otherGuest``."""
    name = re.sub(r"_?64(?=Guest$)|(?<=Guest)64$", "-64", vmw).replace("Guest", "").lower()
    for old, new in _VMX_WORDS:
        name = name.replace(old, new)
    return name


def _bits_in(dialect: Dialect, value: str) -> int:
    """Return the word size a vendor's id (lower case) speaks of; 64 where it does not say."""
    match dialect:
        case "vmw":
            return 64 if re.search(r"64(guest)?$", value) else 32
        case "vmx":
            return 64 if value.endswith("-64") else 32
        case "vbox":
            return 64 if value.endswith("_64") else 32
        case "xen":
            return 32 if "32-bit" in value else 64
        case _:
            return 64


def _with_bits(guest_id: str, bits: int | None) -> str:
    """Return ``guest_id`` or its variant with that many bits, when there is such a row."""
    if bits is None or _BY_ID[guest_id].bits == bits:
        return guest_id
    other = f"{guest_id}-32" if bits == 32 else guest_id.removesuffix("-32")
    return other if other in _BY_ID else guest_id
