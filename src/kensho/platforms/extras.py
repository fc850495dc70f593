"""Which of a vendor's own settings are written back for the same vendor, as one table.

What kensho does not understand it writes back only where it cannot do harm unasked: nothing that
runs a program, opens a port or a folder of the host, or names what only the old host has. Such
settings stay in the note, and a finding says which and how to have them again. A dialect without
a row has none of these; its writer decides.
"""

from __future__ import annotations

import enum
import re

import msgspec

from kensho.model.machine import Extra

_NUMBER = re.compile(r"\[[0-9]+\]")  #: of an element among its like


class Fate(enum.StrEnum):
    """What becomes of a setting in a target of its own dialect."""

    BACK = "back"
    OWN = "own"  #: kensho's writer says this itself, from the model
    HOST = "host"  #: names something of the old host
    HARM = "harm"  #: makes the host do more than run the machine


class Row(msgspec.Struct, frozen=True):
    """Settings whose place matches ``pattern`` whole, and whose text matches ``text`` somewhere."""

    pattern: str
    fate: Fate
    text: str = ""


class Rules(msgspec.Struct, frozen=True):
    """The rows of a dialect, asked in order; ``rest`` is for what no row is about.

    ``how`` tells a user how to add a setting by hand.
    """

    rows: tuple[Row, ...]
    rest: Fate
    how: str


#: Keys in lower case.
VMX = Rules(
    (
        Row(r"remotedisplay\..*|debugstub\..*|sharedfolder.*|hgfs\..*|vprobe\..*", Fate.HARM),
        Row(
            r"pcipassthru.*|usb\.(generic\.)?autoconnect.*|.*\.rawdevice|msg\.autoanswer", Fate.HARM
        ),
        Row(r"serial[0-9]+\.(pipe|network|vspc)\..*|monitor\.debug.*|vmx\..*", Fate.HARM),
        Row(r"isolation\..*", Fate.HARM, r"(?i)^\s*(false|0|no|off)\s*$"),
        Row(r"answer\..*", Fate.HARM),
        Row(
            r"(.*\.)?(filename|clientdevice|vnet|bsdname|redo|sharedbus)|filesearchpath", Fate.HOST
        ),
        Row(r"nvram|(.*\.)?(directory|tmpdirectory|redologdir)", Fate.HOST),
        Row(
            r"workingdir|extendedconfigfile|migrate\..*|checkpoint\..*|replay\..*|log\..*",
            Fate.HOST,
        ),
        Row(
            r"sched\.swap\..*|sched\.(cpu|mem)\.affinity|numa\..*|mainmem\..*|snapshot\..*",
            Fate.HOST,
        ),
        Row(r"(host|guest|user)cpuid\..*|evccompatibilitymode|monitor\.phys_.*", Fate.HOST),
        Row(r"ethernet[0-9]+\.(dvs|filter.*|opaquenetwork|pvnid)(\..*)?|vmotion\..*", Fate.HOST),
        Row(
            r"uuid\.location|cleanshutdown|softpoweroff|invmteam|toolsinstallmanager\..*", Fate.HOST
        ),
        Row(r"encryption\..*|datafilekey|vtpm\..*|proxyapps\..*", Fate.HOST),
        Row(r"guestinfo\.ovfenv|.*\.generatedaddress(offset)?|uuid\.action", Fate.OWN),
    ),
    Fate.BACK,
    "add the lines to the .vmx file",
)

_OF_VMX = "|".join(r.pattern for r in VMX.rows if r.fate is Fate.HARM)
_ABOUT_A_HOST = "|".join(r.pattern for r in VMX.rows if r.fate is Fate.HOST)
#: VMware's own elements in OVF: what is said of a virtual machine as VMX keys, and vSphere's names.
VMW = Rules(
    (
        Row(r".*/extraconfig", Fate.HARM, rf'(?i)\bkey="({_OF_VMX})"'),
        Row(r".*/extraconfig", Fate.HOST, rf'(?i)\bkey="({_ABOUT_A_HOST})"'),
        Row(r"virtualsystem\[[^/]*\]/virtualhardwaresection/(config|extraconfig)", Fate.BACK),
    ),
    Fate.OWN,
    "add them to the descriptor with kensho edit, or where it is deployed",
)

#: Options of qm.conf(5).
PVE = Rules(
    (
        Row(r"args|hookscript|ivshmem|(hostpci|usb|parallel|virtiofs)[0-9]+", Fate.HARM),
        Row(r"serial[0-9]+", Fate.HARM, r"/"),
        Row(r"cpu", Fate.HOST, r"^(cputype=)?custom-"),
        Row(r"rng0", Fate.HOST, r"^(?!(source=)?/dev/(u?random|hwrng)(,|$))"),
        Row(
            r"affinity|hugepages|keephugepages|numa[0-9]+|amd-sev|intel-tdx|vmstatestorage",
            Fate.HOST,
        ),
        Row(r"template|lock|parent|snaptime|vmstate|running.*|cicustom|cipassword", Fate.HOST),
        Row(
            r"agent|balloon|shares|cpu|cpulimit|cpuunits|numa|hotplug|onboot|startup|protection"
            r"|tablet|tags|keyboard|localtime|startdate|freeze|kvm|acpi|autostart|rng0|watchdog"
            r"|migrate_speed|migrate_downtime|spice_enhancements|audio0|smbios1|vmgenid|vga|vcpus"
            r"|machine|(net|ide|sata|scsi|virtio)[0-9]+|ci(user|type|upgrade)|sshkeys"
            r"|ipconfig[0-9]+|nameserver|searchdomain",
            Fate.BACK,
        ),
    ),
    Fate.OWN,
    "use qm set VMID --OPTION VALUE",
)

