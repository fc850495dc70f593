"""fstab and crypttab: which volume a name means, by evidence, and nothing else changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kensho.guest.edit.draft import Draft
from kensho.guest.linux.adapt.boot.crypttab import plan_crypttab
from kensho.guest.linux.adapt.boot.devices import devices_of
from kensho.guest.linux.adapt.boot.fstab import plan_fstab
from kensho.guest.linux.adapt.boot.loaders import plan_loaders
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.device_names import moving
from kensho.model.finding import Severity
from tests.guest.images_of import run
from tests.guest.linux.adapt.boot.machines import (
    DATA,
    ROOT,
    SWAP,
    Part,
    carry_out,
    guest_on,
    make_disk,
    make_whole,
    root,
    tree_of,
)  # fmt: skip
from tests.guest.linux.adapt.making import codes

FSTAB = """\
# /etc/fstab: static file system information.
/dev/sda1	/               ext4    errors=remount-ro 0       1
# swap was on /dev/sda2 during installation
 /dev/sda2       none            swap    sw              0       0
/dev/sr0        /media/cdrom0   udf,iso9660 user,noauto     0       0
/dev/fd0        /media/floppy0  auto    rw,user,noauto  0       0
/dev/mapper/vg-srv /srv xfs defaults 0 0
/dev/md0 /raid ext4 defaults 0 0
LABEL=x\\040y\t/with\\040blank ext3 defaults\t0 2
proc /proc proc defaults 0 0
caf\udce9 # a comment that is not UTF-8
"""
EXPECTED = FSTAB.replace("/dev/sda1\t", f"UUID={ROOT}\t").replace(
    "\n /dev/sda2 ", f"\n UUID={SWAP} "
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("disks")


def two_parts(folder: Path, fstab: str) -> LinuxGuest:
    tree = tree_of(folder, etc__fstab=fstab)
    return guest_on(make_disk(folder, root(tree), Part("swap")))


def test_only_the_names_that_move_change(folder: Path) -> None:
    guest = two_parts(folder, FSTAB)
    plan_fstab(guest)
    assert guest.draft.text("/etc/fstab") == EXPECTED
    (edit,) = guest.draft.edits
    assert edit.details == (f"/: /dev/sda1 → UUID={ROOT}", f"none: /dev/sda2 → UUID={SWAP}")
    assert guest.draft.findings == []


def test_the_second_time_nothing_changes(folder: Path) -> None:
    tree = tree_of(folder, etc__fstab=FSTAB)
    disk = make_disk(folder, root(tree), Part("swap"))
    guest = guest_on(disk)
    plan_fstab(guest)
    carry_out(guest.draft, tree)
    again = guest_on(make_disk(folder, root(tree), Part("swap")))
    plan_fstab(again)
    assert again.draft.edits == ()


def test_util_linux_takes_the_result(folder: Path, tmp_path: Path) -> None:
    guest = two_parts(folder, FSTAB.replace("caf\udce9", "#"))
    plan_fstab(guest)
    path = tmp_path / "fstab"
    path.write_text(guest.draft.text("/etc/fstab"))
    listed = run(
        "findmnt", "--fstab", "--tab-file", path, "--noheadings", "--raw", "-o", "SOURCE,TARGET"
    )
    assert f"UUID={ROOT} /\n" in listed
    assert f"UUID={SWAP} none\n" in listed
    assert "/dev/sda" not in listed


@pytest.mark.parametrize(
    "name",
    ["hda", "sda", "vda", "xvda", "nvme0n1p", "mmcblk0p", "cciss/c0d0p",
     "disk/by-path/pci-0000:03:00.0-scsi-0:0:0:0-part",
     "disk/by-id/scsi-36000c29f9b1f2d6b1f2d6b1f2d6b1f2d-part"],
)  # fmt: skip
def test_names_of_every_controller(folder: Path, name: str) -> None:
    guest = two_parts(folder, f"/dev/{name}1 / ext4 defaults 0 1\n/dev/{name}2 none swap sw 0 0\n")
    plan_fstab(guest)
    expected = f"UUID={ROOT} / ext4 defaults 0 1\nUUID={SWAP} none swap sw 0 0\n"
    assert guest.draft.text("/etc/fstab") == expected


@pytest.mark.parametrize(
    "name", ["mapper/vg-root", "vg/root", "md0", "md/root", "disk/by-uuid/x", "disk/by-label/x",
             "disk/by-id/dm-uuid-LVM-x", "disk/by-id/md-uuid-x", "sr0", "fd0", "disk/by-partuuid/x"]
)  # fmt: skip
def test_names_that_stay(name: str) -> None:
    assert moving(f"/dev/{name}") is None


def test_a_disk_that_is_not_here_is_named(folder: Path) -> None:
    text = f"UUID={ROOT} / ext4 defaults 0 1\n/dev/sdb1 /data ext4 defaults 0 2\n"
    guest = two_parts(folder, text)
    plan_fstab(guest)
    assert guest.draft.edits == ()
    (finding,) = guest.draft.findings
    assert (finding.code, finding.severity) == ("KF-860", Severity.WARNING)
    assert "/dev/sdb1 (/data)" in finding.message


def test_a_disk_by_the_only_name_that_is_left(folder: Path) -> None:
    """Two disks, one of them the root's: the other name is the other disk, in whatever order."""
    tree = tree_of(folder, etc__fstab="/dev/sdb1 / ext4 a 0 1\n/dev/sda1 /data ext4 b 0 2\n")
    guest = guest_on(make_disk(folder, root(tree)), make_disk(folder, Part("ext4", uuid=DATA)))
    plan_fstab(guest)
    expected = f"UUID={ROOT} / ext4 a 0 1\nUUID={DATA} /data ext4 b 0 2\n"
    assert guest.draft.text("/etc/fstab") == expected


