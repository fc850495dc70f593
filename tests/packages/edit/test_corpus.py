"""Every descriptor of the corpus edited: no traceback, valid stays valid, unknown XML stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree
from tests.packages.edit.conftest import SHARED

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.xmlsafe import parse_xml
from kensho.model.errors import KenshoError
from kensho.packages.edit.apply import change
from kensho.packages.edit.edits import Edits
from kensho.packages.edit.payload import Payload
from kensho.packages.edit.scope import machines
from kensho.packages.edit.textual import merged
from kensho.packages.rewrite import serialise_descriptor

CORPUS = SHARED / "corpus"
EDITS = Edits(
    set={
        "cpus": 4,
        "memory": "8GiB",
        "firmware": "efi",
        "annotation": "edited",
        "product.version": "9",
        "nic-types": "VmxNet3",
    },
    nic=("add,network=edited,mac=00:50:56:00:00:01",),
    property=("edited.key=value",),
    add_disk=("size=1GiB",),
)


def schemas() -> dict[str, etree.XMLSchema]:
    return {
        version: etree.XMLSchema(etree.parse(SHARED / "xsd" / path))
        for version, path in (
            ("1", "ovf1/dsp8023_1.1.1.xsd"),
            ("2", "ovf2/dsp8023_2.0.1.xsd"),
        )
    }


def is_valid(data: bytes, known: dict[str, etree.XMLSchema]) -> bool:
    try:
        root = etree.fromstring(data)
    except etree.XMLSyntaxError:
        return False
    schema = known.get((etree.QName(root).namespace or "").rpartition("/")[2])
    if schema is None:
        return False
    for element in list(root.iter("{*}*")):
        parent = element.getparent()
        if parent is not None and "dmtf" not in (etree.QName(element).namespace or ""):
            parent.remove(element)
    return bool(schema.validate(root))


def canonical(root: etree._Element) -> bytes:
    try:
        return etree.tostring(root, method="c14n")
    except etree.C14NError:  # a namespace that is no URI
        return etree.tostring(root)


@pytest.mark.skipif(not CORPUS.exists(), reason="needs the corpus")
def test_corpus():
    known = schemas()
    edited = refused = valid = 0
    for path in sorted(CORPUS.rglob("*.ovf")):
        if path.stat().st_size > 300_000:
            continue
        data = path.read_bytes()
        try:
            root, _ = parse_xml(data, path=path)
        except KenshoError:
            continue
        found = machines(root)
        before = serialise_descriptor(root)
        edits = EDITS
        if len(found) > 1:
            ident = next((v for k, v in found[0].attrib.items() if str(k).endswith("id")), "")
            edits = Edits(
                **{**{n: getattr(EDITS, n) for n in EDITS.__struct_fields__}, "vm": ident}
            )
        try:
            change(root, Payload(), edits, Notes(str(path)), Path())
        except KenshoError:  # no machine, no hardware, a namespace that is no URI
            refused += 1
            continue
        after = merged(data, before, serialise_descriptor(root))
        reread, _ = parse_xml(after, path=path)
        assert canonical(reread) == canonical(root), path
        edited += 1
        if is_valid(data, known):
            valid += 1
            assert is_valid(after, known), path
    assert edited > 500
    assert refused < 60
    assert valid > 200
