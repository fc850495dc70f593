"""Disks made by VMware and VirtualBox, where they are at hand; QEMU is the judge."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kensho.disks import compare, open_disk
from kensho.model.errors import CorruptError, FormatError
from kensho.storage import FileSource, WindowSource, read_members

SHARED = Path(os.environ.get("KENSHO_SHARED", Path(__file__).parents[3] / "shared"))
MAGIC = b"KDMV"


def disks():
    """Yield (file, offset, size) of every sparse VMDK of the corpus, in packages or alone."""
    for path in sorted((SHARED / "corpus").rglob("*.vmdk")):
        if path.is_file() and path.read_bytes()[:4] == MAGIC:
            yield path, 0, path.stat().st_size
    for path in sorted((SHARED / "corpus").rglob("*.ova")):
        with FileSource(path) as source:
            try:
                members = read_members(source)
            except CorruptError:
                continue  # some are bad on purpose
            for member in members:
                head = source.read_at(member.offset, min(4, member.size))
                if head == MAGIC:
                    yield path, member.offset, member.size


FOUND = list(disks()) if (SHARED / "corpus").is_dir() else []


@pytest.mark.skipif(not FOUND, reason="no corpus here")
@pytest.mark.skipif(not shutil.which("qemu-img"), reason="qemu-img is not installed")
@pytest.mark.parametrize(("path", "offset", "size"), FOUND, ids=lambda v: getattr(v, "name", None))
def test_real_disks(tmp_path, path, offset, size):
    with FileSource(path) as package:
        window = WindowSource(package, offset, size, path.name)
        (tmp_path / "disk").write_bytes(window.read_at(0, size))
        judge = ["qemu-img", "convert", "-O", "raw", tmp_path / "disk", tmp_path / "raw"]
        if subprocess.run(judge, capture_output=True).returncode:
            with pytest.raises(FormatError):  # the first chunk of a disk sent in chunks
                open_disk(window)
            return
        reader = open_disk(window)
        assert reader.warnings == ()
        with FileSource(tmp_path / "raw") as raw:
            expected = open_disk(raw, format="raw")
            assert reader.virtual_size == expected.virtual_size
            assert compare(reader, expected) is None
