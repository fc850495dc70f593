"""A seed for cloud-init's NoCloud data source: what the properties say, in cloud-init's words.

Source: cloud-init's documentation of the NoCloud data source (volume label ``cidata``), of network
configuration version 2 and of cloud-config. The files are JSON, which YAML readers take: no
scalar can be mistaken for a number, a date or a truth value.
"""

from __future__ import annotations

import json
import re
from typing import Any

from kensho.appliances.ovfenv.environment import Environment
from kensho.appliances.ovfenv.known import Known
from kensho.appliances.ovfenv.xml import render_xml

VOLUME = "CIDATA"
#: Where a guest finds the environment itself, with all that has no other meaning.
GUEST_PATH = "/etc/ovf-env.xml"


def render_nocloud(environment: Environment, known: Known) -> tuple[tuple[str, bytes], ...]:
    """Return the seed's files by name: meta-data, user-data, vendor-data, network-config.

    A user-data property becomes the user-data as it is, and the rest goes to vendor-data, which
    cloud-init merges below it. network-config is there when addresses are.
    """
    meta = {"instance-id": known.instance_id, "local-hostname": known.host_name}
    config = _text(_cloud_config(environment, known), "#cloud-config\n")
    files = [("meta-data", _text(meta))]
    if known.user_data:
        files += [("user-data", known.user_data), ("vendor-data", config)]
    else:
        files.append(("user-data", config))
    if known.interfaces:
        files.append(("network-config", _text(_network(known))))
    return tuple(files)


def _cloud_config(environment: Environment, known: Known) -> dict[str, Any]:
    name = "fqdn" if "." in known.host_name else "hostname"
    config: dict[str, Any] = {name: known.host_name}
    if known.password:
        config["password"] = known.password
    if known.password or known.root_password:
        config["chpasswd"] = {"expire": False}
    if known.root_password:
        config["chpasswd"]["users"] = [
            {"name": "root", "password": known.root_password, "type": "text"}
        ]
    if known.public_keys:
        config["ssh_authorized_keys"] = list(known.public_keys)
    config["write_files"] = [
        {
            "path": GUEST_PATH,
            "permissions": "0600",
            "content": render_xml(environment).decode(),
        }
    ]
    return config


def _network(known: Known) -> dict[str, Any]:
    adapters = {}
    for number, interface in enumerate(known.interfaces):
        match = {"macaddress": interface.mac} if interface.mac else {"name": "e*"}
        adapter: dict[str, Any] = {"match": match, "addresses": list(interface.addresses)}
        routes = [{"to": _default(g), "via": g} for g in interface.gateways]
        if routes:
            adapter["routes"] = routes
        servers = {"addresses": list(known.dns), "search": list(known.search)}
        if number == 0 and any(servers.values()):
            adapter["nameservers"] = {k: v for k, v in servers.items() if v}
        adapters[f"nic{interface.nic}"] = adapter
    return {"version": 2, "ethernets": adapters}


def _default(gateway: str) -> str:
    return "::/0" if ":" in gateway else "0.0.0.0/0"


def _text(value: dict[str, Any], head: str = "") -> bytes:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # What YAML forbids even in quotes, or takes for the end of a line, and JSON does not.
    text = re.sub(
        r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]", lambda m: f"\\u{ord(m[0]):04x}", text
    )
    return f"{head}{text}\n".encode(errors="replace")
