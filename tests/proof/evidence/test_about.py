"""What a statement says went in: every file once, by name and SHA-256, whatever it lay in."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kensho.convert.guests import opened_guests
from kensho.proof.evidence.about import disk_name, inputs_of, name_of
from tests.cli.small_guest import guest_machine
from tests.images import raw_disk


def inputs(*locators: Path) -> list[tuple[str, str]]:
    names = [str(locator) for locator in locators]
    with opened_guests(names) as machines:
        return [(ref.name, ref.sha256) for ref in inputs_of(names, machines, lambda _: None)]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_images_of_one_name_in_two_folders(tmp_path: Path) -> None:
    for folder, byte in (("a", b"a"), ("b", b"b")):
        (tmp_path / folder).mkdir()
        path = raw_disk(tmp_path / folder / "disk.img")
        path.write_bytes(byte + path.read_bytes()[1:])
    a, b = tmp_path / "a/disk.img", tmp_path / "b/disk.img"
    assert inputs(a, b) == [("disk.img", sha256(a)), ("disk.img", sha256(b))]


def test_a_folder_with_a_machine_and_its_descriptor_itself(tmp_path: Path) -> None:
    descriptor = guest_machine(tmp_path / "web01")
    folder = descriptor.parent
    expected = [(n, sha256(folder / n)) for n in ("web01.ovf", "boot.img", "root.img")]
    assert inputs(descriptor) == expected
    assert inputs(folder) == expected


def test_names_say_nothing_of_where_it_lay() -> None:
    assert name_of("/home/jane/app.ova#sub/disk.vmdk") == "app.ova#sub/disk.vmdk"
    assert disk_name("/home/jane/app.ova#sub/disk.vmdk") == "disk.vmdk"
    assert disk_name("/home/jane/disk.img") == "disk.img"
