"""Targets for what is read of a guest: its volumes, file systems, and the files in them."""

import contextlib
import functools
import itertools

import guest_seeds as seeds
import msgspec
from packed import Sparse, load
from target import Target, file_of

from kensho.disks import open_disk
from kensho.model.errors import KenshoError
from kensho.model.text import told
from kensho.storage import MemorySource

MIB = 1 << 20
_KEYS_OF = b"ascii"


def _volumes(name):
    """Return a target: whatever is found on a disk is read, up to a limit."""

    def run(data):
        from kensho.guest.files.open import open_files
        from kensho.guest.files.tree import GuestFiles
        from kensho.guest.volumes.luks.device import Key
        from kensho.guest.volumes.scan import scan

        # The right key is not tried: what a passphrase costs is the header's to say, and its maker's intent.
        keys = (Key("all", _KEYS_OF),) if name == "luks" and _cheap(data) else ()
        told = []
        with contextlib.closing(open_disk(file_of(data, name)[1], format="raw")) as disk:
            found = scan([disk], keys)
            for volume in found.volumes:
                told.append((volume.id, volume.size, volume.content, volume.refusal))
                if volume.view is None:
                    continue
                with contextlib.suppress(KenshoError):
                    told += _walked(GuestFiles(open_files(volume)))
        msgspec.json.encode([str(word) for word in found.problems])
        return told, found.problems, found.tables

    return run


def _cheap(data):
    """Tell whether no key slot asks for many iterations: they are the header's maker's to choose."""
    return len(data) % 4 == 0 and b'"iterations":1000' in data


def _walked(files):
    told = []
    for found in itertools.islice(files.walk(), 200):
        told.append((found.path, found.stat))
        with contextlib.suppress(KenshoError):
            told.append(dict(found.xattrs()))
            last = 0
            pieces = found.data() if found.stat.kind.value == "file" else ()
            for at, piece in itertools.islice(pieces, 8):
                assert len(piece) <= MIB, "a piece larger than agreed"
                assert at >= last, "pieces out of their order"
                last = at + len(piece)
                assert last <= found.stat.size, "bytes behind the end"
    return told


def _iso(data):
    from kensho.guest.files.iso9660 import open_iso9660
    from kensho.guest.files.tree import GuestFiles

    return _walked(GuestFiles(open_iso9660(_Seen(Sparse(load(data))))))


class _Seen:
    """A file as file systems are read from."""

    def __init__(self, source):
        self.source, self.name, self.size = source, source.name, source.size

    def read(self, offset, length):
        return self.source.read_at(offset, length)


def _hive(data):
    """What a hive says is the same however it is asked, and an edited hive has the edit and all else."""
    from kensho.guest.windows.bcd import partitions_of
    from kensho.guest.windows.control_sets import control_sets
    from kensho.guest.windows.hive import dword, open_hive
    from kensho.guest.windows.listed import programs_of, services_of
    from kensho.guest.windows.version import read_version

    source = file_of(data, "hive")[1]
    raw = source.read_at(0, min(source.size, 4 * MIB))
    hive = open_hive(raw, path="HIVE")
    for ask in (
        lambda: list(partitions_of(hive)),
        lambda: msgspec.json.encode(told(list(services_of(hive, control_sets(hive)[0])))),
        lambda: msgspec.json.encode(programs_of(hive)),
        lambda: msgspec.json.encode(told(read_version(hive, hive))),
    ):
        with contextlib.suppress(KenshoError):
            ask()
    before = _tree(hive)
    assert hive.dump() == raw or hive.replayed
    hive.set(r"Kensho\Fuzz", dword("x", 7))
    hive.delete_value("Select", "Default")
    again = open_hive(hive.dump(), path="HIVE")
    after = _tree(again)
    assert after[r"kensho\fuzz"]["x"] == (4, b"\7\0\0\0"), "an edit is lost"
    for path, values in before.items():
        if path not in {"select", "", "kensho", r"kensho\fuzz"}:
            assert after.get(path) == values, f"{path!r} was changed"
    return before


