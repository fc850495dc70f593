"""Virtual hardware items: DSP0243 2.1 §8.3; the properties of CIM 2.22 to 2.30, all of them.

``Item`` (RASD, DSP1041) is any device; OVF 2 adds ``StorageItem`` (SASD, DSP1047) and
``EthernetPortItem`` (EPASD, DSP1050) with more properties. Fields are in the schemas' order, which
is alphabetical.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from kensho.appliances.ovf.sections.parts import (
    EPASD,
    RASD,
    SASD,
    OneOf4,
    Part,
    Raw,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
)

#: CIM properties newer than the schema of OVF 1.
NEW_PROPERTIES = frozenset(
    {"ChangeableType", "ComponentSetting", "ConfigurationName", "Generation", "SoID", "SoOrgID"}
)


class AnyItem(Part, frozen=True, kw_only=True):
    """OVF's attributes of an item: whether it must be understood, where it is valid."""

    SINCE_2: ClassVar[frozenset[str]] = NEW_PROPERTIES

    required: bool = True
    configuration: str = ""  #: ids of deployment options, divided by blanks; empty: all
    bound: str = ""  #: ``normal``, ``min`` or ``max``


class Item(AnyItem, frozen=True, kw_only=True):
    """A device. Numbers are in ``AllocationUnits`` (DSP0004)."""

    ELEMENT: ClassVar[str] = "Item"
    PROPERTIES: ClassVar[str] = RASD

    address: str = field(default="", name="Address")
    address_on_parent: str = field(default="", name="AddressOnParent")
    allocation_units: str = field(default="", name="AllocationUnits")
    automatic_allocation: bool | None = field(default=None, name="AutomaticAllocation")
    automatic_deallocation: bool | None = field(default=None, name="AutomaticDeallocation")
    caption: str = field(default="", name="Caption")
    changeable_type: OneOf4 | None = field(default=None, name="ChangeableType")
    component_setting: tuple[Raw, ...] = field(default=(), name="ComponentSetting")
    configuration_name: str = field(default="", name="ConfigurationName")
    connection: tuple[str, ...] = field(default=(), name="Connection")
    consumer_visibility: UInt16 | None = field(default=None, name="ConsumerVisibility")
    description: str = field(default="", name="Description")
    element_name: str = field(name="ElementName")
    generation: UInt64 | None = field(default=None, name="Generation")
    host_resource: tuple[str, ...] = field(default=(), name="HostResource")
    instance_id: str = field(name="InstanceID")
    limit: UInt64 | None = field(default=None, name="Limit")
    mapping_behavior: UInt16 | None = field(default=None, name="MappingBehavior")
    other_resource_type: str = field(default="", name="OtherResourceType")
    parent: str = field(default="", name="Parent")
    pool_id: str = field(default="", name="PoolID")
    reservation: UInt64 | None = field(default=None, name="Reservation")
    resource_sub_type: str = field(default="", name="ResourceSubType")
    resource_type: UInt16 | None = field(default=None, name="ResourceType")
    so_id: str = field(default="", name="SoID")
    so_org_id: str = field(default="", name="SoOrgID")
    virtual_quantity: UInt64 | None = field(default=None, name="VirtualQuantity")
    virtual_quantity_units: str = field(default="", name="VirtualQuantityUnits")
    weight: UInt32 | None = field(default=None, name="Weight")


class StorageItem(AnyItem, frozen=True, kw_only=True):
    """A disk or another kind of storage, in OVF 2."""

    ELEMENT: ClassVar[str] = "StorageItem"
    PROPERTIES: ClassVar[str] = SASD

    access: UInt16 | None = field(default=None, name="Access")
    address: str = field(default="", name="Address")
    address_on_parent: str = field(default="", name="AddressOnParent")
    allocation_units: str = field(default="", name="AllocationUnits")
    automatic_allocation: bool | None = field(default=None, name="AutomaticAllocation")
    automatic_deallocation: bool | None = field(default=None, name="AutomaticDeallocation")
    caption: str = field(default="", name="Caption")
    changeable_type: OneOf4 | None = field(default=None, name="ChangeableType")
    component_setting: tuple[Raw, ...] = field(default=(), name="ComponentSetting")
    configuration_name: str = field(default="", name="ConfigurationName")
    connection: tuple[str, ...] = field(default=(), name="Connection")
    consumer_visibility: UInt16 | None = field(default=None, name="ConsumerVisibility")
    description: str = field(default="", name="Description")
    element_name: str = field(name="ElementName")
    generation: UInt64 | None = field(default=None, name="Generation")
    host_extent_name: str = field(default="", name="HostExtentName")
    host_extent_name_format: UInt16 | None = field(default=None, name="HostExtentNameFormat")
    host_extent_name_namespace: UInt16 | None = field(default=None, name="HostExtentNameNamespace")
    host_extent_starting_address: UInt64 | None = field(
        default=None, name="HostExtentStartingAddress"
    )
    host_resource: tuple[str, ...] = field(default=(), name="HostResource")
    host_resource_block_size: UInt64 | None = field(default=None, name="HostResourceBlockSize")
    instance_id: str = field(name="InstanceID")
    limit: UInt64 | None = field(default=None, name="Limit")
    mapping_behavior: UInt16 | None = field(default=None, name="MappingBehavior")
    other_host_extent_name_format: str = field(default="", name="OtherHostExtentNameFormat")
    other_host_extent_name_namespace: str = field(default="", name="OtherHostExtentNameNamespace")
    other_resource_type: str = field(default="", name="OtherResourceType")
    parent: str = field(default="", name="Parent")
    pool_id: str = field(default="", name="PoolID")
    reservation: UInt64 | None = field(default=None, name="Reservation")
    resource_sub_type: str = field(default="", name="ResourceSubType")
    resource_type: UInt16 | None = field(default=None, name="ResourceType")
    so_id: str = field(default="", name="SoID")
    so_org_id: str = field(default="", name="SoOrgID")
    virtual_quantity: UInt64 | None = field(default=None, name="VirtualQuantity")
    virtual_quantity_units: str = field(default="", name="VirtualQuantityUnits")
    virtual_resource_block_size: UInt64 | None = field(
        default=None, name="VirtualResourceBlockSize"
    )
    weight: UInt32 | None = field(default=None, name="Weight")


