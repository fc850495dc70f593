"""The environment for guests that are set up by Ignition: Fedora CoreOS, Flatcar and others.

Source: Ignition's configuration specification v3.3.0. Passwords are left to the files: Ignition
takes hashes only, and a hash made here would be no secret either.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from kensho.appliances.ovfenv.environment import Environment
from kensho.appliances.ovfenv.known import Interface, Known
from kensho.appliances.ovfenv.nocloud import GUEST_PATH
from kensho.appliances.ovfenv.xml import render_xml

SPEC = "3.3.0"
_USER = "core"  #: the user that CoreOS and Flatcar have


def render_ignition(environment: Environment, known: Known) -> bytes:
    """Return the configuration: host name, SSH keys, addresses and the environment itself."""
    files = [
        _file("/etc/hostname", f"{known.host_name}\n", 0o644),
        _file(GUEST_PATH, render_xml(environment).decode(), 0o600),
    ]
    for interface in known.interfaces:
        path = f"/etc/NetworkManager/system-connections/ovf-nic{interface.nic}.nmconnection"
        files.append(_file(path, _keyfile(interface, known), 0o600))
    config: dict[str, Any] = {"ignition": {"version": SPEC}, "storage": {"files": files}}
    if known.public_keys:
        user = {"name": _USER, "sshAuthorizedKeys": list(dict.fromkeys(known.public_keys))}
        config["passwd"] = {"users": [user]}
    return json.dumps(config, indent=2, ensure_ascii=False).encode(errors="replace") + b"\n"


def _file(path: str, text: str, mode: int) -> dict[str, Any]:
    source = "data:," + quote(text, safe="", errors="replace")
    return {"path": path, "mode": mode, "overwrite": True, "contents": {"source": source}}


def _keyfile(interface: Interface, known: Known) -> str:
    """Return a connection of NetworkManager (nm-settings-keyfile)."""
    name = f"ovf-nic{interface.nic}"
    ident = uuid5(NAMESPACE_URL, f"{name} {interface.addresses}")
    lines = ["[connection]", f"id={name}", f"uuid={ident}", "type=ethernet", "", "[ethernet]"]
    if interface.mac:
        lines.append(f"mac-address={interface.mac}")
    for section, mark in (("ipv4", "."), ("ipv6", ":")):
        lines += ["", f"[{section}]"]
        addresses = [a for a in interface.addresses if (":" in a) is (mark == ":")]
        if not addresses:
            lines.append("method=auto")
            continue
        gateway = next((g for g in interface.gateways if (":" in g) is (mark == ":")), "")
        lines.append("method=manual")
        lines += [f"address{n}={a}" for n, a in enumerate(addresses, start=1)]
        lines += [f"gateway={gateway}"] if gateway else []
        dns = [d for d in known.dns if (":" in d) is (mark == ":")]
        lines += [f"dns={';'.join(dns)};"] if dns else []
        lines += [f"dns-search={';'.join(known.search)};"] if known.search else []
    return "\n".join(lines) + "\n"
