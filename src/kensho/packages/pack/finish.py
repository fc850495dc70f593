"""What the neutral model cannot say, added to a rendered descriptor by the edits."""

from __future__ import annotations

from pathlib import Path

from kensho.packages.edit import configurations, disks, nics, products, properties, texts
from kensho.packages.edit import values as typed
from kensho.packages.edit.apply import read_text
from kensho.packages.edit.hardware import set_cpus, set_memory
from kensho.packages.edit.payload import Payload
from kensho.packages.edit.scope import Scope, configuration_ids
from kensho.packages.edit.settings import apply_setting
from kensho.packages.pack.spec import MachineSpec, NicSpec, Plain, PropertySpec


def finish_machine(scope: Scope, payload: Payload, own: MachineSpec, base: Path) -> None:
    """Add what ``own`` says beside processors, memory, disks and networks."""
    for number, nic in enumerate(own.nics, 1):
        if isinstance(nic, NicSpec) and nic.type:
            nics.change_nic(scope, str(number), {"type": nic.type})
    for name in own.cdroms:
        options = {"type": "cdrom"}
        disks.add_disk(scope, payload, str(base / name) if name else "", options)
    for name, value in own.product.items():
        products.set_product(scope, name, plain(value))
    _configurations(scope, own)
    _properties(scope, own)
    if own.transports:
        properties.set_transports(scope, " ".join(own.transports))
    for name in (own.eula,) if isinstance(own.eula, str) else own.eula:
        texts.add_eula(scope, read_text(base / name))
    texts.set_annotation(scope, own.annotation)
    for name, value in own.set.items():
        apply_setting(scope, name, plain(value))


def _configurations(scope: Scope, own: MachineSpec) -> None:
    for ident, option in own.configurations.items():
        if ident not in configuration_ids(scope.root):
            configurations.add_configuration(scope, ident, option.label, option.description)
        if option.default:
            configurations.set_default(scope, ident)
        inside = Scope(scope.root, scope.notes, scope.machine, (ident,))
        if option.cpus is not None:
            set_cpus(inside, option.cpus)
        if option.memory is not None:
            set_memory(inside, typed.size(option.memory, f"{ident}.memory"))
        for name, value in option.set.items():
            apply_setting(inside, name, plain(value))


def _properties(scope: Scope, own: MachineSpec) -> None:
    for key, given in own.properties.items():
        if not isinstance(given, PropertySpec):
            properties.set_property(scope, key, plain(given), "string")
            continue
        add_property(scope, key, given)


def add_property(scope: Scope, key: str, given: PropertySpec, product: str = "") -> None:
    """Add a property with all that is said of it, to the ProductSection named."""
    properties.set_property(scope, key, "", given.type, product)
    fields = {
        "qualifiers": given.qualifiers,
        "label": given.label,
        "description": given.description,
        "category": given.category,
        "password": "true" if given.password else "",
        "user-configurable": "true" if given.user_configurable else "",
        "value": plain(given.value),
    }
    for field, value in fields.items():
        if value or field == "value":
            properties.set_property_field(scope, key, field, value, product)
    for ident, own in given.values.items():
        inside = Scope(scope.root, scope.notes, scope.machine, (ident,))
        properties.set_property(inside, key, plain(own), product=product)


def plain(value: Plain) -> str:
    """Return a YAML value as OVF spells it."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