THREE = f"UUID={ROOT} / ext4 a 0 1\n/dev/sdb1 /srv ext4 a 0 2\n/dev/sdc1 /data ext4 b 0 2\n"


def test_what_cannot_be_told_is_left(folder: Path) -> None:
    tree = tree_of(folder, etc__fstab=THREE)
    guest = guest_on(
        make_disk(folder, root(tree)),
        make_disk(folder, Part("ext4")),
        make_disk(folder, Part("ext4")),
    )
    plan_fstab(guest)
    assert guest.draft.edits == ()
    assert codes(guest.draft) == ["KF-860", "KF-860"]


def test_where_it_was_mounted_last_tells(folder: Path) -> None:
    """The disks come in another order than the letters: the superblock knows better."""
    tree = tree_of(folder, etc__fstab=THREE)
    guest = guest_on(
        make_disk(folder, root(tree)),
        make_disk(folder, Part("ext4", uuid=DATA, mounted="/data")),
        make_disk(folder, Part("ext4", uuid=SWAP, mounted="/srv")),
    )
    plan_fstab(guest)
    assert guest.draft.text("/etc/fstab") == THREE.replace("/dev/sdb1", f"UUID={SWAP}").replace(
        "/dev/sdc1", f"UUID={DATA}"
    )


def test_two_volumes_with_one_uuid_are_told_by_their_partitions(folder: Path) -> None:
    tree = tree_of(folder, etc__fstab="/dev/sda1 / ext4 a 0 1\n")
    disk = make_disk(folder, root(tree), Part("ext4", uuid=ROOT), label="dos")
    guest = guest_on(disk)
    plan_fstab(guest)
    assert guest.draft.text("/etc/fstab") == "PARTUUID=c0ffee01-01 / ext4 a 0 1\n"


def test_a_drive_that_a_start_would_wait_for(folder: Path) -> None:
    text = f"UUID={ROOT} / ext4 defaults 0 1\n/dev/hdc /media/cd iso9660 ro,user\t0 0\n"
    guest = two_parts(folder, text)
    plan_fstab(guest)
    assert guest.draft.text("/etc/fstab") == text.replace("ro,user", "ro,user,nofail")


def test_a_drive_without_systemd_is_named(folder: Path) -> None:
    tree = tree_of(folder, etc__fstab="/dev/hdc /media/cd iso9660 ro 0 0\n")
    (tree / "usr/lib/systemd/systemd").unlink()
    guest = guest_on(make_disk(folder, root(tree)))
    plan_fstab(guest)
    assert (guest.draft.edits, codes(guest.draft)) == ((), ["KF-860"])


