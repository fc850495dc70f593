"""Objects in stores, with the in-memory and the local store of obstore."""

from __future__ import annotations

import importlib
import random
from pathlib import Path

import pytest

from kensho.model.errors import CorruptError, LocatorError, ToolMissingError, TruncatedError
from kensho.storage.locator import open_source
from kensho.storage.objects import ObjectSource

DATA = random.Random(1).randbytes(1_500_000)


@pytest.fixture
def store():
    pytest.importorskip("obstore")
    made = importlib.import_module("obstore.store").MemoryStore()
    made.put("folder/a.raw", DATA)
    return made


def test_reads_at_random_are_the_objects_bytes(store) -> None:
    source = ObjectSource(store, "folder/a.raw", "s3://b/folder/a.raw")
    assert source.size == len(DATA)
    chance = random.Random(2)
    for _ in range(40):
        at = chance.randrange(len(DATA))
        length = min(chance.choice([1, 512, 70_000, 600_000]), len(DATA) - at)
        assert source.read_at(at, length) == DATA[at : at + length]
    with pytest.raises(TruncatedError):
        source.read_at(len(DATA) - 1, 2)


def test_an_object_that_changes_is_noticed(store) -> None:
    source = ObjectSource(store, "folder/a.raw", "s3://b/folder/a.raw")
    store.put("folder/a.raw", DATA[::-1])
    with pytest.raises(CorruptError, match="changed"):
        source.read_at(0, 400_000)


def test_what_is_not_there(store) -> None:
    with pytest.raises(LocatorError):
        ObjectSource(store, "none", "s3://b/none")
    with pytest.raises(LocatorError, match="names no object"):
        open_source("s3://bucket/")


def test_the_registry_leads_to_a_store(
    store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("obstore.store")
    (tmp_path / "a.raw").write_bytes(DATA)
    asked = []

    def from_url(url: str):
        asked.append(url)
        return module.LocalStore(str(tmp_path))

    monkeypatch.setattr(module, "from_url", from_url)
    source = open_source("s3://bucket/a.raw")
    assert asked == ["s3://bucket"]
    assert source.read_at(100, 1000) == DATA[100:1100]


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def missing(name: str, *rest: object):
        if name.startswith("obstore"):
            raise ImportError(name)
        return real(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ToolMissingError) as caught:
        open_source("gs://bucket/a.raw")
    assert "kensho-vm[objects]" in caught.value.hint
