"""Hyper-V's binary storage of keys: what a builder of our own wrote is read, damage is told."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from contextlib import suppress

import pytest
from hyperv_samples import gen1, gen2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vmcx_builder import PAGE, Far, Tree, build_vmcx, header, key_table, log_page, sealed

from kensho.appliances.hyperv.tree import Key
from kensho.appliances.hyperv.vmcx import read_storage
from kensho.model.errors import CorruptError, KenshoError, LimitError, UnsupportedError
from kensho.storage import MemorySource

SMALL: Tree = [("configuration", [("count", 7), ("name", "a"), ("name", "b")])]


def read(data):
    return read_storage(MemorySource(data, "t.vmcx"))


def plain(key: Key) -> Tree:
    return [(c.name, plain(c) if c.kind == "node" else c.value) for c in key.children]


def wanted(tree: Tree) -> Tree:
    return [
        (n, wanted(v) if isinstance(v, list) else v.value if isinstance(v, Far) else v)
        for n, v in tree
    ]


NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=20)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=60)
VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False),
    TEXTS,
    st.binary(max_size=80),
    st.builds(Far, st.binary(min_size=1, max_size=5000)),
    st.builds(Far, TEXTS),
)
TREES = st.recursive(
    st.lists(st.tuples(NAMES, VALUES), max_size=6),
    lambda inner: st.lists(st.tuples(NAMES, st.one_of(VALUES, inner)), max_size=6),
    max_leaves=40,
)


@settings(max_examples=60, deadline=None)
@given(TREES)
def test_any_tree_is_read_as_it_was_written(tree):
    root, findings = read(build_vmcx(tree))
    assert plain(root) == wanted(tree)
    assert findings == ()


def test_a_list_keeps_its_order_over_many_tables():
    tree: Tree = [("node", [("item", number) for number in range(2000)])]
    data = build_vmcx(tree)
    assert len(data) > 20 * PAGE
    assert plain(read(data)[0]) == tree


def test_the_newer_header_counts():
    data = bytearray(build_vmcx(SMALL))
    data[PAGE : 2 * PAGE] = header(9, 3 * PAGE, version=0x300)
    with pytest.raises(UnsupportedError, match=r"version 3\.0"):
        read(bytes(data))
    data[:PAGE] = header(10, 3 * PAGE)
    assert plain(read(bytes(data))[0]) == SMALL
    # The number has 16 bits: after 65535 comes 0.
    data[:PAGE], data[PAGE : 2 * PAGE] = header(0, 3 * PAGE), header(0xFFFF, 3 * PAGE, version=1)
    assert plain(read(bytes(data))[0]) == SMALL


def test_one_damaged_header_does_no_harm_two_do():
    data = bytearray(build_vmcx(SMALL))
    data[10] ^= 1
    assert plain(read(bytes(data))[0]) == SMALL
    data[PAGE + 10] ^= 1
    with pytest.raises(CorruptError, match="neither of the two headers"):
        read(bytes(data))


@pytest.mark.parametrize("behind", [0, 40])
def test_a_log_is_applied_to_what_is_read(behind):
    after = build_vmcx([("configuration", [("count", 8), ("name", "a"), ("name", "b")])])
    before = bytearray(build_vmcx(SMALL))
    writes = [(4 * PAGE, after[4 * PAGE : 4 * PAGE + 100])]
    before[3 * PAGE : 4 * PAGE] = log_page(writes, behind=behind)
    for place in (0, PAGE):
        fields = before[place : place + 42] + struct.pack("<I", behind)
        before[place : place + 46] = sealed(bytes(fields), 4)
    root, findings = read(bytes(before))
    assert plain(root) == [("configuration", [("count", 8), ("name", "a"), ("name", "b")])]
    assert [f.code for f in findings] == ["KF-471"]


@pytest.mark.parametrize("place", [34, 34 + 24, 34 + 28 + 5])
def test_a_damaged_log_is_refused_with_a_remedy(place):
    data = bytearray(build_vmcx(SMALL, writes=[(4 * PAGE, b"x" * 50)]))
    data[3 * PAGE + place] ^= 0xFF
    with pytest.raises(UnsupportedError) as caught:
        read(bytes(data))
    assert caught.value.offset is not None
    assert "Export-VM" in caught.value.hint


def test_a_log_never_leads_out_of_the_file():
    data = build_vmcx(SMALL, writes=[(1 << 40, b"x" * 50)])
    with pytest.raises(UnsupportedError, match="out of the file"):
        read(data)
    assert len(read(build_vmcx(SMALL))[0].children) == 1


def test_a_key_whose_checksum_is_wrong_is_told():
    data = bytearray(build_vmcx(SMALL))
    place = data.index(b"count\0") + 6
    data[place] = 9
    root, (finding,) = read(bytes(data))
    assert plain(root)[0][1][0] == ("count", 9)
    assert finding.code == "KF-470"
    assert "'count'" in finding.message


def test_keys_without_a_parent_are_told_and_circles_are_not_followed():
    word = b"x\0"
    loop = struct.pack("<BBIHIIIB", 9, 0, 21 + 2 + 12, 1, 10, 0, 1, 2) + word + bytes(12)
    data = bytearray(build_vmcx(SMALL))
    data[4 * PAGE : 5 * PAGE] = key_table(1, sealed(loop, 12))
    root, _ = read(bytes(data))
    assert root.children == ()
    lost = struct.pack("<BBIHIIIB", 3, 0, 21 + 2 + 8, 7, 99, 0, 1, 2) + word + bytes(8)
    data[4 * PAGE : 5 * PAGE] = key_table(1, sealed(lost, 12))
    assert "without a parent" in read(bytes(data))[1][0].message


def test_object_tables_are_followed_once():
    data = bytearray(build_vmcx(SMALL))
    entry = sealed(struct.pack("<BIQIB", 1, 0, 2 * PAGE, PAGE, 1), 1)
    data[2 * PAGE + 8 + 18 : 2 * PAGE + 8 + 36] = entry
    with pytest.raises(CorruptError, match="circle"):
        read(bytes(data))


def test_nodes_too_deep_are_refused():
    tree: Tree = []
    for _ in range(200):
        tree = [("n", tree)]
    with pytest.raises(LimitError, match="deep"):
        read(build_vmcx(tree))


def test_values_of_a_saved_state_are_not_read():
    root, _ = read(build_vmcx([("RamBlock0", Far(bytes(5 << 20))), ("n", 1)]))
    assert plain(root) == [("RamBlock0", None), ("n", 1)]


WHOLE = build_vmcx(gen1(), writes=[(4 * PAGE, b"")])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=8)), max_size=6
    ),
    st.integers(0, len(WHOLE)),
)
def test_damage_never_crashes(changes, end):
    data = bytearray(WHOLE)
    for place, new in changes:
        data[place : place + len(new)] = new
    for cut in (len(data), end):
        with suppress(KenshoError):
            read(bytes(data[:cut]))


@pytest.mark.skipif(
    "KENSHO_DISSECT_PYTHON" not in os.environ,
    reason="KENSHO_DISSECT_PYTHON names no Python with dissect.hypervisor",
)
def test_another_reader_reads_the_same(tmp_path):
    script = (
        "import json,sys;from dissect.hypervisor.descriptor.hyperv import HyperVFile;"
        "print(json.dumps(HyperVFile(open(sys.argv[1],'rb')).as_dict(),default=lambda b:b.hex()))"
    )

    def dictionary(tree):
        pairs = [(n, dictionary(v) if isinstance(v, list) else v) for n, v in wanted(tree)]
        return {n: v.hex() if isinstance(v, bytes) else v for n, v in pairs}

    far: Tree = [("far", [("a", Far(b"x" * 5000)), ("b", Far("long" * 2000)), ("c", 2**64 - 1)])]
    many: Tree = [("n", [(f"item{number}", [("v", number)]) for number in range(500)])]
    for number, tree in enumerate((gen1(), gen2(), far, many)):
        path = tmp_path / f"{number}.vmcx"
        path.write_bytes(build_vmcx(tree))
        run = subprocess.run(
            [os.environ["KENSHO_DISSECT_PYTHON"], "-c", script, path],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        theirs = json.loads(run.stdout.replace("\\u0000", ""))
        assert theirs == dictionary(plain(read(path.read_bytes())[0]))
