"""The environment as VMware's tools hand it to the guest: ``guestinfo.ovfEnv``.

Source: transport ``com.vmware.guestInfo`` of VMware's OVF dialect; a guest reads it with
``vmware-rpctool "info-get guestinfo.ovfEnv"``, cloud-init among others.
"""

from __future__ import annotations

from kensho.appliances.ovfenv.environment import Environment
from kensho.appliances.ovfenv.xml import render_xml
from kensho.appliances.vmx.text import to_vmx

KEY = "guestinfo.ovfEnv"


def render_guestinfo(environment: Environment) -> bytes:
    """Return the line for a VMX file; the key is the same among a machine's ExtraConfig."""
    return to_vmx([(KEY, render_xml(environment).decode())])
