"""The whole-envelope model: read → write → read gives the same model and the same unknown XML."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree
from ovf_samples import envelope as sample
from ovf_section_samples import whole

from kensho.appliances.ovf.elements import Notes, local
from kensho.appliances.ovf.envelope import (
    Envelope,
    read_envelope_model,
    version_of,
    write_envelope,
)
from kensho.appliances.ovf.sections.parts import OVF_NAMESPACES, Version
from kensho.appliances.xmlsafe import parse_xml
from kensho.model.errors import CorruptError, LimitError, UnsupportedError

sys.path.insert(0, str(Path(__file__).parents[1]))
from corpus_report import corpus_folder  # type: ignore[import-not-found]


def again(model: Envelope, version: Version) -> Envelope:
    """Write a model, and read what was written as a stranger would."""
    written = write_envelope(model, version)
    data = etree.tostring(written.getroottree(), xml_declaration=True, encoding="UTF-8")
    root, findings = parse_xml(data, path="written")
    assert not findings
    assert version_of(root) == version
    return read_envelope_model(root)


@pytest.mark.parametrize("version", [1, 2])
def test_a_document_with_everything(version: Version) -> None:
    root, _ = parse_xml(whole(version), path="x")
    notes = Notes("x")
    model = read_envelope_model(root, notes)
    assert again(model, version) == model
    assert not notes.findings
    assert (model.before, model.after) == (("<!-- before -->",), ("<!-- after -->",))
    assert [type(s).__name__ for s in model.sections][:2] == [
        "DiskSection",
        "SharedDiskSection" if version == 2 else "NetworkSection",
    ]
    assert [local(etree.fromstring(u.xml)) for u in model.unknown] == ["StorageSection"]
    assert model.unknown[0].after == "NetworkSection[1]"


def test_unknown_sections_stay_where_they_were() -> None:
    root, _ = parse_xml(whole(1), path="x")
    written = write_envelope(read_envelope_model(root), 1)
    assert [local(e) for e in written] == [local(e) for e in root]


def test_ovf_0_9_becomes_ovf_1() -> None:
    text = (
        '<ovf:Envelope xmlns:ovf="http://www.vmware.com/schema/ovf/1/envelope" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><References/>'
        '<Section xsi:type="ovf:NetworkSection_Type"><Info>n</Info>'
        '<Network ovf:name="lan"/></Section>'
        '<Content xsi:type="ovf:VirtualSystem_Type" ovf:id="vm"><Info/>'
        '<Section xsi:type="ovf:EulaSection_Type"><Info/><License>l</License></Section>'
        "</Content></ovf:Envelope>"
    )
    root, _ = parse_xml(text.encode(), path="x")
    notes = Notes("x")
    written = write_envelope(read_envelope_model(root, notes), 1)
    assert {e.tag.partition("}")[0][1:] for e in written.iter()} == {OVF_NAMESPACES[1]}
    assert [local(e) for e in written] == ["References", "NetworkSection", "VirtualSystem"]
    assert written[2].get(f"{{{OVF_NAMESPACES[1]}}}id") == "vm"
    assert {f.code for f in notes.findings} == {"KF-723"}


def test_what_is_no_envelope_is_refused() -> None:
    with pytest.raises(UnsupportedError):
        read_envelope_model(etree.fromstring("<Domain/>"))


def test_collections_nested_without_end_are_refused() -> None:
    deep = '<VirtualSystemCollection ovf:id="c"><Info/>' * 80
    deep += "</VirtualSystemCollection>" * 80
    root, _ = parse_xml(sample(deep).encode(), path="x")
    with pytest.raises(LimitError):
        read_envelope_model(root)


def corpus() -> Iterator[Path]:
    """Yield every descriptor of the corpus."""
    folder = Path(corpus_folder())
    if not (folder / "MANIFEST.csv").exists():
        pytest.skip("no corpus beside the repository (KENSHO_CORPUS)")
    with (folder / "MANIFEST.csv").open(newline="") as table:
        for row in csv.DictReader(table):
            if row["kind"] == "ovf":
                yield folder / row["path"]


def test_every_readable_descriptor_of_the_corpus() -> None:
    count = 0
    for path in corpus():
        try:
            root, _ = parse_xml(path.read_bytes(), path=path)
            model = read_envelope_model(root)
        except (CorruptError, UnsupportedError):
            continue
        assert again(model, version_of(root) or 1) == model, path
        count += 1
    assert count >= 640
