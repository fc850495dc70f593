"""ova-compose's YAML (vmware/open-vmdk): system, networks, hardware, products, texts.

A file of its own says everything in VMware's words, so the descriptor is built item by item
instead of through the neutral model. Disk images may be of any format, not VMDK alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
from lxml import etree

from kensho.appliances.names import dns_name
from kensho.appliances.ovf.elements import Notes, child
from kensho.appliances.ovf.sections.parts import OVF, RASD, VSSD
from kensho.appliances.ovf.write_xml import VMW
from kensho.model.errors import UsageError
from kensho.model.finding import Severity
from kensho.packages.edit import configurations, networks, products, properties, texts
from kensho.packages.edit.apply import read_text
from kensho.packages.edit.hardware import set_config, set_firmware, set_secure_boot, set_system_type
from kensho.packages.edit.payload import Payload
from kensho.packages.edit.scope import Scope, machines
from kensho.packages.edit.tree import add, append, section, vendor
from kensho.packages.pack.build import Packed
from kensho.packages.pack.compose_devices import Devices, add_devices
from kensho.packages.pack.documents import as_struct
from kensho.packages.pack.finish import add_property, plain
from kensho.packages.pack.spec import Plain, PropertySpec

_SECTIONS = (
    *("system", "networks", "hardware", "product", "product_sections", "environment"),
    *("annotation", "eula", "configurations", "extra_configs"),
)
Settings = dict[str, Plain | None]
_PRODUCT = {
    "info": "info",
    "product": "name",
    "vendor": "vendor",
    "version": "version",
    "full_version": "full-version",
}


class System(msgspec.Struct, frozen=True):
    """The machine as a whole."""

    name: str
    type: str
    os_cim: int = 100
    os_vmw: str = "other4xLinux64Guest"
    os_name: str = ""
    firmware: Literal["bios", "efi"] = "bios"
    secure_boot: bool = False
    default_configuration: str | None = None


class NetworkEntry(msgspec.Struct, frozen=True):
    """A network; devices call it by its key in the file."""

    name: str
    description: str = ""


class ValueEntry(msgspec.Struct, frozen=True):
    """A property's values: the default one and those of configurations."""

    default: Plain = ""
    configurations: dict[str, Plain] = {}


class PropertyEntry(msgspec.Struct, frozen=True):
    """A property; ``category`` is a key of ``categories``."""

    type: str = "string"
    value: Plain | ValueEntry | None = None
    label: str = ""
    description: str = ""
    category: str = ""
    qualifiers: str = ""
    password: bool = False
    user_configurable: bool = False


class ProductEntry(msgspec.Struct, frozen=True):
    """A ProductSection, with how its properties travel."""

    info: str = ""
    product: str = ""
    vendor: str = ""
    version: Plain = ""
    full_version: Plain = ""
    class_: str = msgspec.field(default="", name="class")
    instance: str = ""
    transports: tuple[str, ...] = ()
    categories: dict[str, str] = {}
    properties: dict[str, PropertyEntry] | None = None


class TextEntry(msgspec.Struct, frozen=True):
    """A text, here or in a file."""

    text: str = ""
    file: str = ""
    info: str = ""


class ConfigurationEntry(msgspec.Struct, frozen=True):
    """A deployment option."""

    label: str = ""
    description: str = ""
    default: bool = False


class ExtraEntry(msgspec.Struct, frozen=True):
    """A ``vmw:ExtraConfig``."""

    value: Plain
    required: bool | None = None


class Compose(msgspec.Struct, frozen=True):
    """The whole file."""

    system: System
    hardware: dict[str, Any]  #: numbers and `compose_devices.Device`
    networks: dict[str, NetworkEntry] = {}
    product: ProductEntry | None = None
    product_sections: tuple[ProductEntry, ...] = ()
    environment: ProductEntry | None = None
    annotation: TextEntry | None = None
    eula: TextEntry | None = None
    configurations: dict[str, ConfigurationEntry] = {}
    extra_configs: dict[str, ExtraEntry] = {}


def is_compose(document: object) -> bool:
    """Tell ova-compose's format from kensho's own by the section both need."""
    return isinstance(document, dict) and "hardware" in document and "system" in document


def build_composed(spec: Compose, base: Path, document: object) -> Packed:
    """Return the package that an ova-compose file describes; files are relative to ``base``."""
    notes = Notes(spec.system.name)
    _note_unknown(document, notes)
    root = _skeleton(spec)
    scope, payload = Scope(root, notes), Payload()
    for ident, option in spec.configurations.items():
        configurations.add_configuration(scope, ident, option.label, option.description)
        if option.default or ident == spec.system.default_configuration:
            configurations.set_default(scope, ident)
    for network in spec.networks.values():
        networks.add_network(scope, network.name, network.description or None)
    _add_system(scope, spec.system)
    hardware = child(machines(root)[0], "VirtualHardwareSection")
    assert hardware is not None
    names = {key: network.name for key, network in spec.networks.items()}
    add_devices(scope, payload, hardware, Devices(spec.hardware, names, base))
    _add_settings(scope, hardware, spec)
    _add_products(scope, spec)
    _add_texts(scope, spec, base)
    return Packed(dns_name(spec.system.name), root, payload, tuple(notes.findings))


