"""Why guests did not come up: lines that their kernels, initramfs and firmware really write.

The words are those of logs that people published, or of the program's own source, as said of each.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from kensho.proof.causes.likely import Cause, likely_cause
from kensho.proof.qemu.bounds import Stop
from kensho.proof.watch.last_words import FINAL, ROWS
from kensho.proof.watch.pictures import Screenshot
from kensho.proof.watch.result import BootResult, Verdict
from kensho.proof.watch.screen import Look
from kensho.proof.watch.serial import SerialWatch, plain

#: What a guest says, the code it is told by where its disk is driven, and a word of what is told.
SAID = [
    # initramfs-tools, scripts/local of Debian 12 and (without "file system") of Debian 6
    ("ALERT!  UUID=0-1 does not exist.  Dropping to a shell!", "KF-961", "root"),
    ("Gave up waiting for root file system device.  Common problems:", "KF-961", "root"),
    ("Gave up waiting for root device.  Common problems:", "KF-961", "root"),
    ("No root device specified. Boot arguments must include a root= parameter.", "KF-961", "root"),
    ("Target filesystem doesn't have requested /nothing.\n(initramfs) ", "KF-962", "init"),
    ("No init found. Try passing init= bootarg.", "KF-962", "init"),
    ("run-init: /sbin/nothing: No such file or directory", "KF-962", "init"),
    ("The root filesystem on /dev/sda1 requires a manual fsck\n(initramfs) ", "KF-992", "repair"),
    # void-linux/void-packages#24128 and dracutdevs/dracut#837, #1822; RHEL 6's dracut 004
    ("dracut Warning: Could not boot", "KF-961", "root"),
    ("dracut Warning: /dev/disk/by-uuid/x doest not exist", "KF-961", "root"),
    (
        "dracut-initqueue[300]: Warning: dracut-initqueue timeout - starting timeout scripts",
        "KF-961",
        "root",
    ),
    (
        "dracut-initqueue[543]: Warning: dracut-initqueue: timeout, still waiting for following",
        "KF-961",
        "root",
    ),
    ('dracut Warning: No root device "block:/dev/mapper/vg-root" found', "KF-961", "root"),
    ("dracut: FATAL: No or empty root= argument\ndracut: Refusing to continue", "KF-961", "root"),
    (
        "\x1b[0;1;38;5;185mDEPEND\x1b[0m] Dependency failed for \x1b[0;1;39mInitrd Root Device\x1b[0m.",
        "KF-961",
        "",
    ),
    ("\ndracut:/# ", "KF-961", "root"),
    # a NixOS log: systemd in an initramfs whose root is no system
    (
        (
            "Failed to switch root: Specified switch root path '/sysroot' does not seem to be an OS tree."
            " os-release file is missing."
        ),
        "KF-962",
        "init",
    ),
    # RHEL 5's nash, as quoted for years
    (
        "mount: could not find filesystem '/dev/root'\nKernel panic - not syncing: Attempted to kill init!",
        "KF-961",
        "",
    ),
    ("switchroot: mount failed: No such file or directory", "KF-961", "root"),
    # mkinitcpio's init_functions, as in answers at unix.stackexchange.com (352381)
    ("ERROR: device 'PARTUUID=c2' not found. Skipping fsck.", "KF-961", "root"),
    ("ERROR: Failed to mount 'UUID=bad68549' on real root", "KF-961", "root"),
    ("You are now being dropped into an emergency shell.\n[rootfs ~]#", "KF-961", "root"),
    ("ERROR: Root device mounted successfully, but /sbin/init does not exist.", "KF-962", "init"),
    # Alpine's mkinitfs, initramfs-init.in, of 3.2 and of today; busybox' mount
    ("mount: mounting UUID=x on /sysroot failed: No such file or directory", "KF-961", "root"),
    ("initramfs emergency recovery shell launched. Type 'exit' to continue boot", "KF-961", "root"),
    ("/sbin/init not found in new root. Launching emergency recovery shell", "KF-962", "init"),
    # SUSE's mkinitrd, boot-mount.sh
    (
        "Could not find /dev/disk/by-id/ata-x-part2.\nWant me to fall back to /dev/sda2? (Y/n) ",
        "KF-961",
        "root",
    ),
    # Linux: init/do_mounts.c, init/main.c, mm/oom_kill.c, arch/x86/boot/cpu.c, kernel/exit.c
    ('VFS: Cannot open root device "sda9" or unknown-block(0,0)', "KF-961", "root"),
    (
        "Kernel panic - not syncing: No working init found.  Try passing init= option to kernel.",
        "KF-962",
        "",
    ),
    ("Kernel panic - not syncing: Requested init /no failed (error -2).", "KF-962", "init"),
    ("[1.2] Kernel panic - not syncing: Fatal exception in interrupt", "KF-963", "panicked"),
    (
        "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
        "KF-963",
        "first process",
    ),
    ("Kernel panic - not syncing: System is deadlocked on memory", "KF-963", "memory"),
    ("Kernel panic - not syncing: Out of memory and no killable processes...", "KF-963", "memory"),
    ("Initramfs unpacking failed: write error", "KF-963", "memory"),
    ("Kernel panic - not syncing: Fatal machine check", "KF-963", "processor"),
    ("This kernel requires an x86-64 CPU, but only detected an i686 CPU.", "KF-963", "processor"),
    (
        "Fatal glibc error: CPU does not support x86-64-v3\nKernel panic - not syncing: Attempted to kill init!",
        "KF-963",
        "features",
    ),
    # systemd's and sysvinit's rescue shells
    (
        'You are in emergency mode. After logging in, type "journalctl -xb" to view',
        "KF-969",
        "rescue",
    ),
    ("Welcome to emergency mode! After logging in, type", "KF-969", "rescue"),
    ("Cannot open access to console, the root account is locked.", "KF-969", "rescue"),
    ("Give root password for maintenance", "KF-969", "rescue"),
    # locked volumes: cryptsetup-initramfs, systemd-cryptsetup, cryptsetup, mkinitcpio's encrypt hook
    ("Please unlock disk sda5_crypt: ", "KF-992", "passphrase"),
    ("Please enter passphrase for disk QEMU_HARDDISK (luks-1) on /!", "KF-992", "passphrase"),
    ("Enter passphrase for /dev/sda2: ", "KF-992", "passphrase"),
    ("A password is required to access the cryptroot volume:", "KF-992", "passphrase"),
    # FreeBSD's vfs_mountroot.c (qemu-devel, September 2023), init(8); OpenBSD's and NetBSD's kernels
    ("Mounting from cd9660:/dev/iso9660/X failed with error 19.", "KF-961", "root"),
    ("mountroot> ", "KF-961", "root"),
    ("root device: ", "KF-961", "root"),
    ("panic: page fault\ncpuid = 0", "KF-963", "panicked"),
    ("Enter full pathname of shell or RETURN for /bin/sh: ", "KF-969", "rescue"),
]
#: The same of what is said before a kernel starts.
EARLY = [
    # GRUB 2 (grub-core/kern) and legacy (stage2/common.c)
    ("grub rescue> ", "KF-964", "files"),
    ("error: no such device: 5a9e5b5e.", "KF-964", "files"),
    ("error: unknown filesystem.\nEntering rescue mode...", "KF-964", "files"),
    ("error: file `/boot/grub/i386-pc/normal.mod' not found.", "KF-964", "files"),
    ("error: disk `hd0,msdos1' not found.", "KF-964", "files"),
    ("Error 15: File not found", "KF-964", "files"),
    ("Error 17: Cannot mount selected partition", "KF-964", "files"),
    # SYSLINUX' core; systemd-boot
    ("No DEFAULT or UI configuration directive found!\nboot: ", "KF-964", "files"),
    ("Could not find kernel image: linux", "KF-964", "files"),
    ("No loader found. Configuration files in \\loader\\entries\\*.conf are needed.", "KF-964", "files"),
    # Windows: boot sectors of NTFS, and the boot manager's screen
    ("BOOTMGR is missing", "KF-964", "Windows"),
    ("NTLDR is missing", "KF-964", "Windows"),
    ("    Status: 0xc000000e", "KF-964", "Windows"),
    ("    Info: The boot selection failed because a required device is inaccessible.", "KF-964", "Windows"),
    ("    Status: 0xc0000225", "KF-964", "Windows"),
    # SeaBIOS' boot.c; edk2's BdsDxe; VirtualBox' and Phoenix' BIOS; boot sectors of DOS and syslinux
    ("No bootable device.", "KF-965", "firmware"),
    ("Boot failed: not a bootable disk", "KF-965", "firmware"),
    ("BdsDxe: No bootable option or device was found.", "KF-965", "firmware"),
    ("UEFI Interactive Shell v2.2", "KF-965", "firmware"),
    ("FATAL: No bootable medium found! System halted.", "KF-965", "firmware"),
    ("Operating System not found", "KF-965", "firmware"),
    ("Missing operating system.", "KF-965", "firmware"),
]  # fmt: skip


def result(verdict: Verdict = Verdict.FAILED, **changes: object) -> BootResult:
    settings = {
        "verdict": verdict,
        "reason": "",
        "seconds": 9.0,
        "milestones": {"kernel": 2.0},
        "log": "x",
    }
    return BootResult(**(settings | changes))


def cause_of(
    said: str, driver: bool | None = True, found: BootResult | None = None
) -> Cause:  # fmt: skip
    cause = likely_cause(found or result(), said, driver=driver, controller="pvscsi")
    assert cause is not None
    return cause


@pytest.mark.parametrize(("said", "code", "word"), SAID)
def test_what_a_guest_says(said: str, code: str, word: str) -> None:
    cause = cause_of(f"first\n{said}\nlast\n")
    assert (cause.code, word in cause.what) == (code, True), cause
    assert cause.remedy
    assert cause.evidence
    assert cause.evidence in plain(said.replace("\n", " ")) or cause.evidence in said
    other = cause_of(f"first\n{said}\nlast\n", driver=False)
    assert other.code == ("KF-960" if code == "KF-961" else code)


@pytest.mark.parametrize(("said", "code", "word"), EARLY)
def test_what_is_said_before_a_kernel_starts(said: str, code: str, word: str) -> None:
    cause = cause_of(f"first\r\n{said}\r\n", None, result(milestones={"firmware": 1.0}))
    assert (cause.code, word in cause.what) == (code, True), cause


def test_what_a_boot_loader_complains_of_is_no_cause_once_a_kernel_ran() -> None:
    said = "error: file `/boot/grub/locale/en.gmo' not found.\nLinux version 6.1\n"
    assert cause_of(said, True, result(Verdict.TIMEOUT)).code == "KF-970"
    watch = SerialWatch()
    watch.feed(said.encode(), 1.0)
    assert watch.failure == ""


def test_a_missing_volume_of_fstab_is_named() -> None:
    said = (
        "[\x1b[0;1;31m TIME \x1b[0m] Timed out waiting for device \x1b[0;1;39m/dev/disk/by-uuid/9f\x1b[0m.\n"
        "[\x1b[0;1;38;5;185mDEPEND\x1b[0m] Dependency failed for \x1b[0;1;39m/data\x1b[0m.\n"
        "You are in emergency mode. After logging in, type\n"
    )
    cause = cause_of(said)
    assert (cause.code, cause.mends) == ("KF-969", "KF-810")
    assert cause.evidence == "[ TIME ] Timed out waiting for device /dev/disk/by-uuid/9f."


def test_what_only_the_screen_or_the_end_tells() -> None:
    def code(found: BootResult) -> str:
        return cause_of("", None, found).code

    early = {"firmware": 1.0}
    assert code(result(text=("No bootable device.",), milestones=early)) == "KF-965"
    blue = Screenshot("a.png", "0", 9.0, "end", Look.STOPPED)
    assert code(result(Verdict.TIMEOUT, screenshots=(blue,))) == "KF-971"
    # one that was there for seconds counts where the guest restarts, a black one then alone
    black, later = (
        Screenshot("b.png", "1", 9.0, "stop screen", look) for look in (Look.DARK, Look.TEXT)
    )
    assert code(result(Verdict.TIMEOUT, screenshots=(blue, later))) == "KF-970"
    assert code(result(stop=Stop.RESTARTS, screenshots=(blue, later))) == "KF-971"
    assert code(result(Verdict.TIMEOUT, screenshots=(black,))) == "KF-970"
    assert code(result(stop=Stop.RESTARTS, screenshots=(black, later))) == "KF-971"
    xp = ("*** STOP: 0x0000007B (0xF78D2524,0xC0000034,0x00000000,0x00000000)",)
    assert code(result(Verdict.TIMEOUT, text=xp)) == "KF-971"
    assert code(result(stop=Stop.RESTARTS, reason="the guest restarted 2 times")) == "KF-966"
    assert code(result(Verdict.EXITED, reason="the guest powered itself off")) == "KF-968"
    assert code(result(Verdict.TIMEOUT, milestones=early)) == "KF-967"
    assert code(result(stop=Stop.SERIAL)) == "KF-993"
    assert code(result(stop=Stop.DISK)) == "KF-993"
    assert code(result(stop=Stop.ROOM)) == "KF-994"
    assert code(result(Verdict.EXITED, stop=Stop.QEMU)) == "KF-994"
    up = result(Verdict.EXITED, reason="the guest powered itself off", milestones={"login": 9.0})
    assert cause_of("Press Enter for maintenance\n", None, up).code == "KF-968"


def test_a_guest_that_restarts_because_it_panics_is_told_by_its_panic() -> None:
    found = result(stop=Stop.RESTARTS, reason="the guest restarted 2 times")
    assert cause_of("Kernel panic - not syncing: Fatal exception\n", True, found).code == "KF-963"


def healthy() -> str:
    """Return the serial log of a Debian 12 that came up, from its firmware to its login."""
    data = (Path(__file__).parent / "logs/debian12.log.gz").read_bytes()
    return gzip.decompress(data).decode()


def test_a_healthy_log_says_nothing_of_failure() -> None:
    lines = [plain(line) for line in healthy().splitlines()]
    assert len(lines) > 600
    patterns = [row.pattern for row in ROWS] + [pattern for _, pattern in FINAL]
    assert [line for line in lines if any(p.search(line) for p in patterns)] == []
    assert cause_of(healthy(), True, result(Verdict.TIMEOUT)).code == "KF-970"


@pytest.mark.parametrize(
    "line",
    [
        "Begin: Running /scripts/local-block ... done.",
        "Gave up waiting for suspend/resume device",
        "systemd[1]: Started Forward Password Requests to Wall Directory Watch.",
        "[  OK  ] Reached target rescue.target - Rescue Mode.",
        "[    1.0] VFS: Mounted root (ext4 filesystem) readonly on device 254:1.",
        "Trying to mount root from ufs:/dev/vtbd0p2 [rw]...",
        "error: no suitable video mode found.",
        "[    2.1] Initramfs unpacking failed: Decoding failed",  # Ubuntu's lz4, and it starts
        "systemd-fsck[300]: /dev/sda1: clean, 100/2000 files",
        "[    0.0] Kernel command line: root=UUID=1 init=/sbin/init panic=10",
        'audit: type=1400 ... comm="init"',
        "Searching for /dev/root: Could not find rooted path",
        "sh: can't execute 'x': No such file or directory",
        "boot> ",
    ],
)  # fmt: skip
def test_what_healthy_guests_say_too(line: str) -> None:
    cause = cause_of(f"{line}\n", True, result(Verdict.TIMEOUT))
    assert cause.code == "KF-970", cause


def test_a_log_without_line_ends_takes_no_time() -> None:
    said = "dracut Warning: " * 600_000
    assert cause_of(said, True, result(Verdict.TIMEOUT)).code == "KF-970"


def test_the_line_that_names_the_root_is_the_evidence() -> None:
    told = cause_of(
        "Gave up waiting for root file system device.  Common problems:\n"
        " - Missing modules (cat /proc/modules; ls /dev)\n"
        "ALERT!  UUID=1-2 does not exist.  Dropping to a shell!\n",
        driver=False,
    )
    assert told.evidence == "ALERT!  UUID=1-2 does not exist.  Dropping to a shell!"
