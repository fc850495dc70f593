from __future__ import annotations

import pytest

from kensho.convert.guests import GuestDisks
from kensho.model.errors import UsageError
from kensho.model.machine import Cpu, Machine, Memory
from kensho.proof.together.asked import probes_of

DB, WEB = GuestDisks("db", None, ()), GuestDisks("web", None, ())


def names(words: list[str], *machines: GuestDisks) -> list[list[str]]:
    return [[probe.name for probe in own] for own in probes_of(words, machines)]


def test_a_probe_names_its_machine() -> None:
    words = ["web=http:80/a=b", "db=tcp:5432", "web=ssh:22"]
    assert names(words, DB, WEB) == [["tcp:5432"], ["http:80/a=b", "ssh:22"]]


def test_of_one_machine_it_need_not() -> None:
    assert names(["tcp:22", "db=tcp:23", "agent:a=b"], DB) == [["tcp:22", "tcp:23", "agent:a=b"]]


@pytest.mark.parametrize("word", ["tcp:22", "mail=tcp:25", "db=nonsense", "=tcp:1"])
def test_of_several_it_has_to(word: str) -> None:
    with pytest.raises(UsageError):
        probes_of([word], [DB, WEB])


def called(id: str, name: str) -> GuestDisks:  # noqa: A002
    return GuestDisks(id, Machine(id=id, name=name, cpu=Cpu(), memory=Memory(1)), ())


def test_of_two_machines_with_one_name_neither_is_guessed() -> None:
    machines = [called("vm1", "shop"), called("vm2", "shop"), called("shop=a", "vm1")]
    with pytest.raises(UsageError, match="several machines are called 'shop'"):
        probes_of(["shop=tcp:1"], machines)
    words = ["vm2=tcp:2", "shop=a=tcp:3", "vm1=tcp:1"]
    assert names(words, *machines) == [["tcp:1"], ["tcp:2"], ["tcp:3"]]