def _tree(hive):
    from kensho.guest.windows.hive import walk

    return {
        path.lower(): {value.name: (value.type, value.data) for value in key.values()}
        for path, key in walk(hive.root)
    }


def _hive_log(data):
    from tests.guest.windows.hive.logs import make_dirty

    from kensho.guest.windows.hive import open_hive

    source = file_of(data, "hive")[1]
    log = source.read_at(0, min(source.size, 4 * MIB))
    before, _ = _log_pair()
    return _tree(open_hive(make_dirty(before), [log]))


_log_pair = functools.cache(seeds.log_pair)


def _initramfs(data):
    """Whatever can be read of an initramfs can be read when it is extended, too."""
    from kensho.guest.linux.initramfs.image import open_initramfs
    from kensho.guest.linux.initramfs.overlay import with_overlay
    from kensho.guest.linux.verdict import modules_in

    image = open_initramfs(data, "initrd")
    told = (image.codec, image.maker, image.asks_hardware, image.uses_network, sorted(image.files))
    modules_in(image, "6.1.0-9-amd64")
    if len(data) < 64 << 10 and "init" in image.files:
        more = open_initramfs(with_overlay(image, {"kensho/added": b"added"}))
        place = more.files.get(image.real("kensho/added"))
        assert place is not None, "what was added is not there"
        assert bytes(place.data) == b"added"
    return told


def _modinfo(data):
    from kensho.guest.linux.modules.modinfo import read_modinfo

    return read_modinfo(data, "a.ko")


def _modules(data):
    from tests.guest.linux.trees import INDEX

    from kensho.guest.linux.modules.index import read_index

    name, _, text = data.decode("utf-8", "replace").partition("\n")
    index = read_index({**INDEX, name: text})
    modalias = "pci:v000015ADd000007C0sv00sd00bc01sc06i01"
    return index.drivers(modalias), index.closure(index.drivers(modalias)), index.builtin


def _boot(data):
    """Places of command lines are within the text, in every language, and do not lie over each other."""
    from kensho.guest.linux.adapt.boot.arguments import leftovers, root_of, with_consoles
    from kensho.guest.linux.boot import syntax as s
    from kensho.guest.linux.boot.grub_menu import chosen, ways

    text = data.decode("utf-8", "surrogateescape")
    told = []
    for language in (s.GRUB2, s.LEGACY, s.BLS, s.SYSLINUX, s.SHELL, s.UPDATE_EXTLINUX, s.PLAIN):
        last = 0
        for entry in s.entries(text, language):
            told.append((entry.title, entry.kernel, entry.initrd, tuple(entry.spans)))
            for start, end in entry.spans:
                assert 0 <= start <= end <= len(text)
                words = text[start:end]
                told.append((with_consoles(words), root_of(words), list(leftovers(words))))
                last = end
        assert last <= len(text)
    return told, list(ways(text)), chosen(text, "1>2")


def _efi(data):
    from kensho.guest.linux.boot.efi_image import architecture_of, grub_prefix

    return architecture_of(data), grub_prefix(data)


def _packages(data):
    from kensho.guest.linux.packages import installed, rpm

    files = _Tree({"/usr/share/doc/a/copyright": data, "/var/lib/pacman/local/a-1/desc": data})
    told = []
    for read in (
        installed._dpkg, installed._apk, installed._pkg,
        rpm.packages_of_sqlite, rpm.packages_of_ndb, rpm.packages_of_bdb,
        lambda _: installed.licences_of(files.files, "a"),
        lambda _: installed.installed_packages(files.files),
    ):  # fmt: skip
        with contextlib.suppress(KenshoError):
            told.append(read(data))
    msgspec.json.encode(told)
    return told


