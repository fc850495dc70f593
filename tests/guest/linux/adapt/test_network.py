"""Adapters keep their names: what configuration says, and what udev makes of what is written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho.guest.edit.draft import Draft
from kensho.guest.files.base import Kind, Stat
from kensho.guest.linux.adapt.cloud_init import plan_cloud_init
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.adapt.kernels import early_files
from kensho.guest.linux.adapt.leftovers.display import plan_display
from kensho.guest.linux.adapt.leftovers.lvm import plan_lvm
from kensho.guest.linux.adapt.leftovers.modprobe import plan_modprobe
from kensho.guest.linux.adapt.network.configured import read_configured
from kensho.guest.linux.adapt.network.step import plan_network
from kensho.guest.linux.adapt.platform_tools.step import plan_tools
from kensho.guest.linux.initramfs.cpio import write_archive
from kensho.guest.linux.initramfs.image import open_initramfs
from kensho.guest.linux.modules.index import read_index
from kensho.guest.linux.verdict import Kernel
from kensho.model.errors import NotFoundError
from kensho.model.finding import Severity
from kensho.model.machine import Nic
from tests.guest.images_of import tool
from tests.guest.linux.adapt.making import (
    adapted,
    aims_for,
    codes,
    guest_in,
    machine_with,
    plant,
)
from tests.guest.linux.trees import INDEX, debian_base, entry

A, B, C = (f"00:50:56:aa:bb:0{n}" for n in (1, 2, 3))
UDEV = {
    "lib/udev/rules.d/80-net-setup-link.rules": "",
    "usr/lib/systemd/libsystemd-shared-252.so": "",
}
LINKS = "etc/systemd/network"
BOND = """\
# eth7 was here
auto bond0 ens224
iface bond0 inet static
  address 10.0.0.2/24
  bond-slaves ens192 ens224
iface bond0.30 inet dhcp
"""
NETPLAN = f"""\
network:
  version: 2
  ethernets:
    ens3: {{match: {{macaddress: "{A.upper()}"}}, set-name: lan0, dhcp4: true}}
    free:
      match: {{macaddress: "{B}"}}
      dhcp4: true
    enp2s0: {{addresses: [10.0.0.3/24]}}