_WORD = st.text(
    st.characters(codec="ascii", categories=["L", "N", "P"], exclude_characters="#"), min_size=1
)
_DEVICE = st.one_of(
    st.sampled_from(["/dev/sda1", "/dev/sda2", "/dev/sdb1", "/dev/sr0", f"UUID={ROOT}", "tmpfs", "/dev/vg/x"]),
    _WORD,
)  # fmt: skip
_BLANK = st.text(" \t", min_size=1, max_size=3)
_LINE = st.one_of(
    st.builds("".join, st.tuples(_DEVICE, _BLANK, st.sampled_from(["/", "/x", "none"]), _BLANK,
                                 st.sampled_from(["ext4", "swap", "auto"]), _BLANK, _WORD)),
    st.builds("#{}".format, st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))),
    st.just(""),
)  # fmt: skip


@pytest.fixture(scope="module")
def with_text(folder: Path) -> Callable[[str], LinuxGuest]:
    plain = two_parts(folder, "/dev/sda1 / ext4 defaults 0 1\n/dev/sda2 none swap sw 0 0\n")

    def make(text: str) -> LinuxGuest:
        guest = LinuxGuest(plain.system, plain.opened, plain.aims, Draft(plain.system.files, "x"))
        guest.draft.write("/etc/fstab", text, "as generated")
        return guest

    return make


@settings(deadline=None, max_examples=60)
@given(st.lists(_LINE, max_size=8), st.sampled_from(["", "\n"]))
def test_everything_else_stays_byte_for_byte(
    with_text: Callable[[str], LinuxGuest], lines: list[str], end: str
) -> None:
    text = "\n".join(lines) + end
    guest = with_text(text)
    plan_fstab(guest)
    result = guest.draft.text("/etc/fstab")
    back = result.replace(",nofail", "")
    before, after = re.split(r"(\s+)", text.replace(",nofail", "")), re.split(r"(\s+)", back)
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert all(a in {"/dev/sda1", "/dev/sda2"} for a, _ in changed)
    assert all(b in {f"UUID={ROOT}", f"UUID={SWAP}"} for _, b in changed)
    plan_fstab(guest)
    assert guest.draft.text("/etc/fstab") == result


CRYPTTAB = """\
# <target name> <source device>         <key file>      <options>
data /dev/sda3 none luks
cswap	/dev/sda2	/dev/urandom	swap,cipher=aes-xts-plain64,size=256
stays UUID=x none luks
"""


def test_crypttab(folder: Path) -> None:
    tree = tree_of(folder, etc__fstab="/dev/sda1 / ext4 a 0 1\n", etc__crypttab=CRYPTTAB)
    disk = make_disk(folder, root(tree), Part(""), Part("crypto_LUKS"), label="dos")
    guest = guest_on(disk)
    plan_crypttab(guest)
    assert guest.draft.text("/etc/crypttab") == CRYPTTAB.replace(
        "/dev/sda3", f"UUID={DATA}"
    ).replace("/dev/sda2", "/dev/disk/by-partuuid/c0ffee01-02")


def test_a_random_key_never_meets_a_volume_with_something_on_it(folder: Path) -> None:
    tree = tree_of(folder, etc__fstab="/dev/sda1 / ext4 a 0 1\n", etc__crypttab=CRYPTTAB)
    disk = make_disk(folder, root(tree), Part("ext4"), Part("crypto_LUKS"))
    guest = guest_on(disk)
    plan_crypttab(guest)
    assert "/dev/sda2" in guest.draft.text("/etc/crypttab")
    (finding,) = guest.draft.findings
    assert (finding.code, finding.severity) == ("KF-860", Severity.ERROR)
    assert "overwritten" in finding.message


def test_a_disk_that_only_crypttab_names_is_not_another(folder: Path) -> None:
    """The only LUKS that is left is not what is on a third disk, when there are two."""
    tree = tree_of(
        folder, etc__fstab="/dev/sda1 / ext4 a 0 1\n", etc__crypttab="x /dev/sdc1 none\n"
    )
    guest = guest_on(make_disk(folder, root(tree)), make_disk(folder, Part("crypto_LUKS")))
    plan_crypttab(guest)
    assert (guest.draft.edits, codes(guest.draft)) == ((), ["KF-860"])