class _Tree:
    """Files in memory, as a guest's."""

    def __init__(self, files):
        from tests.guest.windows.adapt.memory import Memory

        from kensho.guest.files.tree import GuestFiles

        self.files = GuestFiles(Memory(files, folds_case=False))


def _driver(data):
    """Whatever a driver's file is taken for, nothing is signed that was changed."""
    from kensho.guest.windows.drivers import catalog, inf, install, pe, signed_data

    told = []
    for read in (
        lambda: catalog.read_catalog(data, "a.cat").signed.chain,
        lambda: _read_pe(pe.read_pe(data, "a.sys"), signed_data),
        lambda: _read_inf(inf.read_inf(data, "a.inf"), install),
    ):
        try:
            told.append(read())
        except KenshoError as error:
            told.append(str(error))
    return told


def _read_pe(program, signed_data):
    if program.signature:
        return program.machine, signed_data.read_signed(program.signature, "a.sys").chain
    return program.machine, program.digest("sha256")


def _read_inf(inf, install):
    from kensho.guest.windows.version import WindowsVersion

    windows = WindowsVersion(10, 0, 19045, architecture="amd64")
    folders = install.source_folders(inf, "amd64")
    return install.read_version_section(inf), folders, install.devices_for(inf, windows)


LINUX = {
    "/etc/fstab": b"UUID=1234 / ext4 errors=remount-ro 0 1\n/dev/sda2 none swap sw 0 0\n/dev/vg/a /a\\040b xfs nofail 0 0\n",
    "/etc/crypttab": b"crypt UUID=abc none luks,discard\n# x\nswap /dev/sda3 /dev/urandom swap\n",
    "/etc/mdadm/mdadm.conf": b"DEVICE partitions\nARRAY /dev/md0 UUID=1:2:3:4 devices=/dev/sda1,/dev/sdb1\n",
    "/etc/initramfs-tools/conf.d/resume": b"RESUME=/dev/sda2\n",
    "/etc/network/interfaces": b"auto lo ens33\niface ens33 inet static\n address 10.0.0.2/24\n hwaddress ether 02:00:00:00:00:01\n",
    "/etc/netplan/a.yaml": b"network:\n version: 2\n ethernets:\n  ens33:\n   match: {macaddress: '02:00:00:00:00:01'}\n   set-name: ens33\n   dhcp4: true\n",
    "/etc/NetworkManager/system-connections/a.nmconnection": b"[connection]\nid=a\ntype=ethernet\ninterface-name=ens33\n[ethernet]\nmac-address=02:00:00:00:00:01\n",
    "/etc/sysconfig/network-scripts/ifcfg-eth0": b'DEVICE=eth0\nHWADDR="02:00:00:00:00:01"\nBOOTPROTO=dhcp\nONBOOT=yes\n',
    "/etc/systemd/network/a.network": b"[Match]\nMACAddress=02:00:00:00:00:01\nName=ens33\n[Network]\nDHCP=yes\n",
    "/etc/systemd/network/a.link": b"[Match]\nMACAddress=02:00:00:00:00:01\n[Link]\nName=lan0\n",
    "/etc/udev/rules.d/70-persistent-net.rules": b'SUBSYSTEM=="net", ACTION=="add", ATTR{address}=="02:00:00:00:00:01", NAME="eth0"\n',
    "/etc/modprobe.d/a.conf": b"blacklist virtio_net\nalias eth0 e1000\noptions a b=c\ninstall nvme /bin/true\n",
    "/etc/lvm/lvm.conf": b'devices {\n filter = [ "a|/dev/sda.*|", "r|.*|" ]\n use_devicesfile = 1\n}\n',
    "/etc/lvm/devices/system.devices": b"IDTYPE=devname IDNAME=/dev/sda2 DEVNAME=/dev/sda2 PVID=a PART=2\n",
    "/etc/X11/xorg.conf": b'Section "Device"\n Identifier "a"\n Driver "vmware"\n BusID "PCI:0:15:0"\nEndSection\n',
    "/boot/grub/grub.cfg": b"set default=0\nmenuentry 'Debian' --id a {\n linux /vmlinuz-6.1.0-9-amd64 root=/dev/sda1 ro console=tty0\n initrd /initrd.img-6.1.0-9-amd64\n}\n",
    "/boot/grub/grubenv": b"# GRUB Environment Block\nsaved_entry=a\nkernelopts=root=/dev/sda1\n###",
    "/boot/loader/entries/a.conf": b"title A\nversion 6.1\nlinux /vmlinuz-6.1.0-9-amd64\ninitrd /initrd.img-6.1.0-9-amd64\noptions root=/dev/sda1 quiet\n",
    "/boot/loader/loader.conf": b"default a*\ntimeout 3\n",
    "/etc/default/grub": b'GRUB_DEFAULT="1>2"\nGRUB_CMDLINE_LINUX="console=ttyS0 root=/dev/sda1"\n',
    "/etc/os-release": b'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian"\nCPE_NAME="cpe:/o:debian:debian_linux:12"\n',
    "/etc/inittab": b"id:2:initdefault:\ns0:2345:respawn:/sbin/getty -L ttyS0 9600 vt100\n",
    "/etc/cloud/cloud.cfg.d/a.cfg": b"datasource_list: [ Ec2 ]\nnetwork: {config: disabled}\n",
    "/etc/selinux/config": b"SELINUX=enforcing\nSELINUXTYPE=targeted\n",
    "/etc/selinux/targeted/contexts/files/file_contexts": b"/etc(/.*)?\tsystem_u:object_r:etc_t:s0\n/etc/fstab -- system_u:object_r:fstab_t:s0\n",
    "/etc/hostname": b"web01\n",
    "/var/lib/dpkg/status": b"Package: a\nStatus: install ok installed\nVersion: 1\n",
    "/lib/modules/6.1.0-9-amd64/modules.dep": b"kernel/a.ko: kernel/b.ko\nkernel/b.ko:\n",
    "/boot/vmlinuz-6.1.0-9-amd64": bytes(0x202) + b"HdrS" + bytes(8) + b"\0\2" + bytes(0x1F0) + b"6.1.0-9-amd64 (x)\0" + bytes(2000),
    "/boot/initrd.img-6.1.0-9-amd64": b"070701",
    "/etc/dracut.conf.d/a.conf": b'hostonly="yes"\nadd_drivers+=" ata_piix "\nkernel_cmdline="root=/dev/sda1"\n',
    "/etc/mkinitcpio.conf": b"MODULES=(ext4)\nHOOKS=(base udev autodetect modconf block filesystems)\n",
    "/etc/machine-id": b"0123456789abcdef0123456789abcdef\n",
    "/etc/rc.conf": b'hostname="a"\nifconfig_em0="DHCP"\n',
    "/etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n",
}  # fmt: skip


