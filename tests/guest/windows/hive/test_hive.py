"""Hives: what kensho writes is read by hivex and regipy, and equals a plain model."""

from __future__ import annotations

import itertools
import random
import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kensho.guest.windows.hive import (
    Hive,
    Key,
    Value,
    binary,
    cells,
    dword,
    open_hive,
    qword,
    sz,
    walk,
)
from kensho.guest.windows.hive._structs import checksum
from kensho.guest.windows.hive.keys import value_offsets
from kensho.guest.windows.hive.marvin import marvin32
from kensho.model.errors import CorruptError, FormatError, LimitError, TruncatedError, UsageError
from tests.guest.windows.hive.logs import changed_pages, log_base, make_dirty, new_log, old_log
from tests.guest.windows.hive.oracles import as_regipy_names, by_hivex, keys_by_regipy
from tests.guest.windows.hive.samples import small_hive, tree_of


@pytest.mark.parametrize("minor", [3, 4, 5, 6])
def test_a_new_hive_is_read_by_hivex_and_regipy(tmp_path: Path, minor: int) -> None:
    data = small_hive(minor).dump()
    mine = tree_of(open_hive(data))
    assert by_hivex(data, tmp_path) == mine
    assert keys_by_regipy(data, tmp_path) == {path: len(values) for path, values in mine.items()}


def test_values_say_what_was_put_into_them() -> None:
    hive = open_hive(small_hive().dump())
    key = hive.find(r"controlset001\SERVICES\StorAHCI")
    assert key is not None
    assert [value.name for value in key.values()] == ["Start", "ImagePath", "Owners"]
    values = {value.name: value for value in key.values()}
    assert values["Start"].number == 0
    assert values["ImagePath"].text == r"System32\drivers\storahci.sys"
    assert values["Owners"].strings == ("mshdc.inf", "other.inf")
    assert qword("q", 1 << 40).number == 1 << 40
    assert binary("b", b"1234").number is None


def test_the_same_edits_make_the_same_bytes_and_again_change_nothing() -> None:
    once = small_hive().dump()
    assert small_hive().dump() == once
    hive = open_hive(once)
    assert not hive.set("Select", dword("CURRENT", 1))
    assert hive.dump() == once


def test_what_an_edit_does_not_touch_stays_bit_for_bit() -> None:
    hive = small_hive()
    for number in range(3000):
        hive.set(rf"ControlSet001\Enum\Device{number:04}", sz("Name", f"device {number}"))
    before = hive.dump()
    hive = open_hive(before)
    hive.set("Select", dword("Current", 2))
    after = hive.dump()
    assert len(after) == len(before)
    assert len(changed_pages(before, after)) <= 2


def test_large_values_and_long_lists(tmp_path: Path) -> None:
    hive = small_hive()
    blob = random.Random(1).randbytes(100_000)
    hive.set(
        "Big", binary("blob", blob), binary("edge", blob[:16344]), binary("over", blob[:16345])
    )
    for number in range(1200):
        hive.create(rf"Many\key {number * 7919 % 1200}")
    data = hive.dump()
    mine = tree_of(open_hive(data))
    assert mine["Big"]["blob"] == (3, blob.hex())
    assert by_hivex(data, tmp_path) == mine
    assert hive.delete_value("Big", "blob")
    size = len(hive.cells.data)
    hive.set("Big", binary("blob", blob))
    assert len(hive.cells.data) == size  # the cells of the old one are used again