def test_the_root_tells_its_disk_by_the_loader(folder: Path) -> None:
    tree = tree_of(
        folder, etc__fstab=f"UUID={ROOT} / ext4 a 0 1\n/dev/sdb2 none swap sw 0 0\n",
        boot__grub__menu__lst="", **{"boot__grub__grub.cfg": "linux /vmlinuz root=/dev/sdb1 ro\n"},
    )  # fmt: skip
    guest = guest_on(make_disk(folder, root(tree), Part("swap")))
    volume = devices_of(guest).volume("/dev/sdb2", "swap")
    assert volume is not None
    assert volume.content.uuid == SWAP


def test_disks_that_are_called_like_partitions(folder: Path) -> None:
    """Xen's PV guests have a disk without partitions for each of xvda1, xvda2."""
    text = "/dev/xvda2 / ext4 a 0 1\n/dev/xvda1 none swap sw 0 0\n/dev/xvda3 /data ext4 a 0 0\n"
    tree = tree_of(folder, etc__fstab=text)
    parts = (root(tree), Part("swap"), Part("ext4", uuid=DATA))
    guest = guest_on(*(make_whole(folder, part) for part in parts))
    plan_fstab(guest)
    expected = text.replace("/dev/xvda2", f"UUID={ROOT}").replace("/dev/xvda1", f"UUID={SWAP}")
    assert guest.draft.text("/etc/fstab") == expected.replace("/dev/xvda3", f"UUID={DATA}")


def test_one_volume_in_several_places(folder: Path) -> None:
    """Subvolumes of btrfs have a line each."""
    text = "/dev/sda1 / ext4 a 0 1\n/dev/sda1 /home ext4 subvol=x 0 0\n"
    guest = two_parts(folder, text)
    plan_fstab(guest)
    assert guest.draft.text("/etc/fstab") == text.replace("/dev/sda1", f"UUID={ROOT}")


OTHER = "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee"
MENU = """\
menuentry 'Own' {
 linux /boot/vmlinuz-1 root=%s ro
 initrd /boot/initrd-1
}
### BEGIN /etc/grub.d/30_os-prober ###
menuentry 'Other (on /dev/sdb1)' {
 linux /boot/vmlinuz-2 root=/dev/sdb1
 initrd /boot/initrd-2
}
### END /etc/grub.d/30_os-prober ###
"""


@pytest.mark.parametrize("own", [f"UUID={ROOT}", "/dev/sda1"])
@pytest.mark.parametrize("marked", [True, False])
def test_another_systems_root_is_not_this_ones(folder: Path, own: str, marked: bool) -> None:
    """Both roots are partition 1: the other's name must not become this one's disk."""
    menu = MENU % own if marked else (MENU % own).replace("os-prober", "other")
    fstab = f"{own} / ext4 a 0 1\n/dev/sdb2 /data ext4 a 0 2\n"
    tree = tree_of(folder, etc__fstab=fstab, **{"boot/grub/grub.cfg": menu})
    guest = guest_on(
        make_disk(folder, root(tree), Part("ext4", uuid=SWAP)),
        make_disk(folder, Part("ext4", uuid=OTHER), Part("ext4", uuid=DATA)),
    )
    plan_fstab(guest)
    plan_loaders(guest)
    assert f"UUID={SWAP}" not in guest.draft.text("/etc/fstab")
    other = guest.draft.text("/boot/grub/grub.cfg").partition("vmlinuz-2 ")[2]
    assert other.startswith(f"root=UUID={OTHER}\n")


def test_a_menu_of_nothing_but_beginnings(folder: Path) -> None:
    """None of these parts has an end: each is the system's own, and looked at once."""
    begin = "### BEGIN /etc/grub.d/30_os-prober ###\n"
    menu = begin * 12_000 + MENU.replace("### END", "### end") % "/dev/sda1"
    tree = tree_of(folder, etc__fstab="LABEL=x / ext4 a 0 1\n", **{"boot/grub/grub.cfg": menu})
    guest = guest_on(make_disk(folder, root(tree)))
    plan_loaders(guest)
    assert f"root=UUID={ROOT}" in guest.draft.text("/boot/grub/grub.cfg")


