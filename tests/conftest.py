"""What tests leave behind goes as soon as nobody reads it any more: a whole run would keep 11 GB."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Remove folders that a test itself made beside its own: one for each example of Hypothesis."""
    factory: pytest.TempPathFactory = item.config._tmp_path_factory
    before = set(factory.getbasetemp().iterdir())
    yield  # a test that fails keeps them
    for folder in set(factory.getbasetemp().iterdir()) - before:
        shutil.rmtree(folder, ignore_errors=True)
