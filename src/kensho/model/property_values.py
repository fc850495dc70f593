"""Is this text a value of that property? Types and qualifiers of OVF product properties.

Source: DSP0243 2.1 §9.5.1 (types, qualifiers, by DSP0004's grammar of values); VMware's own types
(``ip``, ``int(0..255)``, ``string["a","b"]``, ``password(8..)``, ``expression``) after the vSphere
Web Services API, ``vim.vApp.PropertyInfo``; VMware's qualifiers (``vmw:qualifiers``: Ip, Netmask,
Gateway, Dns, HttpProxy, …) as its exporters write them. What is not known here is not checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from kensho.model.addresses import is_ip, is_proxy, is_subnet, prefix_length, split_addresses
from kensho.model.machine import Property

_INTEGERS = {
    f"{sign}int{bits}": (0, 2**bits - 1)
    if sign == "u"
    else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for sign in "us"
    for bits in (8, 16, 32, 64)
}
_VMWARE_INT = (-(2**31), 2**31 - 1)
_LARGEST_REAL = {"real32": 3.4028234663852886e38, "real64": 1.7976931348623157e308}
_KNOWN = frozenset({"string", "boolean", "password", "real", "int", "expression"})
_TYPE = re.compile(r"\s*([A-Za-z]\w*)\s*(?:\((.*)\)|\[(.*)\]|:(.*))?\s*", re.DOTALL)
_QUALIFIER = re.compile(
    r"""([A-Za-z]\w*)\s*(?:\(((?:'[^']*'|"[^"]*"|[^()'"])*)\)|\{((?:"(?:[^"\\]|\\.)*"|[^{}"])*)\})?"""
)
_TEXT = re.compile(r'\s*"((?:[^"\\]|\\.)*)"\s*|([^,]+)')
_INTEGER = re.compile(r"[+-]?(0[xX][0-9A-Fa-f]+|[0-9]+)", re.ASCII)
_REAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_COMPUTED = re.compile(r"\$\{[^}]*\}", re.ASCII)
_LONGEST = 65535  #: VMware's limit of a text
_LONGEST_NUMBER = 100  #: digits; also what keeps int() cheap


@dataclass(frozen=True, slots=True)
class ValueType:
    """What a property's value can be.

    ``kind`` is string, integer, real, boolean, expression, or one of the addresses: ip, netmask,
    gateway, dns, proxy, subnet. ``network`` is the one that the platform would take the value
    from. ``known`` is False for a type that nobody defines.
    """

    kind: str
    low: float | None = None
    high: float | None = None
    shortest: int = 0
    longest: int = _LONGEST
    choices: tuple[str, ...] = ()
    network: str | None = None
    password: bool = False
    known: bool = True


def value_type(type_: str, qualifiers: str = "") -> ValueType:
    """Read a property's type and its qualifiers, those of OVF and of VMware in one text."""
    found = _base(type_)
    for name, argument in read_qualifiers(qualifiers):
        found = _qualified(found, name.lower(), argument)
    return found


def read_qualifiers(text: str) -> Iterator[tuple[str, str]]:
    """Yield each qualifier as (name, what stands in its brackets)."""
    for match in _QUALIFIER.finditer(text):
        yield match[1], (match[2] if match[2] is not None else match[3] or "").strip()


def check_value(prop: Property, value: str) -> tuple[str, ...]:
    """Return everything that is wrong with ``value``, in words that go after "KEY: ".

    The value itself is quoted only when the property is no password.
    """
    kind = value_type(prop.type, prop.qualifiers)
    shown = "the value" if prop.password or kind.password else _quoted(value)
    return tuple(fault.replace("\0", shown) for fault in _faults(kind, value))


def is_required(prop: Property) -> bool:
    """Tell whether the user has to give a value: may be set, and nothing is no value of it."""
    return prop.user_configurable and not prop.value and bool(check_value(prop, ""))


def describe(kind: ValueType) -> str:
    """Return the valid values in a few words, for hints."""
    if kind.choices:
        more = f", … ({len(kind.choices)} in all)" if len(kind.choices) > 20 else ""
        return "one of " + ", ".join(map(_quoted, kind.choices[:20])) + more
    if kind.kind in {"integer", "real"}:
        what = "a whole number" if kind.kind == "integer" else "a number"
        if kind.low is not None and kind.high is not None:
            return f"{what} from {_number(kind.low)} to {_number(kind.high)}"
        return what
    if kind.kind == "string":
        if kind.longest < _LONGEST:
            return f"a text of {kind.shortest} to {kind.longest} characters"
        return f"a text of at least {kind.shortest} characters" if kind.shortest else "a text"
    return _WORDS[kind.kind]


_WORDS = {
    "boolean": "true or false",
    "ip": "an IPv4 or IPv6 address",
    "netmask": "a netmask such as 255.255.255.0, or a prefix length",
    "gateway": "an IP address, or several with commas between them",
    "dns": "an IP address, or several with commas between them",
    "subnet": "an IP network such as 10.0.0.0",
    "proxy": "HOST:PORT",
    "expression": "an expression",
}


def _base(type_: str) -> ValueType:
    match = _TYPE.fullmatch(type_ or "string")
    if match is None:
        return ValueType("string", known=False)
    name, limits, choices, network = match[1].lower(), match[2], match[3], match[4]
    if name in _INTEGERS:
        low, high = _INTEGERS[name]
        return ValueType("integer", low, high)
    if name == "int":
        return _limited(ValueType("integer", *_VMWARE_INT), limits)
    if name in {"real", *_LARGEST_REAL}:
        most = _LARGEST_REAL.get(name, _LARGEST_REAL["real64"])
        return _limited(ValueType("real", -most, most), limits)
    if name == "ip":
        return ValueType("ip", network=network)
    if name == "boolean":
        return ValueType("boolean")
    if name == "expression":
        return ValueType("expression")
    if name in {"string", "password"}:
        kind = ValueType("string", password=name == "password", choices=_choices(choices or ""))
        low_text, _, high_text = (limits or "").partition("..")
        shortest = int(low_text) if low_text.strip().isdecimal() else 0
        longest = int(high_text) if high_text.strip().isdecimal() else _LONGEST
        return replace(kind, shortest=shortest, longest=longest)
    return ValueType("string", known=name in _KNOWN)


def _limited(kind: ValueType, limits: str | None) -> ValueType:
    low, _, high = (limits or "").partition("..")
    return replace(kind, low=_bound(low, kind.low), high=_bound(high, kind.high))


def _bound(text: str, otherwise: float | None) -> float | None:
    text = text.strip()
    if _INTEGER.fullmatch(text) and len(text) <= _LONGEST_NUMBER:
        return _integer(text)
    return float(text) if _REAL.fullmatch(text) else otherwise


def _qualified(kind: ValueType, name: str, argument: str) -> ValueType:
    if name in {"minlen", "maxlen"} and argument.isdecimal() and len(argument) < 10:
        number = int(argument)
        return replace(kind, shortest=number) if name == "minlen" else replace(kind, longest=number)
    if name == "valuemap":
        return replace(kind, choices=_choices(argument))
    if name == "minvalue":
        return replace(kind, low=_bound(argument, kind.low))
    if name == "maxvalue":
        return replace(kind, high=_bound(argument, kind.high))
    if name in _ADDRESSES:
        return replace(kind, kind=_ADDRESSES[name], network=argument.strip("'\" "))
    if name == "expression":
        return replace(kind, kind="expression")
    return kind


#: VMware's qualifiers that say what a text is; all may stand with a network in brackets.
_ADDRESSES = {
    "ip": "ip",
    "autoip": "ip",
    "vimip": "ip",
    "netmask": "netmask",
    "gateway": "gateway",
    "dns": "dns",
    "subnet": "subnet",
    "httpproxy": "proxy",
}


def _choices(text: str) -> tuple[str, ...]:
    found = []
    for match in _TEXT.finditer(text):
        if match[1] is not None:
            found.append(re.sub(r"\\(.)", r"\1", match[1], flags=re.DOTALL))
        elif match[2].strip():
            found.append(match[2].strip())
    return tuple(found)


def _faults(kind: ValueType, value: str) -> Iterator[str]:
    if kind.kind == "expression" or _COMPUTED.fullmatch(value):
        return
    found = tuple(_CHECKS[kind.kind](kind, value))
    yield from found
    if found or not kind.choices:
        return
    if value not in kind.choices and not _same_number(kind, value):
        yield f"\0 is not {describe(kind)}"


def _check_string(kind: ValueType, value: str) -> Iterator[str]:
    if len(value) < kind.shortest:
        least = f"{kind.shortest} character{'s' if kind.shortest > 1 else ''}"
        yield f"\0 is shorter than {least}" if value else f"needs a value of at least {least}"
    if len(value) > kind.longest:
        yield f"\0 is longer than {kind.longest} characters"


def _check_number(kind: ValueType, value: str) -> Iterator[str]:
    text = value.strip()
    form = _INTEGER if kind.kind == "integer" else _REAL
    if not text:
        yield f"needs a value: {describe(kind)}"
    elif not form.fullmatch(text) or len(text) > _LONGEST_NUMBER:
        yield f"\0 is not {describe(kind)}"
    else:
        number = _integer(text) if kind.kind == "integer" else float(text)
        if (kind.low is not None and number < kind.low) or (
            kind.high is not None and number > kind.high
        ):
            yield f"\0 is not {describe(kind)}"


def _check_boolean(kind: ValueType, value: str) -> Iterator[str]:
    if value.strip().lower() not in {"true", "false"}:
        yield f"\0 is not {describe(kind)}" if value else f"needs a value: {describe(kind)}"


def _check_address(kind: ValueType, value: str) -> Iterator[str]:
    # Nothing means that the guest finds out by itself, by DHCP above all.
    if len(value) < kind.shortest:
        yield f"needs a value: {describe(kind)}"
    if value.strip() and not _ADDRESS_TESTS[kind.kind](value.strip()):
        yield f"\0 is not {describe(kind)}"


_CHECKS: dict[str, Callable[[ValueType, str], Iterator[str]]] = {
    "string": _check_string,
    "integer": _check_number,
    "real": _check_number,
    "boolean": _check_boolean,
    **dict.fromkeys(("ip", "netmask", "gateway", "dns", "subnet", "proxy"), _check_address),
}


_ADDRESS_TESTS: dict[str, Callable[[str], bool]] = {
    "ip": is_ip,
    "netmask": lambda text: prefix_length(text) is not None,
    "gateway": lambda text: all(map(is_ip, split_addresses(text))),
    "dns": lambda text: all(map(is_ip, split_addresses(text))),
    "subnet": is_subnet,
    "proxy": is_proxy,
}


def _integer(text: str) -> int:
    return int(text, 16 if "x" in text.lower() else 10)


def _same_number(kind: ValueType, value: str) -> bool:
    """Tell whether one of the choices is the same number in other digits."""
    if kind.kind != "integer" or not _INTEGER.fullmatch(value.strip()):
        return False
    numbers = [c for c in kind.choices if _INTEGER.fullmatch(c) and len(c) <= _LONGEST_NUMBER]
    return len(value) <= _LONGEST_NUMBER and _integer(value.strip()) in map(_integer, numbers)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def _quoted(text: str) -> str:
    return f'"{text}"' if len(text) <= 60 else f'"{text[:57]}…"'