def _skeleton(spec: Compose) -> etree._Element:
    prefixes = {None: OVF, "ovf": OVF, "rasd": RASD, "vssd": VSSD, "vmw": VMW}
    root = etree.Element(f"{{{OVF}}}Envelope", nsmap=prefixes)  # type: ignore[arg-type]
    root.text = "\n"
    append(root, f"{{{OVF}}}References")
    root[0].tail = "\n"
    etree.indent(root, space="  ")
    system = append(root, f"{{{OVF}}}VirtualSystem")
    # The first attribute is qualified, and so shows how all others are.
    system.set(f"{{{OVF}}}id", dns_name(spec.system.name))
    add(system, "Info", "A virtual machine")
    add(system, "Name", spec.system.name)
    return root


def _add_system(scope: Scope, system: System) -> None:
    machine = machines(scope.root)[0]
    section(machine, "OperatingSystemSection", "The guest operating system", ("Info", "Name"))
    texts.set_guest(scope, "id", str(system.os_cim))
    if system.os_name:
        texts.set_guest(scope, "description", system.os_name)
    texts.set_guest(scope, "vmw", system.os_vmw)
    behind = ("Info", "Name", "OperatingSystemSection")
    section(machine, "VirtualHardwareSection", "Virtual hardware requirements", behind)
    set_system_type(scope, system.type)


def _add_settings(scope: Scope, hardware: etree._Element, spec: Compose) -> None:
    for key, extra in spec.extra_configs.items():
        required = None if extra.required is None else plain(extra.required)
        vendor(
            hardware,
            "ExtraConfig",
            {"key": key, "value": plain(extra.value)},
            required=required or "false",
        )
    set_firmware(scope, spec.system.firmware)
    if spec.system.secure_boot:
        set_secure_boot(scope, on=True)
    own = spec.hardware.get("config")
    for key, value in as_struct(own or {}, Settings, Path("hardware.config")).items():
        if value is not None:
            set_config(scope, key, plain(value))


def _add_products(scope: Scope, spec: Compose) -> None:
    if spec.product is not None and spec.product_sections:
        raise UsageError("either product or product_sections", hint="use product_sections for both")
    found = list(spec.product_sections or ([spec.product] if spec.product else []))
    if spec.environment is not None:
        env = spec.environment
        own = found[0] if found else ProductEntry()
        merged = msgspec.structs.replace(
            own,
            properties=env.properties,
            categories=env.categories,
            transports=env.transports,
        )
        found = [merged, *found[1:]]
    for product in found:
        name = f"{product.class_}#{product.instance}" if product.instance else product.class_
        products.product_section(scope, name)
        for key, field in _PRODUCT.items():
            value = plain(getattr(product, key))
            if value:
                products.set_product(scope, field, value, name)
        _add_properties(scope, product, name)
    transports = dict.fromkeys(t for p in found for t in p.transports)
    if transports:
        properties.set_transports(scope, " ".join(transports))


def _add_properties(scope: Scope, product: ProductEntry, name: str) -> None:
    for key, entry in (product.properties or {}).items():
        if entry.category and entry.category not in product.categories:
            raise UsageError(
                f"property {key}: there is no category {entry.category!r}",
                hint=f"there is: {', '.join(product.categories)}",
            )
        several = entry.value if isinstance(entry.value, ValueEntry) else None
        value = entry.value if several is None else several.default
        given = PropertySpec(
            value="" if value is None or isinstance(value, ValueEntry) else value,
            type=entry.type,
            label=entry.label,
            description=entry.description,
            category=product.categories.get(entry.category, ""),
            qualifiers=entry.qualifiers,
            password=entry.password,
            user_configurable=entry.user_configurable,
            values={} if several is None else several.configurations,
        )
        add_property(scope, key, given, name)


def _add_texts(scope: Scope, spec: Compose, base: Path) -> None:
    if spec.annotation is not None:
        texts.set_annotation(scope, _words(spec.annotation, base))
    if spec.eula is not None:
        texts.add_eula(scope, _words(spec.eula, base))


def _words(entry: TextEntry, base: Path) -> str:
    return read_text(base / entry.file) if entry.file else entry.text


def _note_unknown(document: object, notes: Notes) -> None:
    assert isinstance(document, dict)
    for name in document:
        if name not in _SECTIONS:
            notes.add(
                "KF-750",
                Severity.WARNING,
                f"the section {name!r} is not one that kensho knows",
                subject=str(name),
                action="ignored, as ova-compose does",
            )
