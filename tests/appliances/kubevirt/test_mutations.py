"""Any field of a manifest may hold anything: the machine is read, or a typed error says why not."""

from __future__ import annotations

import copy
from contextlib import suppress

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from kubevirt_samples import MANIFEST

from kensho.appliances.kubevirt.open import open_documents
from kensho.appliances.kubevirt.write import manifest, to_yaml
from kensho.appliances.store import Store
from kensho.model.errors import KenshoError

DOCUMENTS = list(yaml.safe_load_all(MANIFEST))
STORE = Store("a.yaml", lambda _: None, lambda _: None, lambda: None)

odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value, way=()):
    """Yield the way to every value."""
    yield way
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*way, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from places(inner, (*way, number))


PLACES = [way for way in places(DOCUMENTS) if len(way) > 1]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), odd), min_size=1, max_size=3))
def test_a_field_may_hold_anything(changes):
    documents = copy.deepcopy(DOCUMENTS)
    for way, value in changes:
        at = documents
        with suppress(KeyError, IndexError, TypeError):  # an earlier change took the place away
            for key in way[:-1]:
                at = at[key]
            if isinstance(at, dict | list):
                at[way[-1]] = value
    with suppress(KenshoError):
        appliance, _ = open_documents(documents, STORE, "a.yaml", "a")
        for machine in appliance.machines:
            sources = {disk.id: {"emptyDisk": {}} for disk in machine.disks}
            yaml.safe_load(to_yaml([manifest(machine, "a", sources)]))
