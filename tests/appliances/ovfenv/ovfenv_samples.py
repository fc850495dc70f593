"""A machine with properties that any guest understands."""

from __future__ import annotations

import msgspec

from kensho.appliances.ovfenv.environment import Environment, PlatformFacts, environment_of
from kensho.appliances.ovfenv.known import Known, understand
from kensho.model.appliance import Appliance
from kensho.model.machine import Cpu, Machine, Memory, Nic, Product, Property

ODD = "a\x85\x7f\u2028 <'x'> & \"y\"\n\tz: - é😀"
NICS = (
    Nic("n1", network="Network 1", mac="52:54:00:00:00:01"),
    Nic("n2", network="Net 2", mac="52:54:00:00:00:02"),
)
PROPERTIES = (
    Property("hostname", value="web.example.org"),
    Property("password", value="s3cret", password=True),
    Property("root_password", value="r00t", password=True),
    Property("public-keys", value="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA me@here"),
    Property("ip0", value="10.0.0.5"),
    Property("netmask0", value="255.255.255.0"),
    Property("gateway0", value="10.0.0.1"),
    Property("DNS", value="10.0.0.2, 10.0.0.3"),
    Property("domain", value="example.org"),
    Property("v6", qualifiers="Ip('Net 2')", value="fd00::2"),
    Property("dbIp", type="ip", value="192.0.2.9"),
    Property("note", value=ODD),
)
MACHINE = Machine(
    "vm1",
    "Web server",
    Cpu(),
    Memory(1 << 30),
    nics=NICS,
    products=(Product(class_="com.example", instance="1", properties=PROPERTIES),),
)
OTHER = Machine(
    "vm2",
    "Database",
    Cpu(),
    Memory(1 << 30),
    products=(Product(properties=(Property("port", "uint16", "5432"),)),),
)
APPLIANCE = Appliance(
    "app",
    (MACHINE, OTHER),
    products=(Product(properties=(Property("site", value="lab"), Property("port", value="1"))),),
)


def environment(appliance: Appliance = APPLIANCE) -> Environment:
    return environment_of(appliance, "vm1", PlatformFacts("KVM", "9", "kensho", "en"))


def known(*properties: Property, nics: tuple[Nic, ...] = NICS) -> Known:
    """Return what is understood of these properties, those of `MACHINE` without any."""
    products = (Product(properties=properties),) if properties else MACHINE.products
    machine = msgspec.structs.replace(MACHINE, products=products, nics=nics)
    return understand(Appliance("app", (machine,)), machine)
