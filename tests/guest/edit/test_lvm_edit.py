"""Edits of file systems in LVM: pieces by disk, laid out by arithmetic of the test's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.guest.images_of import MIB, disk_of, ext, partitioned, put, run
from tests.guest.linux.trees import INDEX, MODULES, debian_base
from tests.guest.lvm_disks import group_text, physical_volume
from tests.guest.volumes.test_md import member

from kensho.guest.adapt.carry_out import carry_out
from kensho.guest.adapt.plan import plan_adaptation
from kensho.guest.aims import Aims
from kensho.guest.edit.backends import edit_volume
from kensho.guest.edit.disk import PatchedDisk, Piece
from kensho.guest.edit.patch import pieces
from kensho.guest.edit.plan import FileEdit
from kensho.guest.inspect.kernels import load_kernels
from kensho.guest.linux.initramfs.codecs import pack
from kensho.guest.linux.initramfs.cpio import write_archive
from kensho.guest.linux.modules.index import read_index
from kensho.guest.volumes.scan import scan
from kensho.model.errors import UnsupportedError
from kensho.platforms import find_platform

START, STRIPE = MIB, 64 << 10  #: of the extents on a physical volume; of a stripe
SIZE = 8 * MIB
#: A layout's metadata, and where its first bytes, the next ones … are: (disk, byte there, bytes).
Layout = tuple[str, list[tuple[int, int, int]]]
LINEAR: Layout = (
    group_text([["pv0"]], [(0, 3, ["pv0", 5]), (3, 5, ["pv0", 0])]),
    [(0, START + 5 * MIB, 3 * MIB), (0, START, 5 * MIB)],
)
ACROSS: Layout = (
    group_text([["pv0"], ["pv1"]], [(0, 2, ["pv1", 6]), (2, 4, ["pv0", 0]), (6, 2, ["pv1", 0])]),
    [(1, START + 6 * MIB, 2 * MIB), (0, START, 4 * MIB), (1, START, 2 * MIB)],
)
STRIPED: Layout = (
    group_text([["pv0"], ["pv1"]], [(0, 8, ["pv0", 0, "pv1", 0])], stripe=STRIPE // 512),
    [(n % 2, START + n // 2 * STRIPE, STRIPE) for n in range(SIZE // STRIPE)],
)


def group(layout: Layout, inner: bytes) -> list[bytearray]:
    """Return the physical volumes of a group with ``inner`` in its one volume."""
    text, places = layout
    count = 1 + max(disk for disk, _, _ in places)
    made = [physical_volume(str(n) * 32, text, 10 * MIB) for n in range(count)]
    at = 0
    for disk, start, length in places:
        made[disk][start : start + length] = inner[at : at + length]
        at += length
    return made


def taken_apart(layout: Layout, disks: list[bytes]) -> bytes:
    return b"".join(disks[disk][start : start + length] for disk, start, length in layout[1])


def patched(paths: list[Path], found: list[tuple[str, Piece]]) -> list[bytes]:
    """Return the disks' bytes with the pieces over them."""
    whole = []
    for number, path in enumerate(paths, 1):
        mine = [piece for name, piece in found if name == f"disk{number}"]
        disk = PatchedDisk(disk_of(path), mine)
        data = bytearray(disk.virtual_size)
        disk.read_into(0, memoryview(data))
        whole.append(bytes(data))
    return whole


@pytest.mark.parametrize("layout", [LINEAR, ACROSS, STRIPED], ids=["linear", "across", "striped"])
def test_pieces_are_those_of_each_disk(tmp_path: Path, layout: Layout) -> None:
    inner = ext(tmp_path / "root.ext", None, "-t", "ext4", size=SIZE).read_bytes()
    paths = []
    for number, data in enumerate(group(layout, inner)):
        paths.append(tmp_path / f"pv{number}")
        paths[-1].write_bytes(data)
    *_, volume = scan([disk_of(path) for path in paths]).volumes
    assert volume.id == "vg/root"
    content = os.urandom(2 * MIB)
    edits = (FileEdit("/etc/new", content, ""), FileEdit("/link", None, "", target="etc/new"))
    found = list(pieces(edit_volume(volume, edits, tmp_path)))
    assert len({name for name, _ in found}) == len(paths)
    after = tmp_path / "after.ext"
    after.write_bytes(taken_apart(layout, patched(paths, found)))
    run("e2fsck", "-fn", after)
    run("debugfs", "-R", f"dump /etc/new {tmp_path / 'out'}", after)
    assert (tmp_path / "out").read_bytes() == content


