from __future__ import annotations

import os
from pathlib import Path

import pytest
from lxml import etree

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("KENSHO_SHARED", Path(__file__).parents[4] / "shared"))
VENDORS = ("http://example.org/acme", "http://www.vmware.com/schema/ovf")
SCHEMAS = {"1": "ovf1/dsp8023_1.1.1.xsd", "2": "ovf2/dsp8023_2.0.1.xsd"}
_compiled: dict[str, etree.XMLSchema] = {}


def assert_valid(descriptor: bytes) -> None:
    """Check against DMTF's schema, where it is at hand; vendors' elements are left out."""
    root = etree.fromstring(descriptor)
    version = etree.QName(root).namespace.rpartition("/")[2]
    path = SHARED / "xsd" / SCHEMAS[version]
    if not path.exists():
        return
    schema = _compiled.setdefault(version, etree.XMLSchema(etree.parse(path)))
    for element in list(root.iter("{*}*")):
        if etree.QName(element).namespace in VENDORS:
            element.getparent().remove(element)
        for key in list(element.attrib):
            if etree.QName(key).namespace in VENDORS:
                del element.attrib[key]
    assert schema.validate(root), schema.error_log


@pytest.fixture(params=["base1.ovf", "base2.ovf"])
def base(request, tmp_path) -> Path:
    """A package in a folder, in either version of OVF."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "web.ovf").write_bytes((HERE / request.param).read_bytes())
    (folder / "disk1.vmdk").write_bytes(bytes(1000))
    (folder / "readme.txt").write_bytes(b"read me\n")
    return folder / "web.ovf"
