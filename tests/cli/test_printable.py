"""Names in a guest are others' words: a terminal shows them, and does not act upon them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kensho.cli.printable import printable
from tests.cli.conftest import Kensho
from tests.cli.small_guest import VERSION, guest_tree
from tests.guest.images_of import MIB, ext
from tests.guest.linux.trees import MODULES

ACTS = "\x1b]0;title\x07\x1b[31m\u202e[bold]"


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A guest whose kernel, label, settings and units are called in that way."""
    folder = tmp_path_factory.mktemp("guest")
    tree = guest_tree(folder / "tree", boot=False) / "root"
    version = VERSION + ACTS
    shutil.copytree(tree / MODULES, (tree / MODULES).with_name(version))
    shutil.copy(tree / f"boot/initrd.img-{VERSION}", tree / f"boot/initrd.img-{version}")
    (tree / f"boot/vmlinuz-{version}").write_bytes(b"kernel")
    (tree / "boot/grub").mkdir()
    (tree / "boot/grub/grub.cfg").write_text(
        f"menuentry x {{\nlinux /boot/vmlinuz-{version} root=/dev/sda1 elevator={ACTS}\n}}\n"
    )
    (tree / "etc/hostname").write_text(ACTS)
    (tree / "etc/fstab").write_text(f"/dev/sdb1 /srv{ACTS} ext4 a 0 0\n")
    (tree / "etc/systemd/system").mkdir(parents=True)
    (tree / f"etc/systemd/system/{ACTS.replace('/', '')}.mount").write_text(
        "[Mount]\nWhat=/dev/sdc1\n"
    )
    return ext(folder / "vm.img", tree, "-t", "ext4", "-L", "\x1b[31mlabel", size=32 * MIB)


@pytest.mark.parametrize(
    "command", ["inspect --deep", "check", "adapt --dry-run --diff", "plan --to kvm --adapt"]
)
def test_what_is_shown(guest: Path, kensho: Kensho, command: str) -> None:
    code, out, err = kensho(*command.split(), guest)
    assert code in {0, 10}, err
    assert VERSION in out
    assert not {"\x1b", "\x07", "\u202e"} & {*out, *err}


def test_what_is_said_of_an_error(tmp_path: Path, kensho: Kensho) -> None:
    code, _, err = kensho("inspect", tmp_path / f"no{ACTS.replace('/', '')}.img")
    assert code == 2
    assert "KE-00" in err
    assert not {"\x1b", "\x07", "\u202e"} & set(err)


def test_other_texts_stay() -> None:
    text = "na\u00efve\u00a0\u2603\n\tsecond \u4e2d\udce9"
    assert printable(text) == text
    assert printable("a\r\nb\rc") == "a\nb\ufffdc"
