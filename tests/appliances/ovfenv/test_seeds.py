"""NoCloud and Ignition: what a guest's own tools make of what the properties say."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from ovfenv_samples import NICS, environment, known

from kensho.appliances.ovfenv.ignition import render_ignition
from kensho.appliances.ovfenv.nocloud import render_nocloud
from kensho.model.machine import Nic, Property

_READ = """
import json, sys, yaml
from cloudinit.net import network_state
folder = sys.argv[1]
config = yaml.safe_load(open(folder + "/user-data"))
state = network_state.parse_net_config_data(yaml.safe_load(open(folder + "/network-config")))
print(json.dumps([config, list(state.iter_interfaces())]))
"""


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    for name, data in render_nocloud(environment(), known()):
        (tmp_path / name).write_bytes(data)
    return tmp_path


@pytest.mark.skipif(shutil.which("cloud-init") is None, reason="cloud-init is not installed")
def test_cloud_init_takes_the_seed(seed: Path) -> None:
    done = subprocess.run(
        ["cloud-init", "schema", "-c", seed / "user-data"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    read = subprocess.run(
        ["/usr/bin/python3", "-c", _READ, seed], check=True, capture_output=True, text=True
    )
    config, interfaces = json.loads(read.stdout)
    assert "a\x85\x7f\u2028 " in config["write_files"][0]["content"]
    first, second = interfaces
    assert first["mac_address"] == NICS[0].mac
    assert first["subnets"][0]["address"] == "10.0.0.5"
    assert first["subnets"][0]["netmask"] == "255.255.255.0"
    assert first["subnets"][0]["routes"][0]["gateway"] == "10.0.0.1"
    assert first["subnets"][0]["dns_nameservers"] == ["10.0.0.2", "10.0.0.3"]
    assert second["subnets"][0]["address"] == "fd00::2"


def test_the_seed_says_what_the_properties_say(seed: Path) -> None:
    meta = json.loads((seed / "meta-data").read_bytes())
    assert meta == {"instance-id": "vm1", "local-hostname": "web.example.org"}
    head, _, body = (seed / "user-data").read_text().partition("\n")
    assert head == "#cloud-config"
    config = json.loads(body)
    assert config["fqdn"] == "web.example.org"
    assert config["password"] == "s3cret"
    assert config["chpasswd"]["users"][0]["password"] == "r00t"
    assert config["ssh_authorized_keys"][0].startswith("ssh-ed25519 ")
    assert config["write_files"][0]["path"] == "/etc/ovf-env.xml"


def test_user_data_is_handed_on_as_it_is() -> None:
    script = b"#!/bin/sh\necho hello\n"
    encoded = base64.b64encode(script).decode()
    for value in (encoded, script.decode()):
        files = dict(render_nocloud(environment(), known(Property("user-data", value=value))))
        assert files["user-data"].strip() == script.strip()
        assert files["vendor-data"].startswith(b"#cloud-config\n")


def test_without_addresses_there_is_no_network_config() -> None:
    files = dict(render_nocloud(environment(), known(Property("hostname", value="a"))))
    assert set(files) == {"meta-data", "user-data"}


def test_an_adapter_that_cannot_be_told_apart_is_left_alone() -> None:
    nics = (Nic("a"), Nic("b"))
    found = known(Property("ip0", value="10.0.0.5/24"), nics=nics)
    assert found.interfaces == ()
    assert found.left_out
    alone = known(Property("ip0", value="10.0.0.5/24"), nics=nics[:1])
    assert alone.interfaces[0].addresses == ("10.0.0.5/24",)


def test_an_address_without_a_netmask_is_not_guessed() -> None:
    found = known(Property("ip", value="10.0.0.5"))
    assert found.interfaces == ()
    assert "10.0.0.5" in found.left_out[0]


def test_a_value_cannot_smuggle_lines_into_a_file() -> None:
    bad = (
        Property("hostname", value="x\nroot::0"),
        Property("ip", value="10.0.0.5/24\n[proxy]"),
        Property("dns", value="1.1.1.1\n[x]"),
        Property("domain", value="a;b\n[y]"),
    )
    text = render_ignition(environment(), known(*bad)).decode()
    assert "%5Bproxy%5D" not in text
    assert "%5By%5D" not in text
    assert "root%3A%3A0" not in text


@pytest.mark.skipif(
    shutil.which("ignition-validate") is None, reason="ignition-validate is not installed"
)
def test_ignition_takes_it(tmp_path: Path) -> None:
    path = tmp_path / "config.ign"
    path.write_bytes(render_ignition(environment(), known()))
    done = subprocess.run(["ignition-validate", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower()


def test_ignition_writes_the_files_a_guest_needs() -> None:
    config = json.loads(render_ignition(environment(), known()))
    files = {f["path"]: f for f in config["storage"]["files"]}
    assert files["/etc/hostname"]["contents"]["source"] == "data:,web.example.org%0A"
    assert files["/etc/ovf-env.xml"]["mode"] == 0o600
    nic = files["/etc/NetworkManager/system-connections/ovf-nic0.nmconnection"]
    assert "address1%3D10.0.0.5%2F24" in nic["contents"]["source"]
    assert config["passwd"]["users"][0]["name"] == "core"
