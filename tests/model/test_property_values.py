"""Values of OVF properties: DSP0243 types, CIM qualifiers, VMware's types and qualifiers."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho.model.addresses import prefix_length
from kensho.model.machine import Property
from kensho.model.property_values import check_value, describe, is_required, value_type

GOOD = [
    ("string", "", ""),
    ("uint8", "", "255"),
    ("uint8", "", "0xff"),
    ("sint8", "", "-128"),
    ("uint64", "", "18446744073709551615"),
    ("boolean", "", "TRUE"),
    ("boolean", "", "false"),
    ("real32", "", "-1.5e3"),
    ("real64", "MinValue(1.0) MaxValue(10.67)", "10.67"),
    ("uint16", "MinValue(1),MaxValue(65535)", "443"),
    ("string", "MinLen(1),MaxLen(3)", "abc"),
    ("string", 'ValueMap{"a", "b, c"}', "b, c"),
    ("string", r'ValueMap{"say \"hi\"", "}"}', 'say "hi"'),
    ("uint8", "ValueMap{1, 2, 3}", "02"),
    ("int", "", "-2147483648"),
    ("int(0..255)", "", "0"),
    ("string[dhcp,static]", "", "static"),
    ("string(2..)", "", "ab"),
    ("password(..8)", "", "secret"),
    ("ip", "", "::1"),
    ("ip", "", ""),  # by DHCP
    ("ip:VM Network", "", "10.0.0.1"),
    ("string", "Ip('Network 1')", "10.0.0.1"),
    ("string", "Netmask('Net (1)')", "255.255.255.0"),
    ("string", "Gateway", "10.0.0.1,fe80::1"),
    ("string", "Dns('Network 1')", "1.1.1.1, 8.8.8.8"),
    ("string", "HttpProxy", "http://proxy.example:3128"),
    ("expression", "", "${vimIp:}"),
    ("string", 'Expression("${autoIp:Net}")', "anything"),
    ("nosuchtype", "", "anything"),
    ("String", "", "x"),
]
BAD = [
    ("uint8", "", "256"),
    ("uint8", "", "-1"),
    ("uint8", "", "1.0"),
    ("uint8", "", ""),
    ("uint64", "", "9" * 5000),
    ("uint8", "", "\u0661"),  # a digit, and none that CIM knows
    ("boolean", "", "yes"),
    ("boolean", "", ""),
    ("real32", "", "1e39"),
    ("real64", "", "nan"),
    ("real64", "", "inf"),
    ("real64", "MinValue(1.0) MaxValue(10.67)", "0.99"),
    ("string", "MinLen(1)", ""),
    ("string", "MaxLen(3)", "abcd"),
    ("string", 'ValueMap{"a", "b"}', "A"),
    ("string[dhcp,static]", "", "auto"),
    ("int(0..255)", "", "256"),
    ("password(8..)", "", "short"),
    ("ip", "", "10.0.0.300"),
    ("ip", "", "10.0.0.1/24"),
    ("string", "Netmask", "255.0.255.0"),
    ("string", "Dns", "1.1.1.1,dns.example"),
    ("string", "HttpProxy", "proxy:99999"),
    ("string", "", "x" * 65536),
]


@pytest.mark.parametrize(("type_", "qualifiers", "value"), GOOD)
def test_values_that_fit(type_: str, qualifiers: str, value: str) -> None:
    assert check_value(Property("k", type_, qualifiers=qualifiers), value) == ()


@pytest.mark.parametrize(("type_", "qualifiers", "value"), BAD)
def test_values_that_do_not(type_: str, qualifiers: str, value: str) -> None:
    assert check_value(Property("k", type_, qualifiers=qualifiers), value)


def test_a_fault_says_what_would_be_right() -> None:
    prop = Property("k", "string", qualifiers='ValueMap{"low","high"}')
    assert check_value(prop, "mid") == ('"mid" is not one of "low", "high"',)


@pytest.mark.parametrize(
    "prop",
    [
        Property("k", "uint8", password=True),
        Property("k", "password(8..)"),
        Property("k", "string", qualifiers="MaxLen(3)", password=True),
        Property("k", "string", qualifiers='ValueMap{"a"}', password=True),
    ],
)
def test_a_password_is_not_quoted(prop: Property) -> None:
    faults = check_value(prop, "hunter2"[: 7 if prop.type != "password(8..)" else 6])
    assert faults
    assert "hunter" not in "".join(faults)


def test_required_is_what_has_no_valid_value_yet() -> None:
    assert is_required(Property("k", "uint8", user_configurable=True))
    assert is_required(Property("k", qualifiers="MinLen(1)", user_configurable=True))
    assert not is_required(Property("k", user_configurable=True))
    assert not is_required(Property("k", "uint8", "1", user_configurable=True))
    assert not is_required(Property("k", "uint8"))  # the vendor's own
    assert not is_required(Property("k", "ip", user_configurable=True))


@given(st.text(), st.text(), st.text())
def test_nothing_that_a_package_says_breaks_it(type_: str, qualifiers: str, value: str) -> None:
    check_value(Property("k", type_, qualifiers=qualifiers), value)
    describe(value_type(type_, qualifiers))


def test_brackets_and_quotes_without_end_take_no_time() -> None:
    for piece in ("a('", "a(\"'", 'a{"', "a(", "a{"):
        check_value(Property("k", qualifiers="Ip(" + "'a'" * 20000 + piece * 20000), "x")


@given(st.integers(0, 32))
def test_netmasks_are_those_of_the_standard_library(length: int) -> None:
    mask = ipaddress.ip_network(f"0.0.0.0/{length}").netmask
    assert prefix_length(str(mask)) == length
    assert prefix_length(f"/{length}") == length
