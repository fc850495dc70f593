"""Products, properties, licences, annotations and texts: DSP0243 §9.3, §9.5, §9.7, §10."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lxml import etree

from kensho.appliances.ovf.elements import (
    Notes,
    attribute,
    children,
    is_true,
    local,
    text,
)
from kensho.model.finding import Severity
from kensho.model.machine import Eula, Product, Property

_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_DEFAULT_LANGUAGE = "en-US"


@dataclass(frozen=True, slots=True)
class Texts:
    """The package's message bundles, best language first, for elements with ovf:msgid."""

    bundles: tuple[Mapping[str, str], ...] = field(default=())

    def of(self, element: etree._Element | None, *names: str) -> str:
        """Return the text of a child (or the element), resolved through its msgid."""
        if element is None:
            return ""
        found = next(children(element, *names), None) if names else element
        if found is None:
            return ""
        own = text(found)
        message = attribute(found, "msgid")
        if not message:
            return own
        # The text in place is in the package's own language, so only the first bundle beats it.
        if self.bundles and message in self.bundles[0]:
            return self.bundles[0][message]
        return own or next((b[message] for b in self.bundles if message in b), "")


def read_texts(root: etree._Element, notes: Notes) -> Texts:
    """Read the Strings sections; the envelope's xml:lang (en-US without one) comes first."""
    wanted = (root.get(_LANGUAGE) or _DEFAULT_LANGUAGE).lower()
    found: list[tuple[int, Mapping[str, str]]] = []
    for section in children(root, "Strings"):
        language = (section.get(_LANGUAGE) or wanted).lower()
        if attribute(section, "fileRef"):
            notes.add(
                "KF-128",
                Severity.NOTE,
                f"texts in {language} are in the file {attribute(section, 'fileRef')}",
                action="not read; the texts in the descriptor are used",
            )
        messages = {attribute(m, "msgid"): text(m) for m in children(section, "Msg")}
        rank = 0 if language == wanted else 1 if language[:2] == wanted[:2] else 2
        found.append((rank if language[:2] != "en" or rank < 2 else 1, messages))
    return Texts(tuple(messages for _, messages in sorted(found, key=lambda f: f[0])))


def read_product(section: etree._Element, configuration: str | None, texts: Texts) -> Product:
    """Read a ProductSection; a property's value is that of the configuration if it has one."""
    properties: list[Property] = []
    category = ""
    for element in children(section):
        match local(element):
            case "Category":
                category = texts.of(element)
            case "Property":
                properties.append(_property(element, category, configuration, texts))
    return Product(
        name=texts.of(section, "Product"),
        vendor=texts.of(section, "Vendor"),
        version=texts.of(section, "Version"),
        full_version=texts.of(section, "FullVersion"),
        product_url=texts.of(section, "ProductUrl"),
        vendor_url=texts.of(section, "VendorUrl"),
        app_url=texts.of(section, "AppUrl"),
        class_=attribute(section, "class"),
        instance=attribute(section, "instance"),
        info=texts.of(section, "Info"),
        properties=tuple(properties),
    )


def _property(
    element: etree._Element, category: str, configuration: str | None, texts: Texts
) -> Property:
    value = attribute(element, "value")
    for special in children(element, "Value"):
        if configuration and configuration in attribute(special, "configuration").split():
            value = attribute(special, "value")
    return Property(
        key=attribute(element, "key"),
        type=attribute(element, "type") or "string",
        value=value,
        user_configurable=is_true(attribute(element, "userConfigurable")),
        password=is_true(attribute(element, "password")),
        qualifiers=attribute(element, "qualifiers"),
        label=texts.of(element, "Label"),
        description=texts.of(element, "Description"),
        category=category,
    )


def read_eula(section: etree._Element, texts: Texts) -> Eula:
    """Read an EulaSection."""
    return Eula(texts.of(section, "License"), texts.of(section, "Info"))


def default_values(products: tuple[Product, ...]) -> dict[str, str]:
    """Return properties' values by key, plain and as ``class.key.instance``."""
    values: dict[str, str] = {}
    for product in products:
        for prop in product.properties:
            full = ".".join(p for p in (product.class_, prop.key, product.instance) if p)
            values.setdefault(prop.key, prop.value)
            values.setdefault(full, prop.value)
    return values
