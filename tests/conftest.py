"""What tests leave behind goes as soon as nobody reads it any more: a whole run would keep 11 GB.

No example of Hypothesis is too slow: how long one takes is up to whatever else the machine does.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "house",
    settings.get_profile(settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Remove folders that a test itself made beside its own: one for each example of Hypothesis."""
    factory: pytest.TempPathFactory = item.config._tmp_path_factory
    before = set(factory.getbasetemp().iterdir())
    yield  # a test that fails keeps them
    for folder in set(factory.getbasetemp().iterdir()) - before:
        shutil.rmtree(folder, ignore_errors=True)
