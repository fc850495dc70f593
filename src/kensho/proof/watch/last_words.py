r"""What guests, their boot loaders and firmware say when they fail: a row for each way, in the order tried.

Words are those of the programs' own sources and of logs people published, with where each is from. A line
is matched alone, without its escape sequences. A row's order counts: what is said of a reason comes
before what is said of its effect, as a kernel's panic is the effect of a root that is not there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

#: In place of a code: the root was not found; which code that is, its driver decides.
ROOT = "root"


@dataclass(frozen=True, slots=True)
class Words:
    """``mends`` is the finding that would have told, or whose adaptation mends it, empty where none.

    ``because`` are lines before it that say more. With ``before`` it counts only for a guest that did not
    reach this milestone: what GRUB complains of, it often does without.
    """

    code: str
    pattern: re.Pattern[str]
    what: str
    remedy: str
    mends: str = ""
    because: re.Pattern[str] | None = None
    before: str = ""


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


_NO_INIT = Words(
    "KF-962",
    _any(
        # init/main.c of Linux, of all ages
        r"No working init found", r"No init found\. ", r"Requested init .{1,80} failed",
        # initramfs-tools' init; klibc's and busybox' run-init, switch_root
        r"Target filesystem doesn't have ", r"run-init: .{1,80}: (No such file|Permission|Exec format)",
        r"switch_root: can't execute ", r"switch_root: .{1,80}(No such file|not found)",
        # dracut's init.sh; mkinitcpio's init; Alpine's mkinitfs
        r"Cannot find init!", r"Root device mounted successfully, but .{1,80} does not exist",
        r"/sbin/init not found in new root",
        # systemd's switch-root in an initramfs
        r"Failed to switch root: ", r"does not seem to be an OS tree\. os-release file is missing",
        r"Failed to execute /.{0,40}init",
    ),
    "the root was found, and has no init that can be run",
    "look at init= on the kernel's command line, and at /sbin/init in the guest",
)  # fmt: skip

_WAITS = (
    Words(
        "KF-992",
        _any(
            # cryptsetup-initramfs; cryptsetup itself, dracut, Alpine's nlplug-findfs; GRUB's cryptodisk
            r"Please unlock disk ", r"Enter passphrase for ",
            # systemd-cryptsetup; mkinitcpio's encrypt; ZFS' zfs load-key uses the second
            r"[Pp]lease enter (LUKS )?(passphrase|password|recovery key|LUKS2 token PIN)",
            r"A password is required to access the .{1,60} volume", r"Password entry required for '",
            # Windows: the boot manager's BitLocker screen in text mode
            r"Enter the recovery key (for this drive|to get going)", r"BitLocker recovery$",
        ),
        "the guest waits for the passphrase of an encrypted volume, which nobody types",
        "prove a copy that is unlocked by itself; kensho inspect --key reads its files without a start",
        mends="KF-800",
    ),
    Words(
        "KF-992",
        _any(
            # initramfs-tools' checkfs; e2fsprogs; sysvinit's checkroot; mkinitcpio's fsck hook
            r"requires a manual fsck", r"UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY",
            r"fsck failed\. {1,2}Please repair manually", r"\(Repair filesystem\) \d",
            r"An error occurred during the file ?system check",
        ),
        "the guest waits for somebody to repair a file system",
        "start the original once and shut it down cleanly, or run fsck on a copy",
        mends="KF-801",
    ),
)  # fmt: skip

_NO_ROOT = Words(
    ROOT,
    _any(
        # initramfs-tools' scripts/local (older: without "file system")
        r"ALERT! .{1,200} does not exist", r"Gave up waiting for (root|encrypted)", r"^\(initramfs\)",
        r"No root device specified\. Boot arguments", r"Failed to mount .{1,80} as root file system",
        # dracut: RHEL 6's, 7's, and under systemd
        r"dracut.{0,40}Warning: .{0,100}(does not exist|doest not exist)", r"No root device \S+ found",
        r"dracut.{0,40}Warning: Could not boot", r"Boot has failed\. To debug this issue",
        r"dracut-initqueue(\[\d+\])?: Warning: .{0,60}(timeout|still waiting)",
        r"dracut: FATAL: (No or empty root|Don't know how to handle)", r"^dracut:/# ?", r"dracut-emergency",
        r"Can't mount root filesystem", r"you passed a valid root filesystem",
        r"Dependency failed for (.{0,20}sysroot\.mount|.{0,4}/sysroot|Initrd Root|.{0,40}Initrd Root)",
        # Red Hat's nash, up to 5
        r"mount: could not find file ?system '/?dev/root'", r"switchroot: mount failed",
        # mkinitcpio; Alpine's mkinitfs
        r"ERROR: [Ff]ailed to mount .{0,90} o[nr] real root", r"mount: /new_root: can't find ",
        r"ERROR: [Dd]evice '.{1,90}' not found\. Skipping fsck", r"^\[rootfs ~?\]#",
        r"You are now being dropped into an emergency shell", r"[Ii]nitramfs emergency recovery shell",
        r"mounting .{1,90} on /(sysroot|newroot|new_root) failed", r"Mounting boot media.{0,6}failed",
        # SUSE's mkinitrd
        r"Want me to fall back to ", r"not found -- exiting to /bin/sh", r"^Could not find /dev/",
        # the kernel without an initramfs, or with one that does not come to a root
        r"VFS: (Cannot open root device|Unable to mount root fs)", r"Could not find root\b",
        # FreeBSD's vfs_mountroot.c; OpenBSD's and NetBSD's setroot
        r"^mountroot> ?$", r"mountroot: unable to \(re-\)mount root", r"^Mounting from \S+ failed with error",
        r"^root device( \(default \w+\))?: ?$", r"cannot mount root",
    ),
    "the root was not found",
    "look at root= on the kernel's command line: no volume of the disks may be that",
)  # fmt: skip

#: The line that names the root is the better one, though initramfs-tools says others before it.
_NAMED_ROOT = replace(_NO_ROOT, pattern=re.compile(r"ALERT! .{1,200} does not exist"))

_KERNEL = (
    Words(
        "KF-963",
        _any(
            # glibc's dl-hwcap check; arch/x86/boot/cpu.c
            r"Fatal glibc error: CPU does not support", r"CPU ISA level is lower than required",
            r"This kernel requires (an? \S+ CPU|the following features)",
        ),
        "the guest needs a processor with more features than it was shown",
        "emulation shows x86-64-v2; with KVM it sees this machine's processor",
    ),
    Words(
        "KF-963",
        _any(
            # mm/oom_kill.c; init/initramfs.c; GRUB, SYSLINUX
            r"Out of memory and no killable processes", r"System is deadlocked on memory",
            r"not syncing: Out of memory", r"Initramfs unpacking failed: write error",
            r"^error: out of memory", r"Not enough memory to load specified",
        ),
        "the guest has too little memory to start",
        "--memory gives it more",
    ),
    Words(
        "KF-963",
        _any(r"not syncing: (Fatal )?[Mm]achine check", r"Kernel panic - not syncing: Timeout: Not all CPUs"),
        "the guest's kernel met a fault of its (emulated) processor",
        "start it again; --memory and other profiles tell whether it is the guest",
    ),
    Words(
        "KF-963",
        _any(r"Kernel panic - not syncing: Attempted to kill init", r"systemd\[1\]: Freezing execution"),
        "the first process of the guest ended, so its kernel stopped",
        "look at init= on the kernel's command line, and at the lines before it: a library may be missing",
    ),
    Words(
        "KF-963",
        _any(
            r"Kernel panic - not syncing", r"Kernel panic: ",
            # FreeBSD, OpenBSD and NetBSD, and their debuggers' prompts
            r"^panic: ", r"^db(\{\d+\})?> ?$", r"^ddb(\{\d+\})?> ?$",
        ),
        "the kernel panicked",
        "the lines before it say why; another kernel of the guest may start",
    ),
)  # fmt: skip

_LOADERS = (
    Words(
        "KF-964",
        _any(
            # GRUB 2: kern/rescue_reader.c, disk.c, fs.c; GRUB legacy: stage2/common.c, stage1.S
            r"^grub( rescue)?> ?$", r"^error: no such (device|partition|disk)", r"^error: unknown filesystem",
            r"^error: (disk|file) [`'].{1,120}' not found", r"^error: you need to load the kernel first",
            r"^error: attempt to read or write outside of (disk|partition)", r"^error: symbol [`'].{1,60}' not",
            r"^Error (1[3-9]|2[0-5]): ", r"^GRUB (Hard Disk|Geom|Read)? ?Error",
            # SYSLINUX and EXTLINUX: core/elflink, diskstart.inc; LILO's first stage
            r"No DEFAULT or UI configuration directive found", r"No configuration file found",
            r"Could not find kernel image: ", r"Failed to load (ldlinux\.c32|COM32 file)",
            r"^LI?L?(I|-|\?)?( \d\d)+$",
            # systemd-boot, gummiboot
            r"No loader found\. Configuration files in ",
            r"Error (loading|opening) \\?\\?\S+: Not [Ff]ound", r"Failed to (load|execute) image",
            # FreeBSD's gptboot and loader; OpenBSD's boot(8)
            r"^can't load 'kernel'", r"gptboot: (No|unable)", r"No /boot/(loader|kernel)",
        ),
        "the boot loader does not find its files",
        "make the boot loader's configuration anew, or start from the volume it was made for",
        mends="KF-863",
        before="kernel",
    ),
    Words(
        "KF-964",
        _any(
            # the boot sectors of NTFS and FAT, the boot manager's error screen
            r"BOOTMGR (is missing|is compressed|image is corrupt)", r"NTLDR is (missing|compressed)",
            r"NTDETECT failed", r"A disk read error occurred", r"Status: 0xc0000(00[ef]|225|098|034|428|605)",
            r"The boot selection failed because a required device is inaccessible",
            r"Windows (could not|failed to) start", r"Boot Configuration Data .{0,40}(missing|errors|read)",
        ),
        "Windows' boot loader does not find what it starts",
        "kensho adapt puts its boot configuration right where it can be told",
        mends="KF-889",
    ),
)  # fmt: skip

_FIRMWARE = (
    Words(
        "KF-965",
        _any(
            # SeaBIOS' boot.c; edk2's BdsDxe and shell; VirtualBox, Phoenix and AMI; boot sectors' own words
            r"No bootable device", r"No bootable option or device", r"not a bootable disk",
            r"could not read the boot disk", r"EFI Internal Shell", r"UEFI Interactive Shell", r"^Shell> ?",
            r"No bootable medium found", r"Reboot and Select proper Boot device", r"Non-System disk or disk",
            r"^Operating System not found", r"^Missing operating system", r"^Error loading operating system",
            r"^Invalid (partition table|system disk)", r"^Operating system load error", r"^MBR \d?FA?:",
            r"BdsDxe: failed to (load|start) Boot\d{4}.{1,200}: Access Denied",
        ),
        "the firmware found nothing to start",
        "give the machine the firmware that the guest was installed with (--firmware); for UEFI,"
        " kensho adapt puts a loader where every UEFI looks",
        mends="KF-866",
        before="kernel",
    ),
)  # fmt: skip

_LATER = (
    Words(
        "KF-971",
        # ntoskrnl's text, as the serial console (EMS) and XP's screen have it
        _any(r"\*\*\* STOP: 0x0000007B", r"INACCESSIBLE_BOOT_DEVICE"),
        "Windows stopped: it does not reach its disk (0x7B)",
        "kensho adapt enables the drivers that Windows brings; others: --drivers",
        mends="KF-887",
    ),
    Words(
        "KF-971",
        _any(r"\*\*\* STOP: 0x[0-9A-Fa-f]{8}", r"Windows has been shut down to prevent damage"),
        "Windows stopped",
        "look its stop code up; kensho adapt disables drivers that are for the old platform alone",
        mends="KF-891",
    ),
    Words(
        "KF-969",
        _any(
            # systemd's emergency.service, sulogin; sysvinit; FreeBSD's init(8) when rc failed
            r"You are in (emergency|rescue) mode", r"Welcome to emergency mode",
            r"Give root password for (maintenance|system maintenance)", r"Press Enter for (system )?maintenance",
            r"Cannot open access to console, the root account is locked", r"Entering emergency mode",
            r"A maintenance shell will now be started", r"Enter full pathname of shell or RETURN for /bin/sh",
        ),
        "the guest came up in its rescue shell",
        "a line of fstab may name a volume that is not there: kensho adapt names them by UUID",
        mends="KF-810",
        because=_any(
            r"Timed out waiting for device ", r"Failed to mount /", r"Dependency failed for /",
            r"Failed to start File System Check", r"can't find (UUID|LABEL|PARTUUID)=",
        ),
    ),
    Words(  # dracut does so with rd.shell=0 and nothing else on the console, and so may a guest of its own
        ROOT,
        _any(r"reboot: System halted"),
        "the initramfs gave up",
        "look at root= on the kernel's command line: no volume of the disks may be that",
    ),
)  # fmt: skip

ROWS: tuple[Words, ...] = (
    _NO_INIT, *_WAITS, _NAMED_ROOT, _NO_ROOT, *_KERNEL, *_LOADERS, *_FIRMWARE, *_LATER,
)  # fmt: skip

PANIC = (
    "the kernel panicked",
    _any(r"Kernel panic - not syncing", r"Kernel panic: ", r"^d?db(\{\d+\})?> ?$"),
)
#: What a guest does not get past by itself, once it has said it: its run need not go on.
FINAL: tuple[tuple[str, re.Pattern[str]], ...] = (
    PANIC,
    (
        "the initramfs did not find the root file system",
        _any(
            r"ALERT! .{1,200} does not exist", r"Gave up waiting for root", r"^\(initramfs\)", r"^mountroot> ?$",
            r"You are now being dropped into an emergency shell", r"[Ii]nitramfs emergency recovery shell",
            r"not found -- exiting to /bin/sh",
        ),
    ),
    (
        "the initramfs gave up",
        _any(r"dracut-emergency", r"^dracut:/# ?", r"Entering emergency mode", r"reboot: System halted"),
    ),
    (
        "the guest started its rescue shell",
        _any(
            r"You are in (emergency|rescue) mode", r"Welcome to emergency mode",
            r"Enter full pathname of shell or RETURN for /bin/sh",
        ),
    ),
    (
        "the boot loader does not find its files",
        _any(
            r"^grub( rescue)?> ?$", r"BOOTMGR is missing", r"NTLDR is missing", r"A disk read error occurred",
            r"The boot selection failed because", r"No loader found\. Configuration files in ",
        ),
    ),
    (
        "the firmware found nothing to boot",
        _any(
            r"No bootable device", r"No bootable option or device was found", r"EFI Internal Shell",
            r"UEFI Interactive Shell", r"^Shell> ?", r"^(Operating System not found|Missing operating system)",
        ),
    ),
)  # fmt: skip