def test_a_disk_that_is_not_here_is_not_another(folder: Path) -> None:
    """A backup's disk is gone: its place must not become the partition that /boot is on."""
    id_, backup = (
        "/dev/disk/by-id/ata-SYSTEM",
        "/dev/disk/by-id/ata-BACKUP-part2 /backup ext4 a 0 0\n",
    )
    text = f"{id_}-part1 / ext4 a 0 1\n{id_}-part2 /boot ext4 a 0 2\n"
    tree = tree_of(folder, etc__fstab=text + backup)
    guest = guest_on(make_disk(folder, root(tree), Part("ext4", uuid=DATA)))
    plan_fstab(guest)
    made = guest.draft.text("/etc/fstab")
    assert made == f"UUID={ROOT} / ext4 a 0 1\nUUID={DATA} /boot ext4 a 0 2\n{backup}"


def test_two_names_for_one_volume_contradict(folder: Path) -> None:
    text = f"UUID={ROOT} / ext4 a 0 1\n" + "".join(
        f"/dev/disk/by-id/nvme-{name}-part1 /{name} ext4 a 0 2\n" for name in ("old", "new")
    )
    tree = tree_of(folder, etc__fstab=text)
    guest = guest_on(make_disk(folder, Part("swap"), root(tree)), make_disk(folder, Part("ext4")))
    plan_fstab(guest)
    assert (guest.draft.edits, codes(guest.draft)) == ((), ["KF-860", "KF-860"])


def test_letters_that_tell_of_a_disk_more_are_no_evidence(folder: Path) -> None:
    """sdb or sdc is not here: which one cannot be told by what is left."""
    text = f"UUID={ROOT} / ext4 a 0 1\n/dev/sdb1 /b ext4 a 0 2\n/dev/sdc2 /c ext4 a 0 2\n"
    tree = tree_of(folder, etc__fstab=text)
    guest = guest_on(make_disk(folder, Part("swap"), root(tree)), make_disk(folder, Part("ext4")))
    plan_fstab(guest)
    assert (guest.draft.edits, codes(guest.draft)) == ((), ["KF-860", "KF-860"])


@pytest.mark.parametrize("name", ["dm-0", "disk/by-id/usb-X-part2"])
def test_what_only_fits_by_its_shape(folder: Path, name: str) -> None:
    """A mapping is on no disk of its own; a partition with nothing on it is no ext4."""
    tree = tree_of(folder, etc__fstab=f"UUID={ROOT} / ext4 a 0 1\n/dev/{name} /data ext4 a 0 0\n")
    whole = make_whole(folder, Part("ext4", uuid=DATA))
    guest = guest_on(make_disk(folder, root(tree), Part("")), whole)
    plan_fstab(guest)
    assert (guest.draft.edits, codes(guest.draft)) == ((), ["KF-860"])


def test_a_random_key_needs_more_than_a_partition_that_fits(folder: Path) -> None:
    """What is on it may be of a kind that is not known; the second disk has no second partition."""
    line = "s /dev/sdb2 /dev/urandom swap\n"
    tree = tree_of(folder, etc__fstab=f"UUID={ROOT} / ext4 a 0 1\n", etc__crypttab=line)
    guest = guest_on(make_disk(folder, root(tree), Part("")), make_disk(folder, Part("ext4")))
    plan_crypttab(guest)
    assert guest.draft.text("/etc/crypttab") == line
    assert guest.draft.findings[0].severity is Severity.ERROR


def test_devices_in_options_are_named(folder: Path) -> None:
    text = f"UUID={ROOT} / ext4 a 0 1\nUUID={DATA} /d btrfs device=/dev/sdb,device=/dev/sdc 0 0\n"
    guest = two_parts(folder, text)
    plan_fstab(guest)
    assert (guest.draft.edits, codes(guest.draft)) == ((), ["KF-860", "KF-860"])