class EthernetPortItem(AnyItem, frozen=True, kw_only=True):
    """A network adapter, in OVF 2."""

    ELEMENT: ClassVar[str] = "EthernetPortItem"
    PROPERTIES: ClassVar[str] = EPASD

    address: str = field(default="", name="Address")
    address_on_parent: str = field(default="", name="AddressOnParent")
    allocation_units: str = field(default="", name="AllocationUnits")
    allowed_priorities: tuple[UInt16, ...] = field(default=(), name="AllowedPriorities")
    allowed_to_receive_mac_addresses: tuple[str, ...] = field(
        default=(), name="AllowedToReceiveMACAddresses"
    )
    allowed_to_receive_vlans: tuple[UInt16, ...] = field(default=(), name="AllowedToReceiveVLANs")
    allowed_to_transmit_mac_addresses: tuple[str, ...] = field(
        default=(), name="AllowedToTransmitMACAddresses"
    )
    allowed_to_transmit_vlans: tuple[UInt16, ...] = field(default=(), name="AllowedToTransmitVLANs")
    automatic_allocation: bool | None = field(default=None, name="AutomaticAllocation")
    automatic_deallocation: bool | None = field(default=None, name="AutomaticDeallocation")
    caption: str = field(default="", name="Caption")
    changeable_type: OneOf4 | None = field(default=None, name="ChangeableType")
    component_setting: tuple[Raw, ...] = field(default=(), name="ComponentSetting")
    configuration_name: str = field(default="", name="ConfigurationName")
    connection: tuple[str, ...] = field(default=(), name="Connection")
    consumer_visibility: UInt16 | None = field(default=None, name="ConsumerVisibility")
    default_port_vid: UInt16 | None = field(default=None, name="DefaultPortVID")
    default_priority: UInt16 | None = field(default=None, name="DefaultPriority")
    description: str = field(default="", name="Description")
    desired_vlan_endpoint_mode: UInt16 | None = field(default=None, name="DesiredVLANEndpointMode")
    element_name: str = field(name="ElementName")
    generation: UInt64 | None = field(default=None, name="Generation")
    group_id: UInt32 | None = field(default=None, name="GroupID")
    host_resource: tuple[str, ...] = field(default=(), name="HostResource")
    instance_id: str = field(name="InstanceID")
    limit: UInt64 | None = field(default=None, name="Limit")
    manager_id: UInt32 | None = field(default=None, name="ManagerID")
    mapping_behavior: UInt16 | None = field(default=None, name="MappingBehavior")
    network_port_profile_id: str = field(default="", name="NetworkPortProfileID")
    network_port_profile_id_type: UInt16 | None = field(
        default=None, name="NetworkPortProfileIDType"
    )
    other_endpoint_mode: str = field(default="", name="OtherEndpointMode")
    other_network_port_profile_id_type_info: str = field(
        default="", name="OtherNetworkPortProfileIDTypeInfo"
    )
    other_resource_type: str = field(default="", name="OtherResourceType")
    parent: str = field(default="", name="Parent")
    pool_id: str = field(default="", name="PoolID")
    port_correlation_id: str = field(default="", name="PortCorrelationID")
    port_vid: UInt16 | None = field(default=None, name="PortVID")
    promiscuous: bool | None = field(default=None, name="Promiscuous")
    receive_bandwidth_limit: UInt64 | None = field(default=None, name="ReceiveBandwidthLimit")
    receive_bandwidth_reservation: UInt64 | None = field(
        default=None, name="ReceiveBandwidthReservation"
    )
    reservation: UInt64 | None = field(default=None, name="Reservation")
    resource_sub_type: str = field(default="", name="ResourceSubType")
    resource_type: UInt16 | None = field(default=None, name="ResourceType")
    so_id: str = field(default="", name="SoID")
    so_org_id: str = field(default="", name="SoOrgID")
    source_mac_filtering_enabled: bool | None = field(
        default=None, name="SourceMACFilteringEnabled"
    )
    vsi_type_id: UInt32 | None = field(default=None, name="VSITypeID")
    vsi_type_id_version: UInt8 | None = field(default=None, name="VSITypeIDVersion")
    virtual_quantity: UInt64 | None = field(default=None, name="VirtualQuantity")
    virtual_quantity_units: str = field(default="", name="VirtualQuantityUnits")
    weight: UInt32 | None = field(default=None, name="Weight")