"""


def two(a: str | None = A, b: str | None = B) -> tuple[Nic, Nic]:
    return Nic("n1", mac=a), Nic("n2", mac=b)


@pytest.mark.parametrize(
    ("files", "names", "known", "nameless"),
    [
        ({"etc/network/interfaces": BOND}, ["ens192", "ens224"], {}, set()),
        ({"etc/netplan/01.yaml": NETPLAN}, ["enp2s0"], {A: "lan0"}, {B}),
        ({"etc/netplan/01.yaml": "network: [}"}, [], {}, set()),
        (
            {"etc/sysconfig/network-scripts/ifcfg-eth1": f'HWADDR="{A.upper()}"\nONBOOT=yes\n',
             "etc/sysconfig/network-scripts/ifcfg-eth1.bak": "DEVICE=eth9\n"},
            ["eth1"], {A: "eth1"}, set(),
        ),
        (
            {"etc/NetworkManager/system-connections/a.nmconnection":
             f"[connection]\ninterface-name=ens192\n[ethernet]\nmac-address={A.upper()}\n"},
            ["ens192"], {A: "ens192"}, set(),
        ),
        (
            {f"{LINKS}/a.network": f"[Match]\nMACAddress={A}\n",
             f"{LINKS}/b.network": "[Match]\nName=eno1\n"},
            ["eno1"], {}, {A},
        ),
        ({"etc/sysconfig/network/ifcfg-eth0": "BOOTPROTO=dhcp\n"}, ["eth0"], {}, set()),
        ({f"{LINKS}/a.network": "[Match]\nName=enx005056aabb01\n"},
         ["enx005056aabb01"], {A: "enx005056aabb01"}, set()),
        ({"etc/default/grub": 'GRUB_CMDLINE_LINUX="rd.neednet=1 ip=10.0.0.2::10.0.0.1:24:web:ens192:none"\n',
          "etc/initramfs-tools/conf.d/ip": "#IP=eth9\nIP=::::web:ens224:dhcp\n"},
         ["ens192", "ens224"], {}, set()),
        # An address that is given to an adapter is not what it is found by.
        ({f"{LINKS}/a.network": f"[Match]\nName=eno1\n[Link]\nMACAddress={A}\n"}, ["eno1"], {}, set()),
        ({f"{LINKS}/a.link": f"[Match]\nPath=pci-0000:03:00.0\n[Link]\nName=lan0\nMACAddress={A}\n"},
         ["lan0"], {}, set()),
        ({"etc/udev/rules.d/60-lan.rules":
          'SUBSYSTEM=="net", ACTION=="add", KERNELS=="0000:03:00.0", NAME="lan0"\n'}, ["lan0"], {}, set()),
        # What is above an adapter often has its address.
        ({"etc/sysconfig/network-scripts/ifcfg-bond0": f"DEVICE=bond0\nTYPE=Bond\nHWADDR={A}\n",
          "etc/sysconfig/network-scripts/ifcfg-eth0.7": f"DEVICE=eth0.7\nVLAN=yes\nHWADDR={A}\n",
          "etc/sysconfig/network-scripts/ifcfg-eth1": f'DEVICE=eth1\nTYPE="Ethernet"\nHWADDR={B}\n'},
         ["eth0", "eth1"], {B: "eth1"}, set()),
        ({"etc/NetworkManager/system-connections/v.nmconnection":
          f"[connection]\ntype=vlan\ninterface-name=lan7\n[ethernet]\nmac-address={A}\n"}, [], {}, set()),
        ({"etc/wicked/ifconfig/a.xml": "<interface><name>eth0</name></interface>"}, ["eth0"], {}, set()),
        ({"etc/netctl/lan": "Interface=ens33\n"}, ["ens33"], {}, set()),
        ({"etc/conf.d/net": 'config_enp0s3="dhcp"\n'}, ["enp0s3"], {}, set()),
        ({"etc/systemd/system/multi-user.target.wants/dhcpcd@ens33.service": "->/usr/lib/x"},
         ["ens33"], {}, set()),
    ],
)  # fmt: skip
def test_configuration_is_read(tmp_path: Path, files, names, known, nameless) -> None:
    guest = guest_in(plant(tmp_path / "tree", files), aims_for())
    found = read_configured(guest.draft)
    assert list(found.names) == names
    assert found.known == known
    assert found.nameless == nameless


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(noise=st.lists(st.sampled_from(
    [b"\n", b" ", b"\xff", b"Name=", b"HWADDR=", b"match:", b"{", b"[", b"&a", b"*a", b"eth0",
     b"network:", b"ethernets:", A.encode(), b'ATTR{address}=="', b'NAME="', b"#", b"\0", b"52:54:00:12"]
), max_size=60).map(b"".join))  # fmt: skip
def test_damaged_configuration_stops_nothing(tmp_path: Path, noise: bytes) -> None:
    files = Draft(_Noise(noise), "root")  # type: ignore[arg-type]
    guest = LinuxGuest(None, None, aims_for("aws", macs={A: B, B: ""}), files)  # type: ignore[arg-type]
    for step in (plan_network, plan_modprobe, plan_lvm, plan_display, plan_tools, plan_cloud_init):
        step(guest)


class _Noise:
    """Files with the same bytes wherever configuration is looked for."""

    def __init__(self, noise: bytes) -> None:
        self.noise = noise
        self.folders = {
            "/etc/netplan": ("a.yaml",), "/etc/NetworkManager/system-connections": ("a",),
            "/etc/sysconfig/network-scripts": ("ifcfg-a",), "/etc/modprobe.d": ("a.conf",),
            "/etc/systemd/network": ("a.network", "a.link"), "/etc/udev/rules.d": ("70-persistent-net.rules",),
            "/lib/udev/rules.d": ("80-net-setup-link.rules",), "/etc/cloud/cloud.cfg.d": ("a.cfg",),
            "/etc/X11/xorg.conf.d": ("a.conf",), "/etc/dracut.conf.d": ("a.conf",),
            "/etc/cloud": ("cloud.cfg", "ds-identify.cfg"), "/etc/lvm": ("lvm.conf",),
        }  # fmt: skip

    def exists(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        return path in self.folders or name in self.folders.get(folder, ())

    def settled(self, path: str) -> str:
        return path

    real = settled

    def read(self, path: str, limit: int = 0) -> bytes:
        if self.exists(path) and path not in self.folders:
            return self.noise
        raise NotFoundError("no such file", path=path)

    def names_or_none(self, path: str) -> tuple[str, ...]:
        return self.folders.get(path, ())

    def stat(self, path: str, *, follow: bool = True) -> Stat:
        return Stat(1, Kind.FILE, len(self.read(path)))

    def readlink(self, path: str) -> str:
        raise NotFoundError("no link", path=path)


def test_an_address_that_yaml_takes_for_a_number(tmp_path: Path) -> None:
    text = "network: {ethernets: {a: {match: {macaddress: 52:54:00:12:34:56}, set-name: lan0}}}"
    guest = guest_in(plant(tmp_path / "tree", {"etc/netplan/a.yaml": text}), aims_for())
    assert read_configured(guest.draft).known == {"52:54:00:12:34:56": "lan0"}


def test_names_by_slot_and_by_order(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", UDEV | {"etc/network/interfaces": BOND})
    # By the slots of VMware, against the order.
    nics = (Nic("n1", mac=A, pci_slot=224), Nic("n2", mac=B, pci_slot=192), Nic("n3", mac=C))
    draft = adapted(tree, plan_network, aims_for("kvm", "xen", machine=machine_with(nics)))
    assert draft.findings == []
    assert sorted(p.name for p in (tree / LINKS).iterdir()) == [
        "10-kensho-ens192.link",
        "10-kensho-ens224.link",
    ]
    assert f"MACAddress={B}\n" in (tree / LINKS / "10-kensho-ens192.link").read_text()
    # By order, where there are as many.
    other = plant(tmp_path / "other", UDEV | {"etc/network/interfaces": BOND})
    adapted(other, plan_network, aims_for(machine=machine_with(two())))
    assert f"MACAddress={A}\n" in (other / LINKS / "10-kensho-ens192.link").read_text()


def test_the_slots_of_many_adapters(tmp_path: Path) -> None:
    # VMware's fifth adapter and those after are other functions in the slots of the first four.
    slots = {160: 1, 192: 2, 224: 3, 256: 4, 1184: 5, 1216: 6, 2208: 7}
    nics = [Nic(f"n{n}", mac=f"00:50:56:00:00:0{n}", pci_slot=slot) for slot, n in slots.items()]
    for stem, numbers in (
        ("ens", {160: 1, 161: 5, 162: 7, 192: 2, 193: 6, 224: 3, 256: 4}),
        ("eth", dict(enumerate((1, 5, 7, 2, 6, 3, 4)))),
    ):
        names = " ".join(f"{stem}{number}" for number in numbers)
        network = {
            "etc/network/interfaces": f"auto bond0\niface bond0 inet dhcp\nbond-slaves {names}\n"
        }
        tree = plant(tmp_path / stem, UDEV | network)
        adapted(tree, plan_network, aims_for("kvm", machine=machine_with(nics)))
        for number, n in numbers.items():
            text = (tree / LINKS / f"10-kensho-{stem}{number}.link").read_text()
            assert f"MACAddress=00:50:56:00:00:0{n}\n" in text


def test_a_udev_that_reads_no_links_gets_a_list(tmp_path: Path) -> None:
    # Red Hat 7.0 has systemd 208, with names by slot, without .link files and without a generator.
    network = {
        "usr/lib/udev/rules.d/80-net-name-slot.rules": "",
        "etc/sysconfig/network-scripts/ifcfg-ens192": "DEVICE=ens192\n",
    }
    tree = plant(tmp_path / "tree", network)
    adapted(tree, plan_network, aims_for("kvm", machine=machine_with([Nic("n", mac=A)])))
    text = (tree / "etc/udev/rules.d/70-persistent-net.rules").read_text()
    assert f'ATTR{{address}}=="{A}", ATTR{{type}}=="1", NAME="ens192"' in text
    drawn = plant(tmp_path / "drawn", network)
    adapted(drawn, plan_network, aims_for("kvm", machine=machine_with([Nic("n")])))
    text = (drawn / "etc/udev/rules.d/70-persistent-net.rules").read_text()
    assert 'KERNEL=="eth0|ens192", ATTR{type}=="1", NAME="ens192"' in text


def test_adapters_that_change_their_addresses_with_each_other(tmp_path: Path) -> None:
    folder = "etc/sysconfig/network-scripts"
    files = {f"{folder}/ifcfg-eth{n}": f"DEVICE=eth{n}\nHWADDR={m}\n" for n, m in enumerate((A, B))}
    tree = plant(tmp_path / "tree", UDEV | files)
    guest = guest_in(tree, aims_for("kvm", machine=machine_with(two()), macs={A: B, B: A}))
    plan_network(guest)
    assert f"HWADDR={B}\n" in guest.draft.text(f"/{folder}/ifcfg-eth0")
    assert f"HWADDR={A}\n" in guest.draft.text(f"/{folder}/ifcfg-eth1")


AZURE = f"""\
network:
    ethernets:
        eth0:
            dhcp4: true
            match:
                driver: hv_netvsc
                macaddress: {A}
            set-name: eth0
    version: 2
