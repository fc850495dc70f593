"""The OVF dialects kensho writes, as data."""

from __future__ import annotations

from kensho.appliances.ovf.write_dialects.base import Dialect
from kensho.appliances.ovf.write_dialects.portable import PORTABLE
from kensho.appliances.ovf.write_dialects.virtualbox import VIRTUALBOX
from kensho.appliances.ovf.write_dialects.vmware import VMWARE

__all__ = ["PORTABLE", "VIRTUALBOX", "VMWARE", "Dialect"]
