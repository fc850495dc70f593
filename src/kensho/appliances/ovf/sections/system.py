"""``System`` of the virtual hardware: CIM_VirtualSystemSettingData (DSP0243 §8.2, DSP1042)."""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from kensho.appliances.ovf.sections.items import NEW_PROPERTIES
from kensho.appliances.ovf.sections.parts import (
    CIM,
    VSSD,
    OneOf4,
    OneOf5,
    Part,
    Raw,
    UInt16,
    UInt64,
)


class DateTime(Part, frozen=True, kw_only=True):
    """A CIM date or interval; ``text`` is what exporters write in place of ``stated``."""

    NAMESPACE: ClassVar[str] = VSSD
    PROPERTIES: ClassVar[str] = CIM

    stated: str = field(default="", name="CIM_DateTime")
    interval: str = field(default="", name="Interval")
    date: str = field(default="", name="Date")
    time: str = field(default="", name="Time")
    datetime: str = field(default="", name="Datetime")


class System(Part, frozen=True, kw_only=True):
    """What kind of virtual machine the hardware belongs to.

    ``virtual_system_type`` lists hypervisor families, divided by blanks (``vmx-10 vmx-13``).
    """

    ELEMENT: ClassVar[str] = "System"
    PROPERTIES: ClassVar[str] = VSSD
    SINCE_2: ClassVar[frozenset[str]] = NEW_PROPERTIES

    automatic_recovery_action: OneOf5 | None = field(default=None, name="AutomaticRecoveryAction")
    automatic_shutdown_action: OneOf5 | None = field(default=None, name="AutomaticShutdownAction")
    automatic_startup_action: OneOf5 | None = field(default=None, name="AutomaticStartupAction")
    automatic_startup_action_delay: DateTime | None = field(
        default=None, name="AutomaticStartupActionDelay"
    )
    automatic_startup_action_sequence_number: UInt16 | None = field(
        default=None, name="AutomaticStartupActionSequenceNumber"
    )
    caption: str = field(default="", name="Caption")
    changeable_type: OneOf4 | None = field(default=None, name="ChangeableType")
    component_setting: tuple[Raw, ...] = field(default=(), name="ComponentSetting")
    configuration_data_root: str = field(default="", name="ConfigurationDataRoot")
    configuration_file: str = field(default="", name="ConfigurationFile")
    configuration_id: str = field(default="", name="ConfigurationID")
    configuration_name: str = field(default="", name="ConfigurationName")
    creation_time: DateTime | None = field(default=None, name="CreationTime")
    description: str = field(default="", name="Description")
    element_name: str = field(name="ElementName")
    generation: UInt64 | None = field(default=None, name="Generation")
    instance_id: str = field(name="InstanceID")
    log_data_root: str = field(default="", name="LogDataRoot")
    notes: tuple[str, ...] = field(default=(), name="Notes")
    recovery_file: str = field(default="", name="RecoveryFile")
    snapshot_data_root: str = field(default="", name="SnapshotDataRoot")
    so_id: str = field(default="", name="SoID")
    so_org_id: str = field(default="", name="SoOrgID")
    suspend_data_root: str = field(default="", name="SuspendDataRoot")
    swap_file_data_root: str = field(default="", name="SwapFileDataRoot")
    virtual_system_identifier: str = field(default="", name="VirtualSystemIdentifier")
    virtual_system_type: str = field(default="", name="VirtualSystemType")
