"""Configurations no machine has: they are refused, or read, in the time that any other one takes."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from kensho.appliances import Package, open_package
from kensho.appliances.proxmox.conf import looks_like_conf, parse_conf
from kensho.appliances.vmx.parse import read_dictionary
from kensho.appliances.xen.disks import parse_disk
from kensho.convert.plan import Request, make_plan
from kensho.model.errors import CorruptError, LimitError
from kensho.model.yamlsafe import load_all, plain

VMX = 'config.version = "8"\nmemsize = "64"\n'
TOO_MANY = 1025
DOMAIN = '<domain type="kvm"><devices>{}</devices></domain>'
DISK = '<disk type="file"><source file="/a"/><target dev="sda" bus="scsi"/></disk>'
VBOX = (
    '<VirtualBox xmlns="http://www.virtualbox.org/"><Machine><Hardware><StorageControllers>'
    '<StorageController type="AHCI">{}</StorageController></StorageControllers></Hardware>'
    "</Machine></VirtualBox>"
)


def opened(tmp_path: Path, name: str, text: str) -> Package:
    path = tmp_path / name
    path.write_text(text)
    return open_package(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.vmx", VMX + "".join(f"scsi{n // 64}:{n % 64}.x = 1\n" for n in range(TOO_MANY))),
        ("a.xml", DOMAIN.format(DISK * TOO_MANY)),
        ("a.vbox", VBOX.format("<AttachedDevice/>" * TOO_MANY)),
    ],
)
def test_more_drives_than_any_machine_has(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(LimitError, match="1025 drives") as caught:
        opened(tmp_path, name, text)
    assert caught.value.hint


def test_a_boot_order_of_a_million_words(tmp_path: Path) -> None:
    drives = "".join(f'scsi0:{n}.fileName = "{n}.vmdk"\n' for n in range(900))
    order = f'bios.bootOrder = "{"hdd," * 900_000}ethernet0"\n'
    text = VMX + drives + order + 'ethernet0.present = "TRUE"\n'
    with closing(opened(tmp_path, "a.vmx", text)) as found:
        (machine,) = found.appliance.machines
    assert [d.boot_order for d in machine.disks[:2]] == [1, None]
    assert machine.nics[0].boot_order == 2


def test_a_hardware_version_of_many_digits(tmp_path: Path) -> None:
    text = VMX + f'virtualHW.version = "{"9" * 5000}"\n'
    with closing(opened(tmp_path, "a.vmx", text)) as found:
        assert found.appliance.machines[0].hardware_versions == ()


@pytest.mark.parametrize("name", ["utf-16", "utf-32", "cp037", "utf-16-le"])
def test_an_encoding_in_which_the_file_is_not(name: str) -> None:
    text = f'.encoding = "{name}"\nmemsize = "2048"\n# {" " * (-len(name) % 4)}'
    values, findings = read_dictionary(text.encode(), path="a.vmx")
    assert values.get("memsize") == "2048"
    assert [f.code for f in findings] == ["KF-140"]


def test_a_line_of_blanks_is_read_once() -> None:
    line = f"name: x{' ' * 900_000}y"
    assert not looks_like_conf(line.encode())
    assert parse_conf(line.encode(), path="1.conf")[0].options["name"] == line[6:]


def test_no_other_character_than_a_line_feed_ends_a_line() -> None:
    conf, findings = parse_conf("name: a\u2028b\x85c\r\ncores: 2".encode(), path="1.conf")
    assert conf.options == {"name": "a\u2028b\x85c", "cores": "2"}
    assert findings == ()


def test_a_disk_of_a_million_commas() -> None:
    assert parse_disk(f"file:/a,hda,w{',' * 900_000}").vdev == "hda"
    assert parse_disk("format=raw, vdev=hda, target=/a,b = c ,d").target == "/a,b = c ,d"


@pytest.mark.parametrize(
    "number", ["0x" + "f" * 6000, "1" + ":59" * 100_000, "9" * 6000, "1:1" * 100_000 + ".0"]
)
def test_a_number_without_end(number: str) -> None:
    with pytest.raises(CorruptError, match=r"line 2: a number of [0-9]+ characters"):
        load_all(f"b: 1\na: {number}\n".encode(), "a.yaml")
    assert plain(number) == number


def test_a_list_that_is_never_kept() -> None:
    with pytest.raises(LimitError, match="keys and values"):
        load_all(b"a: [" + b"1," * 250_000 + b"1]", "a.yaml")


def test_a_fault_in_a_name_of_any_length(tmp_path: Path) -> None:
    with pytest.raises(CorruptError) as caught:
        opened(tmp_path, "a.xml", f"<domain type='kvm'><{'a' * 5000}></domain>")
    assert "line 1" in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_file_name_of_any_length(tmp_path: Path) -> None:
    text = VMX + f'scsi0:0.present = "TRUE"\nscsi0:0.fileName = "{"a" * 5000}.vmdk"\n'
    path = tmp_path / "a.vmx"
    path.write_text(text)
    plan = make_plan(Request(source=str(path), target="kvm"))
    assert "KF-201" in {f.code for f in plan.findings}
