"""BootDeviceSection: DSP0243 2.1 §9.12; CIM_BootConfigSetting and CIM_BootSourceSetting (DSP1012)."""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from kensho.appliances.ovf.sections.parts import (
    BOOT_CONFIG,
    BOOT_SOURCE,
    OneOf3,
    OneOf4,
    Part,
    Raw,
    Section,
    UInt64,
)


class BootSource(Part, frozen=True, kw_only=True):
    """A device to boot from: ``instance_id`` is that of an item of the virtual hardware."""

    ELEMENT: ClassVar[str] = "CIM_BootSourceSetting"
    NAMESPACE: ClassVar[str] = BOOT_SOURCE
    PROPERTIES: ClassVar[str] = BOOT_SOURCE

    biosboot_string: str = field(default="", name="BIOSBootString")
    boot_string: str = field(default="", name="BootString")
    caption: str = field(default="", name="Caption")
    changeable_type: OneOf4 | None = field(default=None, name="ChangeableType")
    component_setting: tuple[Raw, ...] = field(default=(), name="ComponentSetting")
    configuration_name: str = field(default="", name="ConfigurationName")
    description: str = field(default="", name="Description")
    element_name: str = field(name="ElementName")
    fail_through_supported: OneOf3 | None = field(default=None, name="FailThroughSupported")
    generation: UInt64 | None = field(default=None, name="Generation")
    instance_id: str = field(name="InstanceID")
    so_id: str = field(default="", name="SoID")
    so_org_id: str = field(default="", name="SoOrgID")
    structured_boot_string: str = field(default="", name="StructuredBootString")


class BootConfig(Part, frozen=True, kw_only=True):
    """A boot order: its sources, first to last."""

    ELEMENT: ClassVar[str] = "CIM_BootConfigSetting"
    NAMESPACE: ClassVar[str] = BOOT_CONFIG
    PROPERTIES: ClassVar[str] = BOOT_CONFIG

    caption: str = field(default="", name="Caption")
    changeable_type: OneOf4 | None = field(default=None, name="ChangeableType")
    component_setting: tuple[Raw, ...] = field(default=(), name="ComponentSetting")
    configuration_name: str = field(default="", name="ConfigurationName")
    description: str = field(default="", name="Description")
    element_name: str = field(name="ElementName")
    generation: UInt64 | None = field(default=None, name="Generation")
    instance_id: str = field(name="InstanceID")
    so_id: str = field(default="", name="SoID")
    so_org_id: str = field(default="", name="SoOrgID")
    sources: tuple[BootSource, ...] = ()


class BootDeviceSection(Section, frozen=True, kw_only=True):
    """What the machine boots from, in OVF 2."""

    ELEMENT: ClassVar[str] = "BootDeviceSection"
    ONLY_2: ClassVar[bool] = True

    config: BootConfig
