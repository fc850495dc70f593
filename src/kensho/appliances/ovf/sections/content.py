"""VirtualSystem and VirtualSystemCollection: DSP0243 2.1 §7.3; and all sections they may have."""

from __future__ import annotations

from typing import ClassVar, TypeAlias

from msgspec import field

from kensho.appliances.ovf.sections.annotation import AnnotationSection
from kensho.appliances.ovf.sections.boot_device import BootDeviceSection
from kensho.appliances.ovf.sections.deployment_option import DeploymentOptionSection
from kensho.appliances.ovf.sections.disks import DiskSection, SharedDiskSection
from kensho.appliances.ovf.sections.encryption import EncryptionSection
from kensho.appliances.ovf.sections.environment_files import EnvironmentFilesSection
from kensho.appliances.ovf.sections.eula import EulaSection
from kensho.appliances.ovf.sections.hardware import VirtualHardwareSection
from kensho.appliances.ovf.sections.install import InstallSection
from kensho.appliances.ovf.sections.networks import NetworkSection
from kensho.appliances.ovf.sections.operating_system import OperatingSystemSection
from kensho.appliances.ovf.sections.parts import Message, Part
from kensho.appliances.ovf.sections.placement import PlacementSection
from kensho.appliances.ovf.sections.placement_group import PlacementGroupSection
from kensho.appliances.ovf.sections.product import ProductSection
from kensho.appliances.ovf.sections.resource_allocation import ResourceAllocationSection
from kensho.appliances.ovf.sections.scale_out import ScaleOutSection
from kensho.appliances.ovf.sections.startup import StartupSection

#: The schema lets any section be anywhere; DSP0243 says where each has a meaning.
AnySection: TypeAlias = (
    AnnotationSection
    | BootDeviceSection
    | DeploymentOptionSection
    | DiskSection
    | EncryptionSection
    | EnvironmentFilesSection
    | EulaSection
    | InstallSection
    | NetworkSection
    | OperatingSystemSection
    | PlacementGroupSection
    | PlacementSection
    | ProductSection
    | ResourceAllocationSection
    | ScaleOutSection
    | SharedDiskSection
    | StartupSection
    | VirtualHardwareSection
)


class VirtualSystem(Part, frozen=True, kw_only=True):
    """A virtual machine."""

    ELEMENT: ClassVar[str] = "VirtualSystem"

    info: Message = field(name="Info")
    name: Message | None = field(default=None, name="Name")
    sections: tuple[AnySection, ...] = ()
    id: str


class VirtualSystemCollection(VirtualSystem, frozen=True, kw_only=True):
    """Machines and collections that belong together."""

    ELEMENT: ClassVar[str] = "VirtualSystemCollection"

    contents: tuple[VirtualSystem | VirtualSystemCollection, ...] = ()
