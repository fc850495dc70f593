"""DSP8027: judged by DMTF's schema, and read by cloud-init's OVF data source."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import msgspec
import pytest
from lxml import etree
from ovfenv_samples import APPLIANCE, MACHINE, ODD, environment

from kensho.appliances.ovfenv.environment import environment_of
from kensho.appliances.ovfenv.guestinfo import render_guestinfo
from kensho.appliances.ovfenv.xml import NAMESPACE, render_xml
from kensho.appliances.vmx.parse import read_dictionary
from kensho.model.appliance import Appliance
from kensho.model.errors import UsageError
from kensho.model.machine import Product, Property

SCHEMA = Path(__file__).parents[4] / "shared/xsd/env1/dsp8027_1.0.0.xsd"
OE = f"{{{NAMESPACE}}}"


@pytest.mark.skipif(not SCHEMA.exists(), reason="DMTF's schema is not here")
def test_it_is_what_dmtf_demands() -> None:
    etree.XMLSchema(file=str(SCHEMA)).assertValid(etree.fromstring(render_xml(environment())))


def test_own_properties_then_those_of_each_sibling() -> None:
    root = etree.fromstring(render_xml(environment()))
    own = _properties(root)
    assert root.get(f"{OE}id") == "vm1"
    assert own["com.example.hostname.1"] == "web.example.org"
    assert own["com.example.note.1"] == ODD
    assert own["site"] == "lab"  # the collection's
    entity = root.find(f"{OE}Entity")
    assert entity is not None
    assert entity.get(f"{OE}id") == "vm2"
    # What a machine says itself beats what the collection says.
    assert _properties(entity) == {"site": "lab", "port": "5432"}


def test_a_macro_is_the_collections_property() -> None:
    """ISO/IEC 17203 §11.1: a child's property may refer to its parent's by a macro."""
    shared = Product(
        "", class_="vami", instance="x", properties=(Property("ip0", value="10.0.0.7"),)
    )
    own = (
        Property("ip", value="${vami.ip0.x} or ${ip0}, ${none} ${ ${ip0}"),
        Property("ip0", value="1"),
    )
    machine = msgspec.structs.replace(MACHINE, products=(Product(properties=own),))
    appliance = Appliance("app", (machine,), products=(shared,))
    found = dict(environment_of(appliance, "vm1").properties)
    assert found["ip"] == "10.0.0.7 or 10.0.0.7, ${none} ${ 10.0.0.7"
    assert found["ip0"] == "1"  # another name than vami.ip0.x


def _properties(parent: etree._Element) -> dict[str | None, str | None]:
    found = parent.iterfind(f"{OE}PropertySection/{OE}Property")
    return {p.get(f"{OE}key"): p.get(f"{OE}value") for p in found}


def test_characters_that_xml_has_not_do_not_break_it() -> None:
    text = render_xml(environment()).decode()
    assert "\x00" not in text
    bad = environment()
    broken = type(bad)(bad.machine, bad.platform, (("k\x00", "\x1b[2J\ud800\uffff"),), ())
    root = etree.fromstring(render_xml(broken))
    assert _properties(root) == {"k\ufffd": "\ufffd[2J\ufffd\ufffd"}


def test_guestinfo_is_the_xml_in_vmx_words() -> None:
    line = render_guestinfo(environment())
    assert line.count(b"\n") == 1
    keys, _ = read_dictionary(line, path="x.vmx")
    assert keys.values["guestinfo.ovfenv"].encode() == render_xml(environment())


def test_an_unknown_machine_is_refused_with_the_names() -> None:
    with pytest.raises(UsageError) as error:
        environment_of(APPLIANCE, "vm3")
    assert "vm1, vm2" in error.value.hint


def test_cloud_init_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "ovf-env.xml"
    path.write_bytes(render_xml(environment()))
    code = (
        "import json, sys\n"
        "from cloudinit.sources.DataSourceOVF import get_properties\n"
        "print(json.dumps(get_properties(open(sys.argv[1]).read())))"
    )
    done = subprocess.run(["/usr/bin/python3", "-c", code, path], capture_output=True, text=True)
    if "ModuleNotFoundError" in done.stderr or "No such file" in done.stderr:
        pytest.skip("cloud-init is not installed")
    found = json.loads(done.stdout)
    assert found["com.example.hostname.1"] == "web.example.org"
    assert found["com.example.note.1"] == ODD
