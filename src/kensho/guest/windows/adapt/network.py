r"""Static addresses: read from the registry, given again to the adapter with the same MAC.

Windows keeps them for a device (``Tcpip\Parameters\Interfaces\{GUID}``), and on another platform the
adapter is another device, which asks DHCP. What stays is its MAC; so a script of the first start looks
for it and sets the addresses there. Which MAC an interface had, the registry tells where an address
was set by hand (``NetworkAddress``) and in the name of the device where that has a serial number
(PCI Express: EUI-64 of the MAC); a machine with one adapter needs neither. Only addresses that are some
go into the script. IPv6 addresses and routes are not carried over.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kensho.guest.windows.adapt.guest import WindowsGuest
from kensho.guest.windows.control_sets import control_sets
from kensho.guest.windows.firstboot.plan import RETRY, FirstBootScript
from kensho.guest.windows.firstboot.quoting import powershell_command
from kensho.guest.windows.firstboot.scripts import HEAD
from kensho.guest.windows.hive import Hive, Key
from kensho.guest.windows.inbox import SEVEN
from kensho.model.finding import Severity

_ADAPTERS = "{4D36E972-E325-11CE-BFC1-08002BE10318}"
_ORDER = 2500
_TRIES, _WAIT = 24, 5  #: looks for the adapter at each start, and seconds between them
_MOST = 1024  #: interfaces, those of adapters long gone among them
_MOST_SET = 16  #: addresses of one: what a line of a batch script holds


@dataclass(frozen=True, slots=True)
class Addresses:
    """What an interface is set to; ``addresses`` with their masks, all in dots."""

    interface: str
    addresses: tuple[tuple[str, str], ...]
    gateways: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    domain: str = ""


def plan_network(guest: WindowsGuest) -> None:
    """Plan the script for each interface whose MAC is known; others are a finding (KF-896)."""
    system = guest.registry.hive
    current = control_sets(system)[0]
    found = tuple(static_addresses(system, current))
    nics = guest.aims.machine.nics if guest.aims.machine is not None else ()
    macs = tuple(nic.mac.lower() for nic in nics if nic.mac)
    tied = {one.interface: mac_of(system, current, one.interface, macs) for one in found}
    if len(macs) == 1 and len({one.addresses for one in found}) == 1:
        tied[found[0].interface] = macs[0]
    settled = {one.addresses for one in found if tied[one.interface]}
    for number, one in enumerate(found):
        old = tied[one.interface]
        if not old and one.addresses in settled:
            continue  # an adapter that is gone, whose addresses another one has now
        mac = guest.aims.macs.get(old, old)
        most = max(map(len, (one.addresses, one.gateways, one.servers)))
        if mac and most <= _MOST_SET:
            make = powershell_script if guest.version.nt >= SEVEN else wmic_script
            script = FirstBootScript(_ORDER, f"addresses-{number}", make(mac, one))
            guest.scripts.append(script)
            continue
        words = ", ".join(address for address, _ in one.addresses[:_MOST_SET])
        if not old:
            why = "is tied to no adapter of the machine"
        elif not mac:
            why = "belongs to an adapter whose MAC the target draws anew"
        else:
            why = f"and others, {most} in all, are more than a script sets"
        guest.draft.note(
            "KF-896", Severity.WARNING, f"the static address {words} {why}",
            "set it by hand after the first start"
            + ("" if macs else ", or adapt the machine with its description, which has its MACs"),
        )  # fmt: skip


def static_addresses(system: Hive, current: str) -> Iterator[Addresses]:
    """Yield the interfaces that have addresses no DHCP server gave."""
    key = system.find(rf"{current}\Services\Tcpip\Parameters\Interfaces")
    for number, interface in enumerate(key.subkeys() if key is not None else ()):
        dhcp = interface.value("EnableDHCP")
        if number >= _MOST or dhcp is None or dhcp.number != 0:
            continue
        masks = _strings(interface, "SubnetMask")
        pairs = tuple(
            (address, mask)
            for address, mask in zip(_strings(interface, "IPAddress"), masks, strict=False)
            if _is_address(address) and _is_mask(mask)
        )
        if pairs:
            domain = _text(interface, "Domain")
            yield Addresses(
                interface.name,
                pairs,
                _addresses(_strings(interface, "DefaultGateway")),
                _addresses(re.split(r"[ ,]+", _text(interface, "NameServer"))),
                domain if re.fullmatch(r"[A-Za-z0-9.-]{1,253}", domain) else "",
            )


def mac_of(system: Hive, current: str, interface: str, macs: Sequence[str]) -> str:
    """Return which of the machine's MACs an interface had, empty when nothing tells."""
    adapters = system.find(rf"{current}\Control\Class\{_ADAPTERS}")
    for adapter in adapters.subkeys() if adapters is not None else ():
        if _text(adapter, "NetCfgInstanceId").lower() != interface.lower():
            continue
        own = re.sub(r"[^0-9a-f]", "", _text(adapter, "NetworkAddress").lower())
        device = _text(adapter, "DeviceInstanceID").lower()
        connection = system.find(rf"{current}\Control\Network\{_ADAPTERS}\{interface}\Connection")
        if not device and connection is not None:
            device = _text(connection, "PnpInstanceID").lower()
        serial = device.rpartition("\\")[2]
        for mac in macs:
            plain = mac.replace(":", "")
            if own == plain or serial in _serials(plain):
                return mac
    return ""


