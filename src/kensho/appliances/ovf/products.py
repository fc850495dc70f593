"""Products, properties and licences: DSP0243 §9.5, §9.6."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from kensho.appliances.ovf.elements import attribute, attributes, children, is_true, local
from kensho.appliances.ovf.texts import Texts
from kensho.model.machine import Eula, Product, Property


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
        qualifiers=" ".join(  # OVF's own and VMware's, which the field has side by side
            value.strip() for _, name, value in attributes(element) if name == "qualifiers"
        ),
        label=texts.of(element, "Label"),
        description=texts.of(element, "Description"),
        category=category,
    )


def read_eula(section: etree._Element, texts: Texts) -> Eula:
    """Read an EulaSection."""
    return Eula(texts.of(section, "License"), texts.of(section, "Info"))


def property_values(products: tuple[Product, ...], chosen: Mapping[str, str]) -> dict[str, str]:
    """Return properties' values by key, plain and as ``class.key.instance``.

    ``chosen`` are the user's, by either name; they count, the package's defaults are for the rest.
    """
    values: dict[str, str] = {}
    for product in products:
        for prop in product.properties:
            full = ".".join(p for p in (product.class_, prop.key, product.instance) if p)
            value = chosen.get(full, chosen.get(prop.key, prop.value))
            values.setdefault(prop.key, value)
            values.setdefault(full, value)
    return {**values, **chosen}
