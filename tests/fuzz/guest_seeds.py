"""Small files of guests to begin with: by the tools that make them, where installed, and by the tests' builders."""

import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from packed import REPAIR, pack
from tests.guest import lvm_disks
from tests.guest.linux import trees
from tests.guest.windows import hives
from tests.guest.windows.adapt import machines
from tests.guest.windows.drivers import made
from tests.guest.windows.hive import logs, samples

from kensho.guest.linux.initramfs import codecs
from kensho.guest.linux.initramfs.cpio import write_archive
from kensho.guest.windows.hive import Hive, binary, dword, open_hive, sz

KIB, MIB = 1 << 10, 1 << 20


def _tool(name):
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _made(size, *command, stdin=None, options=()):
    """Return what a program makes of a file of zeros, nothing where it is not installed; TREE is a tree."""
    program = _tool(command[0])
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        tree, image = Path(folder, "tree"), Path(folder, "image")
        (tree / "sub").mkdir(parents=True)
        (tree / "file").write_bytes(b"text" * 300)
        (tree / "sub/link").symlink_to("../file")
        (tree / "sub/far").symlink_to("./" * 60 + "../file")
        (tree / "etc").mkdir()
        (tree / "etc/os-release").write_bytes(b"ID=debian\n")
        if size:
            image.write_bytes(b"")
            os.truncate(image, size)
        words = [str(tree) if word == "TREE" else word for word in command[1:]]
        places = [str(image), *(str(tree) if word == "TREE" else word for word in options)]
        done = subprocess.run(
            [program, *words, *places], input=stdin, capture_output=True, check=False, text=True
        )
        return image.read_bytes() if done.returncode == 0 and image.exists() else None


def _packed(*blobs):
    for blob in blobs:
        if blob is not None:
            yield pack(blob).dump()
            yield pack(blob, REPAIR).dump()


def ext_seeds():
    for size, options in (
        (1 << 18, ("-t", "ext2")),
        (1 << 18, ("-t", "ext4", "-O", "^has_journal,inline_data,^metadata_csum", "-I", "512")),
        (4 << 20, ("-t", "ext4", "-O", "^metadata_csum", "-J", "size=1", "-b", "1024")),
        (1 << 18, ("-t", "ext4", "-O", "^has_journal,metadata_csum,64bit")),
    ):
        yield from _packed(_made(size, "mke2fs", "-q", "-F", *options, "-N", "32", "-d", "TREE"))
    yield from _packed(_journalled())


