from __future__ import annotations

import pytest

from kensho.proof.watch.serial import SerialWatch

GOOD_BOOT = """\
\x1b[2J\x1b[01;01HBdsDxe: loading Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x3,0x0)\r
BdsDxe: starting Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x3,0x0)\r
\x1b[0m\x1b[30m\x1b[47mWelcome to GRUB!\r
\x1b[37m\x1b[40m    Booting `Debian GNU/Linux'\r
[    0.000000] Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org)\r
[    0.000000] Command line: BOOT_IMAGE=/vmlinuz root=UUID=1 ro console=ttyS0\r
Begin: Running /scripts/local-block ... done.\r
[   16.200000] EXT4-fs (vda3): mounted filesystem with ordered data mode. Quota mode: none.\r
\r
Welcome to \x1b[1mDebian GNU/Linux 12 (bookworm)\x1b[0m!\r
[\x1b[0;32m  OK  \x1b[0m] Reached target \x1b[0;1;39mgetty.target\x1b[0m - Login Prompts.\r
\r
Debian GNU/Linux 12 guest ttyS0\r
\r
guest login: """

ALL = ["firmware", "boot loader", "kernel", "root file system", "user space", "login"]


def watch(text: str, step: int = 0) -> SerialWatch:
    """Feed a text in pieces of ``step`` bytes, at one second each."""
    result, data = SerialWatch(), text.encode()
    size = step or len(data)
    for second, start in enumerate(range(0, len(data), size)):
        result.feed(data[start : start + size], float(second))
    return result


@pytest.mark.parametrize("step", [0, 1, 3, 64])
def test_a_boot_to_the_login_prompt(step):
    seen = watch(GOOD_BOOT, step)
    assert list(seen.milestones) == ALL
    assert seen.failure == ""
    assert list(seen.milestones.values()) == sorted(seen.milestones.values())


def test_new_milestones_are_returned_once():
    seen = SerialWatch()
    assert seen.feed(b"[    0.000000] Linux version 6.1\n", 1.0) == ("kernel",)
    assert seen.feed(b"[    0.000000] Linux version 6.1\n", 2.0) == ()
    assert seen.milestones == {"kernel": 1.0}


@pytest.mark.parametrize(
    "prompt",
    [
        "login: ", "localhost login: ", "host.example login: [   40.1] random: crng init done\n",
        "sol console login: ", "debian login:          Starting x.service...\n", "login:\n",
        "debian login: root (automatic login)\n", "arch login: [  OK  ] Started y.\n",
    ],
)  # fmt: skip
def test_login_prompts(prompt):
    assert "login" in watch("\n" + prompt).milestones


@pytest.mark.parametrize(
    "text",
    [
        "Starting systemd-logind.service - User Login Management...\n",
        "Reached target getty.target - Login Prompts: ",
        "audit: last login: never\n",
        "Last login: Mon Nov 16 09:12:01 UTC 2026 on ttyS0\n",
        "Web login: https://10.0.2.15:8443/\n",
        "sulogin: ",
        " login: a title of GRUB's menu\n",
    ],
)
def test_what_is_no_login_prompt(text):
    assert "login" not in watch(text).milestones


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("[    3.1] Kernel panic - not syncing: VFS: Unable to mount root fs\n", "panicked"),
        ("ALERT!  UUID=1234 does not exist.  Dropping to a shell!\n", "root file system"),
        ("Gave up waiting for root file system device.\n", "root file system"),
        ("BusyBox v1.35\n\n(initramfs) ", "root file system"),
        ("\ndracut:/# ", "initramfs"),
        ("[   90.5] reboot: System halted\n", "initramfs"),
        ("You are in emergency mode. After logging in, type\n", "rescue"),
        ("error: unknown filesystem.\r\nEntering rescue mode...\r\ngrub rescue> ", "boot loader"),
        ("\x1b[2J\r\ngrub> ", "boot loader"),
        ("Booting from Hard Disk...\nNo bootable device.  Retrying in 60 s\n", "firmware"),
        ("BdsDxe: No bootable option or device was found.\r\n", "firmware"),
        ('BdsDxe: loading Boot0002 "EFI Internal Shell" from Fv(7CB8)\r\n', "firmware"),
        ("\x1b[1m\x1b[33mShell> ", "firmware"),
    ],
)
def test_failures(text, meaning):
    assert meaning in watch(text).failure


def test_a_failure_whose_line_comes_in_pieces_is_told_whole():
    seen = SerialWatch()
    seen.feed(b"Kernel panic - not syncing:", 1.0)
    assert seen.failure
    seen.feed(b" a test\r\nKernel panic - not syncing: another\r\n", 1.1)
    assert seen.failure == "the kernel panicked: Kernel panic - not syncing: a test"


def test_the_first_failure_is_kept():
    seen = watch("ALERT! UUID=1 does not exist.\nKernel panic - not syncing: killed init\n")
    assert "UUID=1" in seen.failure


def test_nothing_fails_after_the_login_prompt():
    seen = watch(GOOD_BOOT)
    seen.feed(b"root\r\n(initramfs) \n", 60.0)
    assert seen.failure == ""


def test_a_kernel_that_panics_after_the_login_prompt_has_failed():
    seen = watch(GOOD_BOOT + "\r\n[   60.1] Kernel panic - not syncing: Fatal exception\r\n")
    assert seen.failure.startswith("the kernel panicked")


def test_another_start_has_to_come_up_itself():
    seen = watch(GOOD_BOOT)
    seen.restart()
    assert seen.feed(b"SeaBIOS (version 1.16)\r\n", 60.0) == ()
    assert "login" not in seen.milestones
    assert seen.feed(GOOD_BOOT.encode(), 90.0) == ("login",)
    assert seen.milestones["login"] == 90.0


def test_endless_lines_and_bytes_that_are_no_text():
    seen = SerialWatch()
    for _ in range(100):
        seen.feed(b"\xff" * 10_000, 0.0)
    seen.feed(b"\nguest login: ", 1.0)
    assert seen.milestones == {"login": 1.0}


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("XFS (", "): Mounting V5"),
        ("EXT4-fs (", "): mounted"),
        ("BTRFS info ", ": first mount"),
        ("Mounted ", " /root"),
    ],
)
def test_what_repeats_the_begin_of_a_milestone_is_not_searched_to_its_end(begin, end):
    seen = SerialWatch()
    seen.feed(f"{begin}{'x' * 200}{end}\n".encode(), 0.0)
    assert seen.milestones == {}
    seen.feed(f"{begin}{'x' * 20}{end}\n".encode(), 0.0)
    assert seen.milestones == {"root file system": 0.0}
