"""Configurations of xl and xm: the language, disks, and that nothing in them is run."""

from __future__ import annotations

import ast
import contextlib
import csv
from pathlib import Path

import pytest
import xlutil
from hypothesis import given, settings
from hypothesis import strategies as st
from libvirt_facts import corpus_folder, machine_of

from kensho.appliances import open_package
from kensho.appliances.xen.disks import DiskSpec, parse_disk
from kensho.appliances.xen.parse import parse_config
from kensho.model.errors import CorruptError, KenshoError, LimitError
from kensho.model.machine import ControllerModel, Firmware, NicModel, SerialKind
from kensho.model.units import MIB

HVM = """# a guest
name = "web"
uuid = 'c7a5fdb2-cdaf-9455-926a-d65c16db1809'
type = "hvm"
memory = 512; maxmem = 1024
vcpus = 2
maxvcpus = 4
bios = "ovmf"
boot = "dc"
disk = [
  'format=qcow2,vdev=hda,access=rw,target=/images/a,b.qcow2',
  "file:/images/boot.iso,hdc:cdrom,r",  # the last one
]
vif = [ 'mac=00:16:3e:66:92:9c,bridge=xenbr0,model=e1000', "type=vif,bridge=xenbr1" ]
pci = [ '01:00.0' ]
serial = "file:/tmp/log"
device_model_args = [ "-x", '$(touch pwned)' ]
"""


def opened(tmp_path: Path, text: str):
    path = tmp_path / "web.cfg"
    path.write_text(text, encoding="utf-8")
    package = open_package(path)
    package.close()
    return package


def test_a_machine(tmp_path):
    package = opened(tmp_path, HVM)
    machine = package.appliance.machines[0]
    assert package.kind == "xen"
    assert (machine.name, machine.uuid) == ("web", "c7a5fdb2-cdaf-9455-926a-d65c16db1809")
    assert (machine.memory.size, machine.cpu.count, machine.cpu.hot_add) == (1024 * MIB, 2, True)
    assert machine.firmware.kind is Firmware.UEFI
    (disk,), (cdrom,) = machine.disks, machine.cdroms
    assert [f.href for f in package.appliance.files] == ["a,b.qcow2", "boot.iso"]
    assert package.appliance.images[0].format == "qcow2"
    assert machine.controller(cdrom.controller).model is ControllerModel.IDE
    assert (cdrom.boot_order, disk.boot_order) == (1, 2)
    assert [(n.model, n.network) for n in machine.nics] == [
        (NicModel.E1000, "xenbr0"),
        (NicModel.XEN, "xenbr1"),
    ]
    assert [p.kind for p in machine.serial_ports] == [SerialKind.FILE]
    assert "KF-139" in {f.code for f in package.findings}
    extras = {e.where: e.text for e in machine.extras}
    assert extras.pop("maxvcpus") == "4"
    assert extras == {"device_model_args": """[ "-x", '$(touch pwned)' ]"""}


def test_a_paravirtual_machine(tmp_path):
    text = "memory = 64\nkernel = '/boot/vmlinuz'\ndisk = ['phy:/dev/vg/a,xvda,w']\nvif = ['']\n"
    package = opened(tmp_path, text)
    machine = package.appliance.machines[0]
    assert machine.name == "web"
    assert machine.controllers[0].model is ControllerModel.XEN_VBD
    assert machine.nics[0].model is NicModel.XEN
    assert not machine.firmware.stated
    assert "KF-226" in {f.code for f in package.findings}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("/a,raw,xvda,w", DiskSpec("/a", "raw", "xvda", False, False, False)),
        ("/a,,hda", DiskSpec("/a", "raw", "hda", False, False, False)),
        ("/a,vhd,hdc,r,devtype=cdrom", DiskSpec("/a", "vhd", "hdc", True, True, False)),
        ("phy:/dev/a,hda,w!", DiskSpec("/dev/a", "raw", "hda", False, False, True)),
        ("tap:aio:/a,xvda,w", DiskSpec("/a", "raw", "xvda", False, False, False)),
        ("tap2:qcow2:/a,xvdb,r", DiskSpec("/a", "qcow2", "xvdb", False, True, False)),
        (
            "vdev=hdb,format=qcow2,access=ro,target=/a=b,c",
            DiskSpec("/a=b,c", "qcow2", "hdb", False, True, False),
        ),
        (",hdc:cdrom,r", DiskSpec("", "raw", "hdc", True, True, False)),
        ("", DiskSpec("", "raw", "", False, False, False)),
    ],
)
def test_disks(text, wanted):
    assert parse_disk(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "import os\nmemory = 1\ndisk = []\n",
        "memory = 512\ndisk = [ os.system('touch pwned') ]\n",
        "memory = 512\nvcpus = 1 + 1\n",
        "memory = 512\ndisk = [ 'a' \n",
        "memory = 512\ndisk = 'a\n",
        "memory = 512\nvcpus = 2\ndef f(): pass\n",
        "memory = 512\nvcpus = 2\n[1]\n",
    ],
)
def test_what_is_no_literal_is_refused_with_its_line(tmp_path, text):
    with pytest.raises(CorruptError, match=r"line \d+"):
        opened(tmp_path, text)
    assert list(tmp_path.iterdir()) == [tmp_path / "web.cfg"]