def _linux(data):
    """A guest with one file that is anything: inspected, adapted for all platforms, told in JSON."""
    from tests.guest.windows.adapt.memory import Memory, machine

    from kensho.guest.aims import Aims
    from kensho.guest.edit.draft import Draft
    from kensho.guest.inspect.inspect import _system
    from kensho.guest.inspect.systems import find_systems
    from kensho.guest.linux.adapt.guest import LinuxGuest
    from kensho.guest.linux.adapt.kernels import plan_kernels
    from kensho.guest.linux.adapt.steps import STEPS
    from kensho.platforms import PLATFORMS

    number = data[0] % len(LINUX) if data else 0
    path = list(LINUX)[number]
    opened = machine(Memory({**LINUX, path: data[1:]}, folds_case=False), types=("83",))
    (system,) = find_systems(opened)
    facts = msgspec.json.encode(told(_system(system, ())))
    draft = Draft(system.files, system.volume.id)
    aims = Aims(
        tuple(PLATFORMS),
        identity=True,
        agents=True,
        seed=True,
        macs={"02:00:00:00:00:01": "02:00:00:00:00:02"},
    )
    guest = LinuxGuest(system, opened, aims, draft)
    for step in STEPS:
        step(guest)
    with contextlib.suppress(KenshoError):  # there is no real file system to measure the room on
        plan_kernels(guest)
    msgspec.json.encode(draft.findings)
    return facts, [(edit.path, edit.content, edit.target) for edit in draft.edits]


