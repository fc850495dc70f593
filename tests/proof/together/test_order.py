"""In which order machines are started; what descriptors make of it is tested with the reader of OVF."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kensho.convert.guests import GuestDisks
from kensho.model.appliance import StartItem
from kensho.proof.together.order import Stage, in_words, notes, stages


def test_ascending_and_those_of_the_same_order_together() -> None:
    items = (
        StartItem("web", 2, start_delay=5),
        StartItem("db", 1, start_delay=30),
        StartItem("cache", 1, start_delay=60, wait_for_guest=True),
    )
    # cache says when it is up, and is not waited for by the clock
    assert stages(items) == (Stage((1, 2), 30), Stage((0,), 5))


def test_without_an_order_one_by_one_as_in_the_file() -> None:
    assert stages((None, None, None)) == (Stage((0,)), Stage((1,)), Stage((2,)))


def test_those_without_a_place_come_last() -> None:
    assert stages((None, StartItem("b", 7), None)) == (Stage((1,)), Stage((0,)), Stage((2,)))


@given(st.lists(st.none() | st.builds(StartItem, machine=st.just("m"), order=st.integers(0, 3))))
def test_each_machine_once_and_never_before_a_lower_order(items: list[StartItem | None]) -> None:
    found = [number for stage in stages(items) for number in stage.machines]
    assert sorted(found) == list(range(len(items)))
    orders = [item.order for item in map(items.__getitem__, found) if item is not None]
    assert orders == sorted(orders)


def test_that_there_is_no_order_is_said() -> None:
    web = GuestDisks("web", None, ())
    db = GuestDisks("db", None, (), StartItem("db", 1, start_delay=30))
    assert notes([db]) == notes([web]) == ()
    assert in_words([web]) == ""
    assert in_words([web, db]).endswith(": db (30 s at least), web")
    (told,) = notes([web, db])
    assert (told.code, told.subject) == ("KF-980", "web")