_NAMES = ["Alpha", "beta", "BETA2", "ßtraße", "Żółć", "日本", "a b", "x" * 60, "é", "Ünï", "_", "~"]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_thousand_random_edits_equal_the_model_and_load_elsewhere(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    hive = small_hive(minor=seed + 4)
    model = tree_of(hive)
    # Names are one whatever their case, so the model finds the spelling that was there first.
    for step in range(1000):
        path = rng.choice(list(model))
        action = rng.random()
        if action < 0.35:
            name = f"{rng.choice(_NAMES)}{rng.randrange(40)}"
            below = f"{path}\\{name}" if path else name
            if not any(known.lower() == below.lower() for known in model):
                hive.create(below)
                model[below] = {}
        elif action < 0.75:
            value = Value(
                f"{rng.choice(_NAMES)}{rng.randrange(9)}",
                rng.randrange(12),
                rng.randbytes(rng.choice([0, 1, 3, 4, 5, 100, 4000, 17000])),
            )
            hive.set(path, value)
            model[path][value.name] = (value.type, value.data.hex())
        elif action < 0.9:
            if model[path]:
                name = rng.choice(list(model[path]))
                assert hive.delete_value(path, name)
                del model[path][name]
        elif path and path.count("\\") >= 1:
            assert hive.delete_key(path)
            model = {
                key: v
                for key, v in model.items()
                if key != path and not key.startswith(path + "\\")
            }
        if step % 250 == 0:
            hive = open_hive(hive.dump())
    data = hive.dump()
    assert tree_of(open_hive(data)) == model
    assert by_hivex(data, tmp_path) == model
    counts = {as_regipy_names(path): len(values) for path, values in model.items()}
    assert keys_by_regipy(data, tmp_path) == counts


def test_every_cell_is_used_or_free_and_security_is_counted() -> None:
    hive = small_hive()
    hive.create(r"A\B\C")
    hive.delete_key("A")
    cells = open_hive(hive.dump()).cells
    keys = sum(1 for _ in walk(hive.root))
    shared = hive.root.node()[0].security
    assert struct.unpack_from("<I", cells.read(shared), 12) == (keys,)
    used = len(cells.data) - 4096 - sum(size for size, _ in cells._find_free())
    fresh = small_hive()
    fresh_used = len(fresh.cells.data) - 4096 - sum(size for size, _ in fresh.cells._find_free())
    assert used == fresh_used  # nothing is lost


def test_a_hive_that_was_not_closed_is_completed_from_its_log(tmp_path: Path) -> None:
    hive = open_hive(small_hive().dump())
    before = hive.dump()
    for number in range(200):
        hive.set(rf"Later\key{number}", sz("text", "written before the crash"))
    after = hive.dump()
    (sequence,) = struct.unpack_from("<I", before, 8)
    for log in (new_log(before, after, sequence), old_log(before, after)):
        dirty = make_dirty(before)
        with pytest.raises(CorruptError, match="not closed") as caught:
            open_hive(dirty)
        assert "shut it down" in caught.value.hint
        mended = open_hive(dirty, [b"", log])
        assert mended.replayed
        assert tree_of(mended) == tree_of(open_hive(after))
        assert by_hivex(mended.dump(), tmp_path) == tree_of(open_hive(after))
        # A log with a flipped bit is not applied.
        with pytest.raises(CorruptError):
            open_hive(dirty, [b"", _flip(log, 520)])


@pytest.mark.filterwarnings(  # regipy leaves its files to the collector
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_regipy_completes_the_hive_alike(tmp_path: Path) -> None:
    recovery = pytest.importorskip("regipy.recovery")
    hive = open_hive(small_hive().dump())
    before = hive.dump()
    hive.set("Later", sz("text", "written before the crash"))
    after = hive.dump()
    (sequence,) = struct.unpack_from("<I", before, 8)
    for number, log in enumerate((new_log(before, after, sequence), old_log(before, after))):
        dirty = make_dirty(before)
        (tmp_path / "hive").write_bytes(dirty)
        (tmp_path / "log").write_bytes(log)
        theirs = tmp_path / f"theirs{number}"
        recovery.apply_transaction_logs(
            str(tmp_path / "hive"), str(tmp_path / "log"), restored_hive_path=str(theirs)
        )
        assert theirs.read_bytes()[4096:] == open_hive(dirty, [log]).dump()[4096:]


def test_a_log_of_before_is_not_applied_to_a_closed_hive() -> None:
    hive = open_hive(small_hive().dump())
    before = hive.dump()
    hive.delete_key("Select")
    after = hive.dump()
    (sequence,) = struct.unpack_from("<I", before, 8)
    assert open_hive(before, [new_log(before, after, sequence)]).dump() == before


def test_entries_of_two_logs_follow_on_each_other() -> None:
    first = open_hive(small_hive().dump())
    states = [first.dump()]
    for number in range(3):
        first.set(f"Step{number}", sz("is", "done"))
        states.append(first.dump())
    (sequence,) = struct.unpack_from("<I", states[0], 8)
    logs = [new_log(a, b, sequence + n) for n, (a, b) in enumerate(itertools.pairwise(states))]
    dirty = make_dirty(states[0])
    assert open_hive(dirty, [logs[0] + logs[1][512:], logs[2]]).find("Step2") is not None
    # One is missing in between: what follows it is not applied.
    mended = open_hive(dirty, [logs[0], logs[2]])
    assert mended.find("Step0") is not None
    assert mended.find("Step2") is None


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_names_and_values_the_registry_cannot_have() -> None:
    hive = small_hive()
    with pytest.raises(UsageError):
        hive.create("x" * 256)
    with pytest.raises(UsageError):
        hive.set("Select", binary("huge", bytes((1 << 20) + 1)))
    with pytest.raises(UsageError):
        hive.delete_key("")
    assert not hive.delete_key("Nothing")
    assert not hive.delete_value("Select", "Nothing")
    assert tree_of(hive) == tree_of(small_hive())


def test_a_key_below_itself_is_found() -> None:
    hive = small_hive()
    select = hive.find("Select")
    assert select is not None
    node, _ = hive.root.node()
    own, _ = select.node()
    own.subkeys, own.subkey_count = node.subkeys, node.subkey_count
    hive.cells.write(select.offset, own.pack())
    with pytest.raises(CorruptError, match="below itself"):
        list(walk(hive.root))
    with pytest.raises(CorruptError):
        hive.delete_key("Select")


def test_a_list_that_comes_again_and_again_is_found() -> None:
    hive = small_hive()
    select = hive.find("Select")
    assert select is not None
    node, _ = select.node()
    leaf = hive.cells.allocate(b"li" + struct.pack("<H", 65535) + struct.pack("<I", 32) * 65535)
    node.subkeys = hive.cells.allocate(
        b"ri" + struct.pack("<H", 65535) + struct.pack("<I", leaf) * 65535
    )
    node.subkey_count = 65535 * 65535
    hive.cells.write(select.offset, node.pack())
    with pytest.raises(CorruptError, match="more subkeys than there is room for"):
        list(select.subkeys())
    values = hive.cells.allocate(struct.pack("<I", 32) * 65536)
    node.values, node.value_count = values, 65536
    hive.cells.write(select.offset, node.pack())
    with pytest.raises(CorruptError, match="more values than there is room for"):
        list(select.values())


def test_a_list_that_all_keys_share_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    hive = small_hive()
    for number in range(500):
        hive.create(rf"Many\{number}")
    hive = open_hive(hive.dump())
    many = hive.find("Many")
    assert many is not None
    shared, _ = many.node()
    for key in many.subkeys():
        node, _ = key.node()
        node.subkeys, node.subkey_count = shared.subkeys, shared.subkey_count
        hive.cells.write(key.offset, node.pack())
    monkeypatch.setattr(cells, "_MOST_LOOKS", 100_000)
    with pytest.raises(LimitError, match="longer than any Windows' are"):
        [key.subkey("StartOverride") for key in many.subkeys()]


def big_value(size: int) -> tuple[Hive, Key, int, int]:
    """Return a hive with a value of big data, its key, and where the value and its data are."""
    hive = small_hive()
    hive.set("Big", binary("data", bytes(size)))
    key = hive.find("Big")
    assert key is not None
    (offset,) = value_offsets(key)
    return hive, key, offset, struct.unpack_from("<I", hive.cells.read(offset), 8)[0]


def test_big_data_in_a_cell_without_room_for_it() -> None:
    hive, key, offset, _ = big_value(40_000)
    hive.cells.write(offset, struct.pack("<I", hive.cells.allocate(b"db\1\0")), 8)
    with pytest.raises(CorruptError, match="too small for it"):
        key.value("data")


def test_values_that_share_large_data_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    hive, key, offset, _ = big_value(40_000)
    node, _ = key.node()
    node.value_count = 900
    node.values = hive.cells.allocate(struct.pack("<I", offset) * 900)
    hive.cells.write(key.offset, node.pack())
    monkeypatch.setattr(cells, "_MOST_LOOKS", 1_000_000)
    with pytest.raises(LimitError, match="longer than any Windows' are"):
        list(key.values())


@pytest.mark.parametrize("form", ["new", "old"])
def test_a_log_makes_a_hive_no_larger_than_what_it_has(form: str) -> None:
    before = small_hive().dump()
    after = open_hive(before)
    after.set("Select", dword("Current", 2))
    claimed = bytearray(after.dump())
    struct.pack_into("<I", claimed, 40, 1 << 29)
    struct.pack_into("<I", claimed, 508, checksum(claimed))
    (sequence,) = struct.unpack_from("<I", before, 8)
    if form == "old":
        bitmap = b"DIRT" + bytes((1 << 29) // 512 // 8)
        log = bytearray(
            log_base(bytes(claimed), 1, sequence + 1) + bitmap.ljust(len(bitmap) + 508, b"\0")
        )
    else:
        log = bytearray(new_log(before, bytes(claimed), sequence))
        struct.pack_into("<I", log, 512 + 16, 1 << 29)
        struct.pack_into("<Q", log, 512 + 32, marvin32(bytes(log[512 : 512 + 32])))
    with pytest.raises(CorruptError, match="enlarges the hive"):
        open_hive(make_dirty(before), [bytes(log)])


def test_what_is_no_hive() -> None:
    with pytest.raises(TruncatedError):
        open_hive(b"regf")
    with pytest.raises(CorruptError):
        open_hive(bytes(8192))
    with pytest.raises(TruncatedError):
        open_hive(small_hive().dump()[:-4096])


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damage_is_a_typed_error_and_never_a_hang(data: st.DataObject) -> None:
    whole = bytearray(_DAMAGE)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(512, len(whole) - 5))
        whole[at : at + 4] = data.draw(st.binary(min_size=4, max_size=4))
    try:
        hive = open_hive(bytes(whole))
        tree_of(hive)
        hive.set(r"ControlSet001\Services\new", dword("Start", 0), binary("b", bytes(9000)))
        hive.delete_key("Select")
        tree_of(hive)
    except FormatError:
        pass


_DAMAGE = small_hive().dump()


def test_the_hash_of_a_large_log_takes_no_memory() -> None:
    data = bytes(1 << 18)
    tracemalloc.start()
    try:
        marvin32(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 16
    finally:
        tracemalloc.stop()