def _journalled():
    """Return a file system whose journal has a transaction that is not in place yet."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder, "image")
        made = _made(4 << 20, "mke2fs", "-q", "-F", "-t", "ext4", "-O", "^metadata_csum,^64bit", "-J", "size=1",
                     "-b", "1024", "-N", "32", "-d", "TREE")  # fmt: skip
        if made is None:
            return None
        image.write_bytes(made)
        Path(folder, "new").write_bytes(b"n" * 1024)
        script = f"jo\njw -b 900 {folder}/new\njw -r 901\njc\n"
        subprocess.run(
            [_tool("debugfs"), "-w", "-f", "-", image],
            input=script,
            capture_output=True,
            text=True,
            check=False,
        )
        return image.read_bytes()


def fat_seeds():
    yield from _packed(
        _made(720 << 10, "mformat", "-f", "720", "-v", "DISK", "::", "-i"),
        _made(16 << 20, "mkfs.vfat", "-F", "16"),
        _made(34 << 20, "mkfs.vfat", "-F", "32", "-s", "1"),
    )


def ntfs_seeds():
    yield from _packed(_made(2 << 20, "mkntfs", "-q", "-F", "-f", "-s", "512"))


def xfs_seeds():
    proto = "/stand/diag\n0 0\nd--755 0 0\nfile ---644 0 0 /etc/hostname\nsub d--755 0 0\nlink l--777 0 0 ../file\n$\n$\n"
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "proto")
        listed.write_text(proto)
        for options in (("-m", "crc=0", "-n", "ftype=1"), ("-m", "crc=1")):
            yield from _packed(
                _made(300 << 20, "mkfs.xfs", "-q", "-f", *options, "-p", str(listed))
            )


def btrfs_seeds():
    yield from _packed(
        _made(112 << 20, "mkfs.btrfs", "-q", "-n", "4096", "-m", "single", "--rootdir", "TREE")
    )


def ufs_seeds():
    for version in "12":
        yield from _packed(
            _made(0, "makefs", "-t", "ffs", "-B", "le", "-s", "2m", "-o", f"version={version},bsize=4096,fsize=512",
                  options=("TREE",))
        )  # fmt: skip


def iso_seeds():
    for options in (("-J",), ("-R",), ("-R", "-J", "-iso-level", "3")):
        yield from _packed(_made(0, "genisoimage", "-quiet", *options, "-o", options=("TREE",)))


def gpt_seeds():
    for script in (
        "label: gpt\nsize=1MiB,type=uefi\nsize=1MiB,name=root\n",
        "label: dos\n,1MiB,c,*\n,2MiB,5\n,512KiB\n,\n",
    ):
        yield from _packed(_made(5 << 20, "sfdisk", "-q", stdin=script))
    label = _made(2 << 20, "sfdisk", "-q", stdin="label: dos\n2048,,a6\n")
    if label is not None:
        raw = bytearray(label)
        text = bytearray(struct.pack("<I", 0x82564557).ljust(512, b"\0"))
        struct.pack_into("<I", text, 132, 0x82564557)
        struct.pack_into("<H", text, 138, 2)
        struct.pack_into("<IIHHB", text, 148, 200, 2064, 0, 0, 7)
        struct.pack_into("<H", text, 136, 0x8256 ^ 0x4557 ^ 0x8256 ^ 0x4557 ^ 2 ^ 200 ^ 2064 ^ 7)
        raw[MIB + 512 : MIB + 1024] = text
        yield from _packed(bytes(raw))


def lvm_seeds():
    texts = [
        lvm_disks.group_text([["pv0"]], [(0, 4, ["pv0", 0])]),
        lvm_disks.group_text([["pv0"]], [(0, 4, ["pv0", 0, "pv0", 4])], stripe=128),
    ]
    texts.append(texts[0].replace('"striped"', '"raid1"').replace("stripes", "raids"))
    for text in texts:
        yield from _packed(bytes(lvm_disks.physical_volume("0" * 32, text, 8 << 20)))


def md_seeds():
    with tempfile.TemporaryDirectory() as folder:
        from tests.guest.volumes.test_md import member

        for late in (False, True):
            yield from _packed(
                member(Path(folder, "a"), b"content!" * 512, late=late, places=2).read_bytes()
            )


def luks_seeds():
    quick = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "-q", "--key-file", "-")
    for kind in (
        ("luks1",),
        ("luks2", "--luks2-metadata-size", "16k", "--luks2-keyslots-size", "256k"),
    ):
        raw = _made(3 << 20, "cryptsetup", "luksFormat", *quick, "--type", *kind, stdin="ascii")
        if raw is not None:
            for flags in (0, REPAIR):
                packed = pack(raw, flags)
                packed.pieces = [
                    piece for piece in packed.pieces if piece[0] < 40 * KIB
                ]  # key slots are noise
                yield packed.dump()


def hive_seeds():
    system = machines.filled(
        hives.system_hive((10, 0)), letter=struct.pack("<IQ", 0xB3EBA8F1, 1 << 20)
    )
    machines.adapter(
        system,
        7,
        "10.0.0.5",
        device=r"PCI\VEN_15AD&DEV_07B0\FF565000B702A3FE00",
        mac="020000000001",
    )
    software = hives.software_hive(19045, "Windows 10 Pro", "6.3")
    software.set(
        r"Microsoft\Windows\CurrentVersion\Uninstall\a",
        sz("DisplayName", "A"),
        sz("DisplayVersion", "1"),
    )
    for hive in (
        samples.small_hive(3),
        samples.small_hive(),
        system,
        software,
        _large(samples.small_hive()),
        bcd(),
    ):
        yield from _packed(hive.dump())


def _large(hive: Hive):
    """Add a value of several segments, and a key with as many subkeys as need several lists."""
    hive.set("Big", binary("data", bytes(range(256)) * 160))
    for number in range(520):
        hive.create(rf"Many\{number:x}")
    return hive


def bcd():
    device = machines.mbr_device(1 << 20)
    return machines.bcd_hive(
        device, machines.gpt_device(machines.OWN), r"\Windows\system32\winload.exe"
    )


def hive_log_seeds():
    before, after = log_pair()
    sequence = struct.unpack_from("<I", before, 4)[0]
    yield from _packed(logs.new_log(before, after, sequence), logs.old_log(before, after))


def log_pair():
    """Return a hive before and after a write that its logs have."""
    before = samples.small_hive().dump()
    hive = open_hive(before)
    hive.set("Select", dword("Current", 2))
    return before, hive.dump()


def initramfs_seeds():
    archive = write_archive(trees.debian_base("kernel/drivers/scsi/sd_mod.ko"))
    for codec in (None, "gzip", "xz", "zstd", "lz4"):
        yield trees.microcode() + codecs.pack(archive, codec)
        yield codecs.pack(archive, codec) + bytes(8) + write_archive([])
    import bz2
    import lzma

    yield bz2.compress(archive)
    yield lzma.compress(archive, lzma.FORMAT_ALONE)
    yield archive
    yield trees.microcode() + archive


def modinfo_seeds():
    strings = b"\0.modinfo\0.shstrtab\0"
    info = b"license=GPL\0alias=pci:v000015ADd*\0depends=a,b\0"
    for wide in (True, False):
        head = bytearray(64)
        head[:6] = b"\x7fELF" + (b"\2\1" if wide else b"\1\1")
        rows = [(0, 0, 0), (1, 64, len(info)), (10, 64 + len(info), len(strings))]
        table = 64 + len(info) + len(strings)
        if wide:
            struct.pack_into("<Q", head, 40, table)
            struct.pack_into("<HHH", head, 58, 64, 3, 2)
            sections = b"".join(struct.pack("<II16xQQ24x", n, 1, at, size) for n, at, size in rows)
        else:
            struct.pack_into("<I", head, 32, table)
            struct.pack_into("<HHH", head, 46, 40, 3, 2)
            sections = b"".join(struct.pack("<II8xII16x", n, 1, at, size) for n, at, size in rows)
        module = bytes(head) + info + strings + sections
        yield module
        for codec in ("gzip", "xz", "zstd"):
            yield codecs.pack(module, codec)


def modules_seeds():
    for name, text in trees.INDEX.items():
        yield f"{name}\n{text}".encode()


BOOTS = Path(__file__).parents[1] / "guest/linux/adapt/boot/configs"


def boot_seeds():
    for path in sorted(BOOTS.iterdir()):
        yield path.read_bytes()
    yield b'GRUB_CMDLINE_LINUX="quiet root=/dev/sda1"\nGRUB_CMDLINE_LINUX_DEFAULT=\'splash\'\nGRUB_DEFAULT="1>2"\n'
    yield b"default linux\nlabel linux\n kernel /vmlinuz\n append root=/dev/sda1 initrd=/initrd\n"


RPM_HEADER = struct.pack(">II", 3, 30) + struct.pack(
    ">12I", 1000, 6, 0, 1, 1001, 6, 5, 1, 1003, 4, 12, 1
) + b"name\x001.0\x00abc\0\0\0\4" + bytes(14)  # fmt: skip


def packages_seeds():
    yield b"Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\nPackage: b\n"
    yield b"P:musl\nV:1.2\nA:x86_64\nL:MIT\n\nP:b\n"
    yield b"%NAME%\na\n\n%VERSION%\n1\n\n%LICENSE%\nMIT\nBSD\n\n"
    yield b"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: MIT\n"
    slots = struct.pack("<4sIII", b"Slot", 1, 260, 1) + struct.pack("<4sIII", b"Slot", 2, 260, 1)
    ndb = struct.pack("<4sIII", b"RpmP", 0, 1, 1).ljust(32, b"\0") + slots
    blob = struct.pack("<4sIII", b"BlbS", 1, 0, len(RPM_HEADER)) + RPM_HEADER
    yield ndb.ljust(4160, b"\0") + blob
    yield rpm_bdb(RPM_HEADER)
    import sqlite3

    base = sqlite3.connect(":memory:")
    base.execute("PRAGMA page_size = 512")
    base.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
    base.executemany(
        "INSERT INTO Packages (blob) VALUES (?)", [(RPM_HEADER,), (RPM_HEADER + bytes(900),)]
    )
    base.commit()
    yield base.serialize()
    base.close()


def rpm_bdb(header):
    """Return a hash file of Berkeley DB with a header on its page, and one on pages of its own."""
    meta = bytearray(512)
    struct.pack_into("<II I", meta, 12, 0x061561, 9, 512)
    page, long = bytearray(512), bytearray(512)
    page[25] = 13
    struct.pack_into("<H", page, 20, 4)
    items = [
        b"\1\1\0\0\0",
        b"\1" + header,
        b"\1\2\0\0\0",
        b"\3\0\0\0" + struct.pack("<II", 2, len(header)),
    ]
    at = 512
    for number, item in enumerate(items):
        at -= len(item)
        page[at : at + len(item)] = item
        struct.pack_into("<H", page, 26 + 2 * number, at)
    long[25] = 7
    struct.pack_into("<H", long, 22, len(header))
    long[26 : 26 + len(header)] = header
    return bytes(meta + page + long)


def driver_seeds():
    files = {"viostor.inf": made.inf(), "viostor.sys": made.signed_driver()}
    yield made.signed(made.CTL, made.ctl(files))
    yield made.unsigned_cat(made.ctl(files))
    yield made.signed_driver()
    yield made.driver("x86")
    yield made.inf(encoding="utf-8")
    yield made.inf()


def linux_seeds():
    from guest_targets import LINUX

    for number, (path, text) in enumerate(LINUX.items()):
        yield bytes((number,)) + text
        if path.endswith(".cfg"):
            yield from (bytes((number,)) + data for data in boot_seeds())


def record_seeds():
    import msgspec

    from kensho.guest.adapt.changes import ChangeSet, DiskChange, Run

    runs = (Run(0, 512, "a" * 64, "b" * 64), Run(1024, 512, "c" * 64, "d" * 64))
    disk = DiskChange("web01", "disk1", "a.vmdk", 1 << 20, "e" * 64, "f" * 64, runs)
    yield msgspec.json.encode(
        ChangeSet(kensho="1", source="a", targets=("kvm",), files=(), disks=(disk,))
    )