def _serials(mac: str) -> Iterator[str]:
    """Yield the names that Windows makes of a PCI Express serial number, which is an EUI-64."""
    for filler in ("fffe", "ffff"):
        whole = mac[:6] + filler + mac[6:]
        words = bytes.fromhex(whole)
        yield f"{whole}00"
        yield f"{words[3::-1].hex()}{words[:3:-1].hex()}00"


def powershell_script(mac: str, one: Addresses) -> str:
    """Return the script for Windows 7 and later: WMI's methods, called from PowerShell."""
    addresses, masks = zip(*one.addresses, strict=True)
    lines = [
        f"$n = {_TRIES}",
        "do {",
        "  $c = Get-WmiObject Win32_NetworkAdapterConfiguration |",
        f"    Where-Object {{ $_.IPEnabled -and $_.MACAddress -eq '{mac.upper()}' }} |",
        "    Select-Object -First 1",
        f"  if (-not $c) {{ $n--; Start-Sleep -Seconds {_WAIT} }}",
        "} while (-not $c -and $n -gt 0)",
        f"if (-not $c) {{ exit {RETRY} }}",
        f"$r = $c.EnableStatic({_array(addresses)}, {_array(masks)}).ReturnValue",
    ]
    if one.gateways:
        lines.append(f"[void]$c.SetGateways({_array(one.gateways)})")
    if one.servers:
        lines.append(f"[void]$c.SetDNSServerSearchOrder({_array(one.servers)})")
    if one.domain:
        lines.append(f"[void]$c.SetDNSDomain('{one.domain}')")
    lines.append("if ($r -gt 1) { exit 1 } else { exit 0 }")  # 1: done, and a restart is wanted
    shown = "".join(f":: {line}\n" for line in lines)
    run = powershell_command("\n".join(lines))
    return f"{HEAD}{shown}{run}\nexit /b %ERRORLEVEL%\n"


def _array(words: Sequence[str]) -> str:
    return "@(" + ", ".join(f"'{word}'" for word in words) + ")"


def wmic_script(mac: str, one: Addresses) -> str:
    """Return the script for older Windows: the same methods, called by wmic."""
    addresses, masks = zip(*one.addresses, strict=True)
    adapter = f"wmic nicconfig where \"IPEnabled=TRUE and MACAddress='{mac.upper()}'\""
    lines = [
        f"set tries={_TRIES}",
        ":look",
        f'{adapter} get Index /value | find "Index=" >nul',
        "if not errorlevel 1 goto found",
        "set /a tries=tries-1",
        f"if %tries% leq 0 exit /b {RETRY}",
        f"ping -n {_WAIT + 1} 127.0.0.1 >nul",
        "goto look",
        ":found",
        f"{adapter} call EnableStatic {_list(addresses)},{_list(masks)}",
    ]
    if one.gateways:
        lines.append(f"{adapter} call SetGateways {_list(one.gateways)}")
    if one.servers:
        lines.append(f"{adapter} call SetDNSServerSearchOrder {_list(one.servers)}")
    if one.domain:
        lines.append(f'{adapter} call SetDNSDomain "{one.domain}"')
    return HEAD + "\n".join([*lines, "exit /b 0", ""])


def _list(words: Sequence[str]) -> str:
    return "(" + ",".join(f'"{word}"' for word in words) + ")"


def _is_address(text: str) -> bool:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback or address.is_multicast)


def _is_mask(text: str) -> bool:
    try:
        host = ~int(ipaddress.IPv4Address(text)) & 0xFFFF_FFFF
    except ValueError:
        return False
    return host < 0xFFFF_FFFF and host & (host + 1) == 0


def _addresses(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for word in words if _is_address(word))


def _strings(key: Key, name: str) -> tuple[str, ...]:
    value = key.value(name)
    return value.strings if value is not None else ()


def _text(key: Key, name: str) -> str:
    value = key.value(name)
    return value.text.strip() if value is not None else ""
