"""Network adapters and serial ports of a machine of Hyper-V.

Sources: as in ``words``. A synthetic adapter is a device of its own; legacy ones are
``ethernet_cardN`` of one device, with their address as bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kensho.appliances.hyperv import words
from kensho.appliances.hyperv.tree import Place
from kensho.appliances.mac import normal_mac
from kensho.appliances.ovf.elements import Notes
from kensho.model.finding import Severity
from kensho.model.machine import Nic, NicModel, SerialKind, SerialPort

_UNSET = frozenset({None, "00:00:00:00:00:00"})
_CARD = "ethernet_card"


@dataclass(frozen=True, slots=True)
class Device:
    """A device of the manifest: its type, its instance, and where its settings are, if anywhere."""

    type: str
    instance: str
    name: str
    settings: Place | None


def read_nics(devices: Iterable[Device], order: dict[str, int], notes: Notes) -> tuple[Nic, ...]:
    """Return the adapters; the boot order of generation 1 is about the first legacy one."""
    nics: list[Nic] = []
    for device in devices:
        place = device.settings
        if place is None:
            continue
        if device.type == words.NIC:
            nics.append(_synthetic(device.instance, place, notes))
        else:
            nics.extend(_legacy(device.instance, place, order, nics, notes))
    return tuple(nics)


def _synthetic(instance: str, place: Place, notes: Notes) -> Nic:
    name = place.text("FriendlyName")
    _note_vlan(place, name, notes)
    # An address that the host chose is the one the guest knows, so it counts as well.
    place.flag("MacAddressIsStatic")
    connected = place.at("IsConnected") is None or place.flag("IsConnected")
    return Nic(
        id=instance,
        model=NicModel.HYPERV,
        network=_network(place, "SwitchName", connected=connected),
        mac=_mac(place.text("MacAddress"), instance, notes),
        connected=connected,
        name=name,
    )


def _legacy(
    instance: str, place: Place, order: dict[str, int], before: list[Nic], notes: Notes
) -> Iterator[Nic]:
    first = not any(nic.model is NicModel.HYPERV_LEGACY for nic in before)
    for card in place.below():
        if not card.key.name.casefold().startswith(_CARD) or not card.key.children:
            continue
        name = card.text("friendly_name")
        _note_vlan(card, name, notes)
        card.flag("mac_address_is_static")
        stated = card.data("mac_address").hex() or card.text("mac_address")
        connected = card.at("is_attached") is None or card.flag("is_attached")
        yield Nic(
            id=f"{instance}-{card.key.name.casefold().removeprefix(_CARD)}",
            model=NicModel.HYPERV_LEGACY,
            network=_network(card, "virtual_switch_name", connected=connected),
            mac=_mac(stated, name or instance, notes),
            connected=connected,
            boot_order=order.get("nic") if first else None,
            name=name,
        )
        first = False


def _network(place: Place, key: str, *, connected: bool) -> str:
    """Return the switch by its name; by its GUID where it is connected and no more is known."""
    named = place.text("Connection", "AltSwitchName")
    return named or (place.text(key) if connected else "")


def _mac(stated: str, subject: str, notes: Notes) -> str | None:
    mac = normal_mac(stated)
    if mac is None and stated:
        notes.add(
            "KF-127",
            Severity.WARNING,
            f"{stated!r} is no MAC address",
            subject=subject,
            action="ignored",
        )
    return None if mac in _UNSET else mac


def _note_vlan(place: Place, name: str, notes: Notes) -> None:
    feature = place.at("Connection", f"Feature_{words.VLAN_FEATURE}")
    if feature is not None:
        notes.add(
            "KF-476",
            Severity.WARNING,
            f"the adapter {name or 'without a name'} has a VLAN setting, in a layout not published",
            subject=name,
            action="kept as text; set the VLAN at the target: Get-VMNetworkAdapterVlan shows it",
        )


def read_serial_ports(devices: Iterable[Device]) -> tuple[SerialPort, ...]:
    """Return the ports that are connected; each generation 1 machine has two that may not be."""
    ports = []
    for device in devices:
        if device.type != words.SERIAL or device.settings is None:
            continue
        for number in range(2):
            target = device.settings.text(f"port{number}", "connection")
            if target:
                ports.append(SerialPort(f"serial{number}", SerialKind.PIPE, target, number))
    return tuple(ports)
