"""The Merkle root of a disk's content: against the published construction, in every format."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from disk_helpers import KIB, MIB, make_content, make_disk, open_bytes
from hypothesis import given, settings
from hypothesis import strategies as st

from kensho.disks import compare, content_root, copy_disk, create_disk, open_disk
from kensho.disks.content import LEAF, LEVELS, MerkleTree, zero_roots
from kensho.model.extent import Extent, Kind
from kensho.storage import FileSink, FileSource, MemorySink

DOCUMENT = Path(__file__).parents[2] / "docs" / "integrity.md"
#: The vector of docs/integrity.md: 200,000 bytes, b"kensho\n" at 0 and at 131,072, the rest zero.
VECTOR = b"kensho\n".ljust(131_072, b"\0") + b"kensho\n".ljust(68_928, b"\0")


def script():
    """The independent check, as the document prints it."""
    return DOCUMENT.read_text().split("```python\n")[1].split("```")[0]


def independent(content):
    names = {"__name__": "document"}
    exec(script(), names)
    return names["root"](io.BytesIO(content))


def test_the_document_says_what_is_computed(tmp_path):
    ours = content_root(open_bytes(VECTOR, format="raw"))
    assert ours in DOCUMENT.read_text()
    assert zero_roots()[LEVELS].hex() in DOCUMENT.read_text()
    (tmp_path / "check.py").write_text(script())
    (tmp_path / "disk.raw").write_bytes(VECTOR)
    done = subprocess.run(
        [sys.executable, tmp_path / "check.py", tmp_path / "disk.raw"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ours


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 3 * MIB),
    st.lists(st.tuples(st.integers(0, 3 * MIB), st.integers(1, 150 * KIB)), max_size=4),
)
def test_equal_bytes_have_the_root_of_the_construction(size, pieces):
    content = make_content(size, [(at % size, n) for at, n in pieces])
    root = independent(content)
    assert content_root(open_bytes(content, format="raw"), threads=3) == root
    blob = make_disk(content, "vmdk")
    assert content_root(open_bytes(blob)) == root
    writer = create_disk("qcow2", None, MemorySink(), size)
    assert copy_disk(open_bytes(blob), writer, root=True, threads=2).content_root == root
    tree = MerkleTree()
    assert compare(open_bytes(content, format="raw"), open_bytes(blob), tree=tree) is None
    assert tree.root() == root


@pytest.mark.parametrize("at", [0, LEAF - 1, LEAF, 5 * LEAF, 3 * MIB - 1])
def test_any_byte_changes_the_root(at):
    content = bytearray(3 * MIB)
    assert content_root(open_bytes(bytes(content), format="raw")) == zero_roots()[LEVELS].hex()
    content[at] = 1
    one = content_root(open_bytes(bytes(content), format="raw"))
    content[at], content[(at + LEAF) % len(content)] = 0, 1
    assert one != zero_roots()[LEVELS].hex()
    assert one != content_root(open_bytes(bytes(content), format="raw"))


def test_64_tib_take_as_many_nodes_as_there_are_levels(monkeypatch):
    calls = []

    class Counting:
        def __init__(self, data):
            import blake3

            calls.append(len(data))
            self._hash = blake3.blake3(data)

        def digest(self):
            return self._hash.digest()

    tree = MerkleTree()
    tree._node = Counting
    tree.add([(0, b"a" * 32), ((64 << 40) // LEAF - 1, b"b" * 32)])
    tree.root()
    assert len(calls) < 4 * LEVELS


def test_a_sparse_disk_is_not_read(tmp_path):
    with FileSink(tmp_path / "disk") as sink:
        sink.truncate(8 << 40)
        sink.write_at(5 << 40, b"x" * 4096)
    with FileSource(tmp_path / "disk") as source:
        disk = open_disk(source, format="raw")
        data = [e for e in disk.extents() if e.kind is Kind.DATA]
        assert len(data) == 1
        assert isinstance(data[0], Extent)
        tree = MerkleTree()
        assert compare(disk, disk, tree=tree) is None
        assert tree.root() == content_root(disk) != zero_roots()[LEVELS].hex()