def test_the_line_is_the_right_one(tmp_path):
    with pytest.raises(CorruptError, match="line 3 "):
        opened(tmp_path, "memory = 1\nvcpus = 2\nname\nboot = 'c'\n")


def test_a_format_that_is_no_text_of_xml(tmp_path):
    package = opened(
        tmp_path, "memory = 1\nvcpus = 1\ndisk = [ 'format=\x01raw,vdev=hda,target=/a' ]"
    )
    assert package.appliance.images[0].format == "raw"


def test_bounds(tmp_path):
    with pytest.raises(LimitError):
        opened(tmp_path, "memory = 512\nvcpus = 1\na = " + "[" * 100)
    with pytest.raises(LimitError):
        opened(tmp_path, "memory = 512\nvcpus = 1\na = [" + "1," * 150_000 + "]")
    with pytest.raises(LimitError):
        opened(tmp_path, "memory = 512\nvcpus = 1\n" + "#" * (1 << 20))


_LITERALS = st.recursive(
    st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=20)
    | st.integers(-(10**9), 10**9),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True), _LITERALS))
def test_literals_mean_what_python_means_by_them(config):
    text = "".join(f"{key} = {value!r}\n" for key, value in config.items())
    found = parse_config(text.encode(), path="a")
    assert {key: setting.value for key, setting in found.items()} == config
    assert all(ast.literal_eval(found[key].text) == value for key, value in config.items())


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_damaged_file_opens_or_is_refused(tmp_path_factory, data):
    text = bytearray(HVM.encode())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 9))] = data.draw(
            st.sampled_from([b"", b"'", b'"', b"[", b"\\", b"\x01", b"\xff", b"9" * 25])
        )
    path = tmp_path_factory.mktemp("damaged") / "a.cfg"
    path.write_bytes(text)
    with contextlib.suppress(KenshoError):
        open_package(path).close()


def test_the_configurations_of_the_corpus_open():
    corpus = corpus_folder()
    if not (corpus / "MANIFEST.csv").exists():
        pytest.skip("no corpus beside the repository (KENSHO_CORPUS)")
    with (corpus / "MANIFEST.csv").open(newline="", encoding="utf-8") as table:
        paths = [row["path"] for row in csv.DictReader(table) if "configdata/" in row["path"]]
    machines = [machine_of(corpus / path) for path in paths if path.endswith(".cfg")]
    assert len(machines) > 30
    assert all(m.name.startswith("Xen") for m in machines)


@pytest.mark.parametrize(
    ("text", "target", "format_", "vdev", "is_cdrom"),
    [
        ("format=qcow2, vdev=xvda, /a", "/a", "qcow2", "xvda", False),
        ("vdev=xvda, access=ro, /a, qcow2", "/a", "qcow2", "xvda", False),
        ("discard, /a, raw, xvda, rw", "/a", "raw", "xvda", False),
        ("/a,,xvda,no-discard,rw", "/a", "raw", "xvda", False),
        ("cdrom, /a,, hdc", "/a", "raw", "hdc", True),
        ("qcow2:/a,hda,w", "/a", "qcow2", "hda", False),
        ("raw:/a,hdc:cdrom,ro", "/a", "raw", "hdc", True),
        ("vdev=hda,script=block-x,target=/a,b", "/a,b", "raw", "hda", False),
    ],
)
def test_parameters_by_name_and_by_place(text, target, format_, vdev, is_cdrom):
    spec = parse_disk(text)
    assert (spec.target, spec.format, spec.vdev) == (target, format_, vdev)
    assert spec.is_cdrom == is_cdrom
    if (library := xlutil.load()) is not None:
        theirs = xlutil.Config(library, b"a = 1\n").disk(text)
        assert theirs.pdev_path.decode() == target
        assert theirs.vdev.decode() == vdev
        assert bool(theirs.is_cdrom) == is_cdrom
        assert theirs.readwrite == (not spec.read_only and not is_cdrom)


def test_a_number_with_a_zero_in_front_is_octal():
    data = b"vcpus = 010\nmemory = 0x200\nmaxmem = 0\n"
    found = parse_config(data, path="a")
    assert [s.value for s in found.values()] == [8, 512, 0]
    if (library := xlutil.load()) is not None:
        theirs = xlutil.Config(library, data)
        assert [theirs.number(key) for key in found] == [8, 512, 0]
