"""ProductSection: DSP0243 2.1 §9.5; property types and qualifiers §9.5.1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from msgspec import field

from kensho.appliances.ovf.sections.parts import Message, Part, Section, UInt16
from kensho.appliances.ovf.write_xml import VMW

_VMW_QUALIFIERS = f"{{{VMW}}}qualifiers"


class Icon(Part, frozen=True, kw_only=True):
    """A picture of the product, a file of the package."""

    ELEMENT: ClassVar[str] = "Icon"

    height: UInt16 | None = None  #: pixels
    width: UInt16 | None = None  #: pixels
    mime_type: str = field(default="", name="mimeType")
    file_ref: str = field(name="fileRef")


class Category(Message, frozen=True, kw_only=True):
    """A heading for the properties that follow it."""

    ELEMENT: ClassVar[str] = "Category"


class PropertyValue(Part, frozen=True, kw_only=True):
    """The default value in certain deployment options."""

    ELEMENT: ClassVar[str] = "Value"

    value: str
    configuration: str = ""  #: ids divided by blanks


class Property(Part, frozen=True, kw_only=True):
    """A property: ``type`` is of DSP0004 (``string``, ``boolean``, ``uint16``, …).

    ``qualifiers`` are DSP0004's (``MinLen(2) ValueMap{"a","b"}``), ``vmw_qualifiers`` VMware's
    (``Ip("net")``). ``value`` is the default.
    """

    ELEMENT: ClassVar[str] = "Property"

    label: Message | None = field(default=None, name="Label")
    description: Message | None = field(default=None, name="Description")
    values: tuple[PropertyValue, ...] = ()
    key: str
    type: str
    qualifiers: str = ""
    user_configurable: bool = field(default=False, name="userConfigurable")
    value: str = ""
    password: bool = False
    configuration: str = ""  #: the deployment options that have it; OVF 2, VMware too

    @property
    def vmw_qualifiers(self) -> str:
        """Return VMware's own qualifiers, empty when there are none."""
        return next((a.value for a in self.unknown_attributes if a.name == _VMW_QUALIFIERS), "")


class ProductSection(Section, frozen=True, kw_only=True):
    """What software is in the package, and the properties its installation asks for."""

    ELEMENT: ClassVar[str] = "ProductSection"

    product: Message | None = field(default=None, name="Product")
    vendor: Message | None = field(default=None, name="Vendor")
    version: str = field(default="", name="Version")
    full_version: str = field(default="", name="FullVersion")
    product_url: str = field(default="", name="ProductUrl")
    vendor_url: str = field(default="", name="VendorUrl")
    app_url: str = field(default="", name="AppUrl")
    icons: tuple[Icon, ...] = ()
    entries: tuple[Category | Property, ...] = ()
    class_: str = field(default="", name="class")
    instance: str = ""

    @property
    def properties(self) -> Iterator[tuple[Category | None, Property]]:
        """Yield each property with the category it is under."""
        category = None
        for entry in self.entries:
            if isinstance(entry, Property):
                yield category, entry
            else:
                category = entry

    def full_key(self, key: str) -> str:
        """Return what a property is called in the OVF environment: ``class.key.instance``."""
        return ".".join(part for part in (self.class_, key, self.instance) if part)
