"""Machines as they are tried: adapters, folders, memory. None is started."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho.convert.guests import GuestDisks
from kensho.model.errors import ProofError
from kensho.model.machine import Cpu, Machine, Memory, Nic
from kensho.proof.guests import Plug, clashes, folders, plugs_of
from kensho.proof.prove import slots
from kensho.proof.together.networks import arguments, names_of


def machine(*nics: Nic) -> GuestDisks:
    return GuestDisks("m", Machine("m", "m", Cpu(), Memory(1 << 30), nics=nics), ())


def test_adapters_are_on_the_networks_the_appliance_names() -> None:
    nics = (
        Nic("a", network="outer", mac="00:50:56:00:00:01"),
        Nic("b", network="inner"),
        Nic("c", network="inner", connected=False),
    )
    first, second = plugs_of(machine(*nics), 1), plugs_of(machine(*nics[1:]), 2)
    assert [plug.network for plug in first] == ["outer", "inner", None]
    assert first[0].mac == "00:50:56:00:00:01"
    macs = [plug.mac for plug in (*first, *second)]
    assert len(set(macs)) == len(macs)
    assert names_of([first, second]) == ("outer", "inner")


def test_of_a_machine_nothing_is_known_of_there_is_one_adapter() -> None:
    assert plugs_of(GuestDisks("vm", None, ()), 1) == (Plug("52:54:00:12:34:56"),)


def test_two_machines_with_one_address_are_told_apart() -> None:
    """Else what one answers might be taken for the other's."""
    mac = "00:50:56:00:00:01"
    one = machine(Nic("a", network="inner", mac=mac))
    two = GuestDisks("two", one.machine, ())
    first = plugs_of(one, 1)
    second = plugs_of(two, 2, {plug.mac for plug in first})
    assert first[0].mac == mac != second[0].mac
    (told,) = clashes([one, two])
    assert (told.code, told.subject) == ("KF-982", "two")
    assert clashes([one]) == ()


@given(st.lists(st.text(max_size=80), max_size=20))
def test_ids_as_folders_stay_in_their_folder_and_are_told_apart(names: list[str]) -> None:
    found = folders(names)
    assert len({name.lower() for name in found}) == len(names)
    assert all(name.isascii() and "/" not in name and name.strip(".") for name in found)


def test_plain_ids_are_the_folders_names() -> None:
    assert folders(["web01", "db_2", "../etc", "Web01"]) == ("web01", "db_2", "___etc", "Web01-2")


def test_machines_that_do_not_fit_together_are_told_by_how_much() -> None:
    assert slots([1 << 20, 1 << 20]) >= 1
    with pytest.raises(
        ProofError, match=r"the 2 machines need at once .* MiB, .* are missing"
    ) as told:
        slots([1 << 50, 1 << 20])
    assert told.value.hint is not None
    assert "--memory" in told.value.hint


def test_each_network_has_addresses_of_its_own_and_leads_nowhere(tmp_path) -> None:
    line = arguments("qemu", tmp_path, 2)
    users = [word for word in line if word.startswith("user,")]
    assert users == [
        "user,id=way0,restrict=on,net=10.0.2.0/24",
        "user,id=way1,restrict=on,net=10.0.3.0/24",
    ]
    assert not [word for word in line if "tap" in word or "socket" in word or "bridge" in word]
