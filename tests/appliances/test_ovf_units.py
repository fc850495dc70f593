from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho.appliances.ovf.units import Unit, parse_unit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("byte", Unit("byte", 1)),
        ("byte * 2^30", Unit("byte", 2**30)),
        ("byte * 2 ^ 20", Unit("byte", 2**20)),
        ("byte*2^30", Unit("byte", 2**30)),
        ("byte*1024*1024", Unit("byte", 2**20)),
        ("byte * 10^9", Unit("byte", 10**9)),
        ("byte * 2^30 / 1024", Unit("byte", 2**20)),
        ("byte * 2^30 * 2^-10", Unit("byte", 2**20)),
        ("hertz * 10^6", Unit("hertz", 10**6)),
        ("hertz * 10^9", Unit("hertz", 10**9)),
        ("gigahertz", Unit("hertz", 10**9)),
        ("kilobyte", Unit("byte", 1000)),
        ("mebibyte", Unit("byte", 2**20)),
        ("bit", Unit("bit", 1)),
        ("Hertz*10^9", Unit("hertz", 10**9, standard=False)),
        ("2^20 * byte", Unit("byte", 2**20)),
        ("1024 * byte * 2^10", Unit("byte", 2**20)),
        ("1.5 * kilobyte * 4", Unit("byte", 6000)),
        ("kibibyte * 0.5", Unit("byte", 512)),
        ("byte * 2^20 * 10^-3 * 1000", Unit("byte", 2**20)),
        ("hectobyte", Unit("byte", 100)),
        ("exbibyte", Unit("byte", 2**60)),
        ("millisecond * 2000", Unit("second", 2)),
        ("bit / second * 10^9", Unit("bit / second", 10**9)),
        ("gigabit / second", Unit("bit / second", 10**9)),
        ("bit * second^-1", Unit("bit / second", 1)),
        ("percent", Unit("percent", 1)),
        ("TeraBytes", Unit("byte", 2**40, standard=False)),
        ("MegaBytes", Unit("byte", 2**20, standard=False)),
        ("GigaBytes", Unit("byte", 2**30, standard=False)),
        ("MB", Unit("byte", 2**20, standard=False)),
        ("GB", Unit("byte", 2**30, standard=False)),
        ("MiB", Unit("byte", 2**20, standard=False)),
        ("MHz", Unit("hertz", 10**6, standard=False)),
        ("MegaHertz", Unit("hertz", 10**6, standard=False)),
    ],
)
def test_units_in_the_field(text: str, expected: Unit) -> None:
    assert parse_unit(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "Disk", "Processor Cores", "byte *", "byte ^ 2", "byte * 0", "byte / 1024"),
        *("-byte", "millibyte", "byte * -2", "byte * 2^", "byte * second", "byte / byte"),
        *("0^2 * byte", "1e3 * byte", "* byte", "byte byte", "bit / second^2", "kilo", "word"),
        *("byte" + " * 1" * 40, "byte * 10^-3", "٣ * byte"),
        *("2^20", "byte * 2^999", "byte * 999999999999^99", "byte * x", "iB", "byte + 1"),
    ],
)
def test_what_is_no_unit(text: str) -> None:
    assert parse_unit(text) is None


@given(st.text(alphabet="byteherzMGkK*/^ 0123456789-", max_size=30))
def test_any_text_is_a_unit_or_none(text: str) -> None:
    unit = parse_unit(text)
    assert unit is None or unit.factor >= 1