#: Paths of elements, in lower case, without numbers.
LIBVIRT = Rules(
    (
        Row(r"/domain/(.*:commandline|.*:override|.*:capabilities|bootloader.*)", Fate.HARM),
        Row(r"/domain/seclabel", Fate.HARM, r"type=.none|relabel=.no"),
        Row(r"/domain/sysinfo", Fate.HARM, r"(?s)^(?!<sysinfo\b[^>]*\btype=.smbios)|\bfile="),
        Row(r"/domain/devices/(hostdev|filesystem|redirdev|smartcard|crypto)", Fate.HARM),
        Row(
            r"/domain/devices/graphics",
            Fate.HARM,
            r"passwd=|\b(listen|address)=.(?!127\.|::1|localhost)|<listen[^>]*type=.network",
        ),
        Row(r"/domain/devices/emulator", Fate.HARM, r">\s*(?!/usr/(s?bin|libexec|lib/xen)/)[^<]"),
        Row(r"/domain/devices/channel", Fate.HOST, r"^<channel\b(?![^>]*\btype=.unix)"),
        Row(
            r"/domain/devices/rng", Fate.HOST, r">(?!\s*/dev/(u?random|hwrng)\s*<)[^<>]*</backend>"
        ),
        Row(
            r"/domain/devices/rng", Fate.HOST, r"^(?![\s\S]*<backend\b[^>]*model=.(random|builtin))"
        ),
        Row(r"/domain/devices/vsock", Fate.HOST, r"^(?![\s\S]*\bauto=.yes)"),
        Row(
            r"/domain/(on_(poweroff|reboot|crash|lockfailure)|genid|clock|pm|cpu|features|sysinfo"
            r"|metadata/.*)|/domain/devices/(watchdog|input|channel|panic|vsock|iommu|memballoon|rng)",
            Fate.BACK,
        ),
        Row(
            r"/domain/(os|vcpus?|currentmemory|maxmemory|title|resource|seclabel|\*)"
            r"|/domain/devices/(controller|interface|disk|graphics|video|sound|audio|tpm|serial"
            r"|console|parallel|emulator|hub)",
            Fate.OWN,
        ),
    ),
    Fate.HOST,
    "use virsh edit NAME",
)

#: Elements by their place, in lower case.
VBOX = Rules(
    (
        Row(r"machine/hardware/(sharedfolders|remotedisplay)|machine/teleporter", Fate.HARM),
        Row(
            r"machine/hardware/(clipboard|draganddrop)", Fate.HARM, r"Bidirectional|ToHost|ToGuest"
        ),
        Row(r"machine/extradata", Fate.HARM, r"VBoxInternal"),
        Row(r"machine/hardware/paravirt", Fate.HARM, r"\bdebug="),
        Row(r"machine/hardware/network", Fate.HARM, r"<(\w+:)?Forwarding\b"),
        Row(r"machine/hardware/usb", Fate.HOST, r"<(\w+:)?DeviceFilter\b"),
        Row(r"machine/hardware/(hostpci|lpt|videocapture|videorecording|recording)", Fate.HOST),
        Row(r"machine/hardware/uart", Fate.HOST, r'hostMode="(?!Disconnected)'),
        Row(r"machine/(extradata|groups)", Fate.BACK),
        Row(r"machine/hardware/(cpu|bios|display|hid|hpet|chipset|paravirt|io)", Fate.BACK),
        Row(
            r"machine/hardware/(guest|guestproperties|emulatedusb|clipboard|draganddrop)", Fate.BACK
        ),
        Row(r"virtualbox/.*|machine/@.*|machine/(snapshot|platform)", Fate.OWN),
        Row(r"machine/hardware/(platform|firmware|network|rtc|uart|usb|audioadapter)", Fate.OWN),
        Row(r"machine/hardware/trustedplatformmodule", Fate.OWN),
    ),
    Fate.HOST,
    "use VBoxManage modifyvm, setextradata and sharedfolder",
)