def test_a_root_in_lvm_over_two_disks_with_its_own_boot(tmp_path: Path) -> None:
    root, boot = tmp_path / "root", tmp_path / "boot"
    (root / "etc/initramfs-tools").mkdir(parents=True)
    (root / "boot").mkdir()
    boot.mkdir()
    (root / "etc/os-release").write_text("ID=debian\nVERSION_ID=12\n")
    (root / "etc/fstab").write_text("LABEL=bootfs /boot ext2 defaults 0 2\n")
    (root / "lib").symlink_to("usr/lib")
    index = read_index(INDEX)
    for path in index.files.values():
        (root / MODULES / path).parent.mkdir(parents=True, exist_ok=True)
        (root / MODULES / path).write_bytes(b"\x7fELF " + path.encode())
    for name, text in INDEX.items():
        (root / MODULES / name).write_text(text)
    version = MODULES.rpartition("/")[2]
    base = debian_base(*(f for f in index.files.values() if "virtio" in f))
    (boot / f"initrd.img-{version}").write_bytes(pack(write_archive(base), "zstd"))
    (boot / f"vmlinuz-{version}").write_bytes(b"kernel")
    inner = ext(tmp_path / "root.ext", root, "-t", "ext4", size=SIZE)
    volumes = group(ACROSS, inner.read_bytes())
    (tmp_path / "pv0").write_bytes(volumes[0])
    first, second = tmp_path / "first.img", tmp_path / "second.img"
    partitioned(first, "label: gpt\nstart=2048, size=8192\nstart=10240, size=20480\n", 16 * MIB)
    put(first, MIB, ext(tmp_path / "boot.ext", boot, "-t", "ext2", "-L", "bootfs", size=4 * MIB))
    put(first, 5 * MIB, tmp_path / "pv0")
    second.write_bytes(volumes[1])  # the disk as a whole is the volume
    aims = Aims((find_platform("vmware"),))
    plan = plan_adaptation([disk_of(first), disk_of(second)], aims)
    assert {planned.volume.id for planned in plan.volumes} == {"disk1p1", "vg/root"}
    (tmp_path / "work").mkdir()
    disks = patched([first, second], list(carry_out(plan, tmp_path / "work")))
    after = tmp_path / "after.ext"
    after.write_bytes(taken_apart(ACROSS, [disks[0][5 * MIB : 15 * MIB], disks[1]]))
    run("e2fsck", "-fn", after)
    assert "vmw_pvscsi" in run("debugfs", "-R", "cat /etc/initramfs-tools/modules", after)
    after.write_bytes(disks[0][MIB : 5 * MIB])
    run("e2fsck", "-fn", after)
    for number, data in enumerate(disks):
        (tmp_path / f"adapted{number}").write_bytes(data)
    (loaded,) = load_kernels([disk_of(tmp_path / f"adapted{number}") for number in range(2)])
    assert loaded.kernel is not None
    assert "vmw_pvscsi" in loaded.kernel.in_initramfs
    again = plan_adaptation([disk_of(tmp_path / f"adapted{n}") for n in range(2)], aims)
    assert [(e.path, e.why, e.content) for v in again.volumes for e in v.edits] == []


@pytest.mark.parametrize("in_lvm", [False, True])
def test_all_sides_of_a_mirror_are_changed_alike(tmp_path: Path, *, in_lvm: bool) -> None:
    inner = ext(tmp_path / "root.ext", None, "-t", "ext4", size=SIZE).read_bytes()
    whole = bytes(group(LINEAR, inner)[0]) if in_lvm else inner
    paths = [
        member(tmp_path / "one.img", whole, role=0, places=2),
        member(tmp_path / "two.img", whole, role=1, places=2, data=4096),
    ]
    *_, volume = scan([disk_of(path) for path in paths]).volumes
    assert volume.id == ("vg/root" if in_lvm else "md/0")
    found = list(pieces(edit_volume(volume, (FileEdit("/new", b"x", ""),), tmp_path)))
    one, two = patched(paths, found)
    sides = (one[2048 * 512 :][: len(whole)], two[4096 * 512 :][: len(whole)])
    assert sides[0] == sides[1] != whole
    after = tmp_path / "after.ext"
    after.write_bytes(taken_apart(LINEAR, [sides[0]]) if in_lvm else sides[0])
    run("e2fsck", "-fn", after)
    assert run("debugfs", "-R", "cat /new", after) == "x"


@pytest.mark.parametrize("what", ["missing", "behind", "not synchronous", "spare"])
def test_a_mirror_that_is_not_all_here_is_not_changed(tmp_path: Path, what: str) -> None:
    inner = ext(tmp_path / "root.ext", None, "-t", "ext4", size=SIZE).read_bytes()
    odd = {
        "behind": {"events": 4},
        "not synchronous": {"synchronous": False},
        "spare": {"role": 2},
        "missing": {},
    }[what]
    paths = [member(tmp_path / "one.img", inner, role=0, places=2)]
    if what != "missing":
        paths.append(member(tmp_path / "two.img", inner, **{"role": 1, "places": 2, **odd}))
    volume = scan([disk_of(path) for path in paths]).find("md/0")
    assert volume is not None
    with pytest.raises(UnsupportedError, match="mirror"):
        edit_volume(volume, (FileEdit("/new", b"x", ""),), tmp_path)
