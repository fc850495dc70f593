"""Where new elements go: as the schema has it, wherever they were before."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from lxml import etree

from kensho.appliances.ovf.elements import local
from kensho.appliances.ovf.sections.parts import VSSD
from kensho.packages.edit.tree import add, namespace, place

sys.path.append(str(Path(__file__).parents[2] / "appliances"))
from ovf_section_samples import SECTIONS, head  # type: ignore[import-not-found]

#: In the samples they are mixed with others, as the schema allows.
MIXED = {"Category", "Property"}


@pytest.mark.parametrize("kind", SECTIONS)
def test_a_child_taken_out_goes_back_to_its_place(kind: str) -> None:
    for version, text in enumerate(SECTIONS[kind], start=1):
        if text is None:
            continue
        for name in {local(e) for e in etree.fromstring(f"{head(version)}{text}</Envelope>")[0]}:
            section = etree.fromstring(f"{head(version)}{text}</Envelope>")[0]
            same = [e for e in section if local(e) == name]
            if name in MIXED or not name or namespace(same[0]) != namespace(section):
                continue
            before = [local(e) for e in section if e not in same[1:]]
            for element in same:
                section.remove(element)
            add(section, name)
            assert [local(e) for e in section] == before


def test_the_type_of_a_system_comes_behind_what_the_schema_has_before_it() -> None:
    system = etree.fromstring(
        f'<System xmlns:v="{VSSD}"><v:InstanceID/><v:Notes/><v:SnapshotDataRoot/></System>'
    )
    place(system, f"{{{VSSD}}}VirtualSystemType")
    assert local(system[-1]) == "VirtualSystemType"
