"""What users type."""

from __future__ import annotations

import pytest

from kensho.model.errors import UsageError
from kensho.packages.edit.values import mac, pairs, size, spread, unknown


@pytest.mark.parametrize(
    ("text", "count"),
    [("8GiB", 8 << 30), ("8GB", 8 << 30), ("4096M", 4 << 30), ("1.5 TiB", 3 << 39), ("512b", 512)],
)
def test_size(text, count):
    assert size(text, "memory") == count


@pytest.mark.parametrize("text", ["4096", "0GiB", "-1GiB", "GiB", "9" * 15 + "P", "1e9B", ""])
def test_no_size(text):
    with pytest.raises(UsageError):
        size(text, "memory")


def test_spread_as_cot_documents_it():
    assert spread(["eth{0}"], 3) == ["eth0", "eth1", "eth2"]
    assert spread(["mgmt0", "eth{10}"], 4) == ["mgmt0", "eth10", "eth11", "eth12"]
    assert spread(["a", "b", "c"], 2) == ["a", "b"]
    assert spread(["same"], 3) == ["same"] * 3
    assert spread([], 3) == []


def test_pairs():
    assert pairs(r"a=1,b=x\,y,c", ("a", "b", "c"), "--x") == {"a": "1", "b": "x,y", "c": ""}
    with pytest.raises(UsageError, match="'d' is not known"):
        pairs("d=1", ("a",), "--x")


def test_unknown_names_the_nearest():
    error = unknown("there is no network 'Lan1'", "Lan1", ["lan1", "wan"])
    assert error.hint == "did you mean 'lan1'? there is: lan1, wan"


def test_mac():
    assert mac("00-50-56-AA-BB-CC") == "00:50:56:aa:bb:cc"
    with pytest.raises(UsageError):
        mac("00:50")