"""


def test_what_goes_by_a_driver_fits_those_of_the_targets(tmp_path: Path) -> None:
    yaml, keyfile, amazon = (
        "etc/netplan/50-cloud-init.yaml", "etc/NetworkManager/system-connections/a.nmconnection",
        "usr/lib/systemd/network/80-ec2.network",
    )  # fmt: skip
    files = UDEV | {
        yaml: AZURE,
        keyfile: "[connection]\ntype=ethernet\n[match]\ndriver=vmxnet3;\n",
        amazon: "[Match]\nDriver=ena ixgbevf vif\n",
        "usr/lib/systemd/network/80-container-vz.network": "[Match]\nDriver=bridge\n",
        f"{LINKS}/a.network": "[Match]\nDriver=vmxnet3\n[Network]\nDHCP=yes\n",
        f"{LINKS}/br.network": "[Match]\nDriver=bridge\n",
    }
    tree = plant(tmp_path / "tree", files)
    nics = machine_with([Nic("n", mac=A)])
    assert codes(adapted(tree, plan_network, aims_for("kvm", machine=nics))) == []
    assert (tree / yaml).read_text() == AZURE.replace("hv_netvsc", '"[!m]*"')
    assert "driver=vmxnet3;" in (tree / keyfile).read_text()
    assert "virtio_net" in (tree / keyfile).read_text()
    assert "Driver=vmxnet3 " in (tree / LINKS / "a.network").read_text()
    assert (tree / LINKS / "br.network").read_text() == files[f"{LINKS}/br.network"]
    own = sorted(p.name for p in (tree / LINKS).iterdir() if p.is_dir())
    assert own == ["80-ec2.network.d"]
    assert "virtio_net" in (tree / LINKS / "80-ec2.network.d/kensho.conf").read_text()


def test_a_list_of_drivers_that_goes_on_for_ever(tmp_path: Path) -> None:
    blanks = " " * 500_000
    keyfile = "etc/NetworkManager/system-connections/a.nmconnection"
    files = {
        keyfile: f"[match]\ndriver=e1000{blanks}!\n",
        f"{LINKS}/a.network": f"Driver=ena{blanks}!\n",
    }
    tree = plant(tmp_path / "tree", UDEV | files)
    assert adapted(tree, plan_network, aims_for("kvm")).edits == ()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (
            "etc/netplan/a.yaml",
            "network: {ethernets: {a: {match: {driver: vmxnet3}, dhcp4: true}}}",
        ),
        (f"{LINKS}/a.network", "[Match]\nPath=pci-0000:03:00.0\n"),
    ],
)
def test_what_goes_by_a_driver_or_slot_alone_is_said(tmp_path: Path, path: str, text: str) -> None:
    tree = plant(tmp_path / "tree", UDEV | {path: text})
    draft = adapted(tree, plan_network, aims_for("kvm", machine=machine_with([Nic("n", mac=A)])))
    assert codes(draft) == ["KF-884"]


def test_nothing_is_guessed(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", UDEV | {"etc/network/interfaces": "iface ens192 inet dhcp\n"})
    draft = adapted(tree, plan_network, aims_for(machine=machine_with(two())))
    assert (draft.edits, codes(draft)) == ((), ["KF-870"])
    draft = adapted(tree, plan_network, aims_for())
    assert (draft.edits, codes(draft)) == ((), ["KF-870"])
    assert "machine's own file" in draft.findings[0].action


def test_the_only_adapter_without_an_address(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", UDEV | {"etc/network/interfaces": "iface ens192 inet dhcp\n"})
    adapted(tree, plan_network, aims_for(machine=machine_with([Nic("n1")])))
    text = (tree / LINKS / "97-kensho-ens192.link").read_text()
    assert "OriginalName=eth0 ens192\n" in text


def test_the_only_adapter_where_addresses_are_drawn(tmp_path: Path) -> None:
    network = UDEV | {"etc/network/interfaces": "iface ens192 inet dhcp\n"}
    tree = plant(tmp_path / "tree", network)
    adapted(tree, plan_network, aims_for("vmware", "gcp", machine=machine_with([Nic("n", mac=A)])))
    assert sorted(p.name for p in (tree / LINKS).iterdir()) == [
        "10-kensho-ens192.link", "97-kensho-ens192.link",
    ]  # fmt: skip
    mine = plant(
        tmp_path / "mine", network | {f"{LINKS}/50-rings.link": "[Link]\nRxBufferSize=max\n"}
    )
    draft = adapted(mine, plan_network, aims_for("kvm", machine=machine_with([Nic("n", mac=A)])))
    assert codes(draft) == ["KF-882"]


def test_names_that_race_are_said(tmp_path: Path) -> None:
    files = {"etc/network/interfaces": "iface eth0 inet dhcp\niface eth1 inet dhcp\n"}
    tree = plant(tmp_path / "tree", UDEV | files)
    draft = adapted(tree, plan_network, aims_for(machine=machine_with(two())))
    assert codes(draft) == ["KF-872", "KF-871"]
    assert draft.findings[0].severity is Severity.NOTE
    one = plant(tmp_path / "one", UDEV | {"etc/network/interfaces": "iface eth0 inet dhcp\n"})
    draft = adapted(one, plan_network, aims_for(machine=machine_with([Nic("n", mac=A)])))
    assert (codes(draft), len(draft.edits)) == ([], 2)


def test_names_of_old_guests_are_in_udevs_list(tmp_path: Path) -> None:
    rules = "etc/udev/rules.d/70-persistent-net.rules"
    old = f'SUBSYSTEM=="net", ATTR{{address}}=="{C}", NAME="eth0"\n'
    tree = plant(
        tmp_path / "tree",
        {
            rules: f"# written by a generator\n{old}",
            "etc/network/interfaces": "iface eth0 inet dhcp\n",
        },
    )
    draft = adapted(tree, plan_network, aims_for(machine=machine_with([Nic("n", mac=A)])))
    text = (tree / rules).read_text()
    assert text.startswith("# written by a generator\nSUBSYSTEM")
    assert C not in text
    assert f'ATTR{{address}}=="{A}"' in text
    assert 'NAME="eth0"' in text
    assert draft.early == {}


def test_udevs_list_of_a_machine_without_addresses(tmp_path: Path) -> None:
    rules = "etc/udev/rules.d/70-persistent-net.rules"
    line = f'SUBSYSTEM=="net", ATTR{{{{address}}}}=="{C}", NAME="{{}}"\n'
    for name, left in (("eth0", ""), ("lan0", line.format("lan0"))):
        tree = plant(tmp_path / name, {rules: line.format(name)})
        adapted(tree, plan_network, aims_for("kvm", machine=machine_with([Nic("n")])))
        assert (tree / rules).read_text() == left


def test_patterns_that_no_name_of_a_target_fits(tmp_path: Path) -> None:
    network = {f"{LINKS}/a.network": "[Match]\nName=en*\n"}
    tree = plant(tmp_path / "tree", UDEV | network)
    assert adapted(tree, plan_network, aims_for("vmware")).edits == ()
    assert codes(adapted(tree, plan_network, aims_for("hyperv"))) == []
    assert "path mac\n" in (tree / LINKS / "98-kensho-names.link").read_text()
    slots = plant(tmp_path / "slots", UDEV | {f"{LINKS}/a.network": "[Match]\nName=ens*\n"})
    assert codes(adapted(slots, plan_network, aims_for("hyperv"))) == ["KF-874"]
    old = plant(tmp_path / "old", network)
    assert codes(adapted(old, plan_network, aims_for("hyperv"))) == ["KF-874"]


def test_addresses_that_change(tmp_path: Path) -> None:
    ifcfg, keyfile = "etc/sysconfig/network-scripts/ifcfg-ens192", (
        "etc/NetworkManager/system-connections/b.nmconnection"
    )  # fmt: skip
    files = UDEV | {
        ifcfg: f"# the lan\nDEVICE=ens192\nHWADDR={A.upper()}\nUUID=1-2\n",
        keyfile: f"[connection]\nuuid=x\ninterface-name=ens224\n[ethernet]\nmac-address={B}\n",
    }
    nics = machine_with(two())
    kept = plant(tmp_path / "kept", files)
    adapted(kept, plan_network, aims_for(machine=nics, macs={A: "02:00:00:00:00:0a"}))
    assert (kept / ifcfg).read_text() == files[ifcfg].replace(A.upper(), "02:00:00:00:00:0A")
    assert "MACAddress=02:00:00:00:00:0a" in (kept / LINKS / "10-kensho-ens192.link").read_text()
    drawn = plant(tmp_path / "drawn", files)
    draft = adapted(drawn, plan_network, aims_for("aws", machine=nics, macs={A: "", B: ""}))
    assert (drawn / ifcfg).read_text() == "# the lan\nDEVICE=ens192\nUUID=1-2\n"
    assert (drawn / keyfile).read_text() == files[keyfile].replace(f"mac-address={B}\n", "")
    assert codes(draft) == ["KF-872"]


def test_netplan_by_an_address_that_is_drawn_is_said(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", UDEV | {"etc/netplan/01.yaml": NETPLAN})
    draft = guest_in(tree, aims_for("aws", machine=machine_with([Nic("n", mac=A)]), macs={A: ""}))
    plan_network(draft)
    assert "KF-873" in codes(draft.draft)


def test_the_initramfs_has_the_names_only_where_it_names_adapters(tmp_path: Path) -> None:
    files = UDEV | {
        "etc/network/interfaces": "iface ens192 inet dhcp\n",
        "usr/lib/dracut/dracut.sh": "",
        "etc/mkinitcpio.conf": "",
    }
    tree = plant(tmp_path / "tree", files)
    draft = adapted(tree, plan_network, aims_for("kvm", machine=machine_with([Nic("n", mac=A)])))
    path = f"{LINKS}/10-kensho-ens192.link"
    assert draft.early == {path: (tree / path).read_bytes()}
    listed = (tree / "etc/dracut.conf.d/91-kensho-names.conf").read_text()
    assert listed == f'install_items+=" /{path} "\n'
    kernel = Kernel("6.1.0-9-amd64", read_index(INDEX))
    plain = debian_base("kernel/drivers/virtio/virtio.ko")
    udev = [*plain, entry("usr/lib/systemd/systemd-udevd")]
    nics = [*udev, entry("usr/lib/modules/6.1.0-9-amd64/kernel/drivers/net/vmxnet3.ko")]
    made = [open_initramfs(write_archive(entries)) for entries in (plain, udev, nics)]
    assert [len(early_files(draft.early, image, kernel)) for image in made] == [0, 0, 1]


UNSHARED = """
set -e
mount -t sysfs sysfs /sys
mount --bind "$1" /etc/systemd/network
ip link add {name} type veth peer name other
ip link set dev {name} address {mac}
ip link add bridge type bridge
ip link set dev bridge address {mac}
for d in {name} bridge; do udevadm test-builtin net_setup_link /sys/class/net/$d || :; done
"""


@pytest.mark.parametrize(
    ("name", "mac", "file"),
    [("eth3", A, "10-kensho-ens192.link"), ("eth0", B, "97-kensho-ens192.link")],
)
def test_udev_gives_an_adapter_the_name_and_no_bridge(
    tmp_path: Path, name: str, mac: str, file: str
) -> None:
    for program in ("unshare", "ip", "udevadm"):
        tool(program)
    tree = plant(tmp_path / "tree", UDEV | {"etc/network/interfaces": "iface ens192 inet dhcp\n"})
    adapted(tree, plan_network, aims_for("kvm", "gcp", machine=machine_with([Nic("n", mac=A)])))
    done = subprocess.run(
        ["unshare", "-mn", "sh", "-c", UNSHARED.format(name=name, mac=mac), "sh", str(tree / LINKS)],
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"no network of its own here: {done.stderr[-200:]}")
    assert "Unknown key" not in done.stderr
    assert done.stdout.count("ID_NET_NAME=ens192") == 1
    assert done.stdout.count(f"ID_NET_LINK_FILE=/etc/systemd/network/{file}") == 1
    assert done.stdout.index("ID_NET_NAME=ens192") < done.stdout.index("ID_NET_DRIVER=bridge")