#: Paths of keys in Hyper-V's configurations, in lower case.
HYPERV = Rules(
    (
        Row(r"configuration/global_settings/debug.*|.*/debugger_?enabled|.*hcl/.*", Fate.HARM),
        Row(r".*/(secure_boot_template_id|vdevversion)", Fate.OWN),
        Row(
            r"configuration/settings/(memory|processors|topology)/.*"
            r"|configuration/global_settings/(power|unexpected_termination|critical_error)/.*"
            r"|configuration/global_settings/devices/(lock_on_disconnect|storage_allow_full.*)",
            Fate.BACK,
        ),
        Row(
            r"configuration/_[0-9a-f-]{36}_/(num_lock|bios_serial_number|(base_board|chassis)/.*"
            r"|console_mode|pause_after_boot_failure|pxe_preferred_protocol|enabled"
            r"|devicenamingenabled|clustermonitored|interruptmoderationdisabled"
            r"|controller[0-9]+/drive[0-9]+/(iops_.*|weight|caching_mode|ignore_flushes))",
            Fate.BACK,
        ),
    ),
    Fate.HOST,
    "use the Set-VM commands; the files of Hyper-V are not made for editing",
)

#: Settings of xl.cfg(5). A boot loader is a program of the host; pygrub is Xen's own.
XEN = Rules(
    (
        Row(r"vif/[0-9]+", Fate.HARM, r"script"),
        Row(
            r"pv/bootloader",
            Fate.HARM,
            r"^(?![\"'](/usr/(lib|libexec|local/lib)/xen[\w.-]*/bin/|/usr/bin/)?pygrub[\"']$)",
        ),
        Row(r"pv/bootloader_args|device_model.*|.*script.*|bios_path_override", Fate.HARM),
        Row(r"vnc.*|spice.*|sdl.*|channel|console|p9|gfx_passthru|rdm.*|dtdev", Fate.HARM),
        Row(r"iomem|ioports|irqs|usbdev|usbctrl|vscsi|pvcalls|driver_domain", Fate.HARM),
        Row(r"builder|maxmem|memory|vcpus|disk|name|uuid|serial|parallel|usb|localtime", Fate.OWN),
        Row(r"pv/.*|vif/[0-9]+|maxvcpus|on_.*|pae|acpi(_s[34])?|apic|nx|hap|hpet", Fate.BACK),
        Row(r"tsc_mode|timer_mode|vpt_align|viridian|rtc_timeoffset", Fate.BACK),
        Row(r"cpu_weight|cap|cpuid|shadow_memory|altp2m.*|oos|e820_host|keymap", Fate.BACK),
        Row(r"max_grant_.*|max_maptrack_frames|event_channels|mmio_hole|nomigrate", Fate.BACK),
        Row(r"xen_platform_pci|pvshim.*|suppress_spurious_page_faults|blkdev_start", Fate.BACK),
    ),
    Fate.HOST,
    "add the lines to the .cfg file",
)

#: Values of XAPI's records, in lower case: what reaches into the host, or is about its pool.
XVA = Rules(
    (
        Row(r"vm/other_config/(pci|.*usb.*)|vm/platform/(.*pci.*|vgpu.*|igd.*)", Fate.HARM),
        Row(r"vm/(platform|other_config)/(hvm_serial|parallel|.*args.*|usb_path)", Fate.HARM),
        Row(r"vm/pv_bootloader", Fate.HARM, r"^(?!(pygrub|eliloader)$)"),
        Row(r"vm/pv_bootloader_args", Fate.HARM, r"[^\s]"),
        Row(r"vm/ha_.*|vm/vcpus_params/(mask|affinity)|appliance/.*", Fate.HOST),
    ),
    Fate.BACK,
    "set them with `xe vm-param-set`",
)

#: JSON pointers into a VirtualMachine; texts are JSON.
KUBEVIRT = Rules(
    (
        Row(r".*/annotations(/.*)?", Fate.HARM, r"hookSidecars"),
        Row(r".*hooks\.kubevirt\.io.*", Fate.HARM),
        Row(r".*", Fate.HARM, r"hooks\.kubevirt\.io|\"(hostDisk|serviceAccount\w*)\"\s*:"),
        Row(r".*/(hostdevices|gpus|filesystems)(/.*)?|.*/serviceaccount\w*", Fate.HARM),
        Row(r".*", Fate.HARM, r"\"(hostDevices|gpus|filesystems)\"\s*:"),
    ),
    Fate.BACK,
    "use kubectl edit vm NAME",
)

RULES: dict[str, Rules] = {
    "vmx": VMX, "vmw": VMW, "pve": PVE, "libvirt": LIBVIRT, "vbox": VBOX, "hyperv": HYPERV,
    "xen": XEN, "xva": XVA, "kubevirt": KUBEVIRT,
}  # fmt: skip


def fate_of(extra: Extra) -> Fate:
    """Return what becomes of a setting in a target of its own dialect."""
    rules = RULES.get(extra.dialect)
    if rules is None:
        return Fate.BACK
    place = _NUMBER.sub("", extra.where.lower())
    for row in rules.rows:
        if re.fullmatch(row.pattern, place) and (not row.text or re.search(row.text, extra.text)):
            return row.fate
    return rules.rest


def how_to_add(dialect: str) -> str:
    """Return how a user adds a setting of a dialect by hand."""
    rules = RULES.get(dialect)
    return rules.how if rules else "add them by hand"