def _windows(data):
    """A Windows one of whose hives is anything: inspected, adapted, told in JSON; again, and nothing is left."""
    from tests.guest.windows.adapt import test_notes as t
    from tests.guest.windows.adapt.memory import Memory, machine

    from kensho.guest.inspect.inspect import _system
    from kensho.guest.inspect.systems import find_systems

    raw = (source := file_of(data, "hive")[1]).read_at(0, min(source.size, 4 * MIB))
    files = dict(_ten())
    word = bytes(raw[4096:8192])
    if b"Objects" in word:
        files["/Boot/BCD"] = raw
    elif b"Microsoft" in word:
        files[f"{t.CONFIG}/SOFTWARE"] = raw
    else:
        files[f"{t.CONFIG}/SYSTEM"] = raw
    opened = machine(Memory(files))
    facts = [msgspec.json.encode(told(_system(system, ()))) for system in find_systems(opened)]
    plans = []
    for plan, draft in t.adapted(opened, "kvm", "vmware", "hyperv"):
        assert not (plan.refused and draft.edits)
        msgspec.json.encode(draft.findings)
        plans.append((plan, draft.edits))
    return facts, plans


@functools.cache
def _ten():
    from tests.guest.windows.adapt import test_notes as t

    return tuple(t.installed(*t.ten(), **{"/Boot/BCD": seeds.bcd().dump()}).items())


def _record(data):
    """A record of an adaptation: its facts, whatever they say."""
    from kensho.guest.adapt.changes import _facts
    from kensho.storage.tar import TarMember

    source = MemorySource(data, "a.kensho-changes")
    return _facts(source, TarMember("changes.json", 0, len(data)))


_FILE_SYSTEMS = {
    "gpt": seeds.gpt_seeds,
    "lvm": seeds.lvm_seeds,
    "md": seeds.md_seeds,
    "luks": seeds.luks_seeds,
    "ext": seeds.ext_seeds,
    "fat": seeds.fat_seeds,
    "ntfs": seeds.ntfs_seeds,
    "xfs": seeds.xfs_seeds,
    "btrfs": seeds.btrfs_seeds,
    "ufs": seeds.ufs_seeds,
}
GUESTS = {
    **{name: Target(_volumes(name), made, packed=True) for name, made in _FILE_SYSTEMS.items()},
    "iso": Target(_iso, seeds.iso_seeds, packed=True),
    "hive": Target(_hive, seeds.hive_seeds, packed=True),
    "hive-log": Target(_hive_log, seeds.hive_log_seeds, packed=True),
    "windows": Target(_windows, seeds.hive_seeds, packed=True),
    "linux": Target(_linux, seeds.linux_seeds, packed=False),
    "initramfs": Target(_initramfs, seeds.initramfs_seeds, packed=False),
    "modinfo": Target(_modinfo, seeds.modinfo_seeds, packed=False),
    "modules": Target(_modules, seeds.modules_seeds, packed=False),
    "boot": Target(_boot, seeds.boot_seeds, packed=False),
    "record": Target(_record, seeds.record_seeds, packed=False),
    "efi": Target(_efi, seeds.driver_seeds, packed=False),
    "packages": Target(_packages, seeds.packages_seeds, packed=False),
    "driver": Target(_driver, seeds.driver_seeds, packed=False),
}
