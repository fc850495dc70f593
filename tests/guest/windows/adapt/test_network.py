"""Static addresses out of a registry, and the scripts that set them again."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kensho.guest.windows.adapt.network import (
    Addresses,
    mac_of,
    powershell_script,
    static_addresses,
    wmic_script,
)
from kensho.guest.windows.hive import multi_sz, sz
from tests.guest.windows.adapt.machines import CURRENT, adapter
from tests.guest.windows.hives import system_hive

MAC = "00:50:56:a3:02:b7"


def test_read_as_they_are() -> None:
    system = system_hive((10, 0))
    guid = adapter(system, 1, "10.0.0.5")
    (found,) = static_addresses(system, CURRENT)
    assert found == Addresses(
        guid, (("10.0.0.5", "255.255.255.0"),), ("10.0.0.1",), ("10.0.0.2", "10.0.0.3"),
        "example.org",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("device", "own"),
    [
        (r"PCI\VEN_15AD&DEV_07B0&SUBSYS_07B015AD&REV_01\FF565000B702A3FE00", ""),
        (r"PCI\VEN_8086&DEV_10D3&SUBSYS_07D015AD&REV_00\005056FFFFA302B700", ""),
        (r"PCI\VEN_8086&DEV_100F\3&61AAA01&0&88", "00-50-56-A3-02-B7"),
    ],
)
def test_the_mac_of_an_interface(device: str, own: str) -> None:
    system = system_hive((10, 0))
    guid = adapter(system, 1, "10.0.0.5", device=device, mac=own)
    assert mac_of(system, CURRENT, guid, ("00:50:56:00:00:01", MAC)) == MAC
    assert mac_of(system, CURRENT, guid, ("00:50:56:00:00:01",)) == ""


def code_of(script: str) -> str:
    (coded,) = re.findall(r"-EncodedCommand (\S+)", script)
    return base64.b64decode(coded).decode("utf-16-le")


def test_the_script_sets_all_of_it() -> None:
    one = Addresses(
        "{1}", (("10.0.0.5", "255.255.255.0"), ("10.0.0.6", "255.255.0.0")), ("10.0.0.1",),
        ("10.0.0.2", "10.0.0.3"), "example.org",
    )  # fmt: skip
    code = code_of(powershell_script(MAC, one))
    assert "-eq '00:50:56:A3:02:B7'" in code
    assert "EnableStatic(@('10.0.0.5', '10.0.0.6'), @('255.255.255.0', '255.255.0.0'))" in code
    assert "SetGateways(@('10.0.0.1'))" in code
    assert "SetDNSServerSearchOrder(@('10.0.0.2', '10.0.0.3'))" in code
    assert "SetDNSDomain('example.org')" in code
    old = wmic_script(MAC, one)
    assert 'EnableStatic ("10.0.0.5","10.0.0.6"),("255.255.255.0","255.255.0.0")' in old
    assert "MACAddress='00:50:56:A3:02:B7'" in old


EVIL = ("1.2.3.4';calc;'", '1.2.3.4"&calc&"', "$(calc)", "%COMSPEC%", "1.2.3.4\n& calc", "0.0.0.0")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(EVIL) | st.text(max_size=20), max_size=4), st.text(max_size=30))
def test_what_is_no_address_never_gets_into_a_script(words: list[str], domain: str) -> None:
    system = system_hive((10, 0))
    guid = adapter(system, 1, "10.0.0.5")
    path = rf"{CURRENT}\Services\Tcpip\Parameters\Interfaces\{guid}"
    whole = ["10.0.0.9", *(w for w in words if w and "\0" not in w)]
    for name in ("IPAddress", "DefaultGateway"):
        system.set(path, multi_sz(name, whole))
    system.set(path, multi_sz("SubnetMask", ["255.255.255.0"] * len(whole)))
    system.set(path, sz("NameServer", ",".join(whole)), sz("Domain", domain))
    for one in static_addresses(system, CURRENT):
        code = code_of(powershell_script(MAC, one))
        assert set(re.findall(r"'([^']*)'", code)) <= {
            MAC.upper(), *(a for a, _ in one.addresses), "255.255.255.0", *one.gateways,
            *one.servers, one.domain,
        }  # fmt: skip
        for text in (code, powershell_script(MAC, one), wmic_script(MAC, one)):
            assert text.isascii()
            assert "calc" not in text
            assert "COMSPEC" not in text
        assert all(re.fullmatch(r"[0-9.]+", a) for a in (*one.gateways, *one.servers))


@pytest.mark.parametrize("mask", ["0.0.0.0", "0.0.0.255", "255.0.255.0", "24", ""])
def test_a_mask_that_is_none(mask: str) -> None:
    system = system_hive((10, 0))
    guid = adapter(system, 1, "10.0.0.5")
    path = rf"{CURRENT}\Services\Tcpip\Parameters\Interfaces\{guid}"
    system.set(path, multi_sz("SubnetMask", (mask,) if mask else ()))
    assert list(static_addresses(system, CURRENT)) == []


def test_the_longest_script_fits_a_line() -> None:
    many = tuple(f"100.100.100.{n}" for n in range(100, 116))
    one = Addresses("{1}", tuple((a, "255.255.255.128") for a in many), many, many, "d" * 253)
    for script in (powershell_script(MAC, one), wmic_script(MAC, one)):
        assert max(map(len, script.splitlines())) <= 8191  # as cmd takes: KB 830473
