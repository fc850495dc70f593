"""Whatever is done to a descriptor, the tools end with a result or a KenshoError."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.store import Store
from kensho.appliances.xmlsafe import parse_xml
from kensho.model.errors import KenshoError
from kensho.packages.diff import compare_packages
from kensho.packages.edit.apply import apply_edits, change
from kensho.packages.edit.edits import Edits
from kensho.packages.edit.payload import Payload
from kensho.packages.merge import merge_packages
from kensho.packages.source import OvfPackage
from kensho.packages.split import split_package
from tests.appliances.test_ovf_mutations import SAMPLES, WORDS

HERE = Path(__file__).parent
MORE = tuple(
    (HERE / name).read_text(encoding="utf-8")
    for name in ("collection.ovf", "edit/base1.ovf", "edit/base2.ovf")
)
EDITS = (
    Edits(set={"cpus": 4, "cores-per-socket": 2, "memory": "8GiB", "firmware": "efi"}),
    Edits(set={"nics": 3, "nic-types": "e1000", "nic-names": "eth{0}", "nic-networks": "n{1}"}),
    Edits(set={"product.version": "1", "annotation": "x", "id": "other", "name": "n"}),
    Edits(add_disk=("size=1GiB",), add_controller=("nvme",), nic=("1,remove",)),
    Edits(property=("a=b",), set={"property.a.category": "c", "user-configurable": "true"}),
    Edits(add_configuration=("z",), configuration=("z",), set={"cpus": 2, "nics": 0}),
    Edits(remove_configuration=("big",), network=("*=all",), prune_networks=True),
    Edits(remove_disk=("vmdisk1",), remove_eulas=True),
    Edits(remove_file=("file1",), set={"serial-ports": 2, "scsi-subtypes": "VirtualSCSI"}),
    Edits(ovf_version=2, set={"cpus": 2}),
    Edits(ovf_version=1),
)


def package(text: str) -> OvfPackage:
    data = text.encode("utf-8", errors="replace")
    root, findings = parse_xml(data, path="x")
    store = Store("x", lambda name: None, lambda name: 1 / 0, lambda: None, ())
    return OvfPackage("ovf", "x", "x.ovf", data, root, store, (), None, None, findings)


def mutated(data: st.DataObject) -> str:
    text = data.draw(st.sampled_from((*SAMPLES, *MORE)))
    for _ in range(data.draw(st.integers(0, 5))):
        starts = [n for n, char in enumerate(text) if char in '>"']
        start = data.draw(st.sampled_from(starts)) + 1
        ends = [at for at in (text.find("<", start), text.find('"', start)) if at >= 0]
        if ends:
            text = text[:start] + data.draw(st.sampled_from(WORDS)) + text[min(ends) :]
    return text


def reread(data: bytes) -> None:
    assert parse_xml(data, path="x")[0] is not None


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_edits(data: st.DataObject) -> None:
    with suppress(KenshoError):
        edited = apply_edits(package(mutated(data)), data.draw(st.sampled_from(EDITS)))
        reread(edited.after)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_split_merge_diff(data: st.DataObject) -> None:
    text = mutated(data)
    with suppress(KenshoError):
        for part in split_package(package(text)):
            reread(part.descriptor)
    with suppress(KenshoError):
        merged = merge_packages([package(text), package(mutated(data))], "all")
        reread(merged.descriptor())
    with suppress(KenshoError):
        assert compare_packages(package(text), package(text)) == ()


def test_many_siblings_take_no_time() -> None:
    """Quadratic work would take minutes here."""
    many = "".join(f'<Network ovf:name="n{n}"/>' for n in range(20_000))
    odd = "<Same x='1'/>" * 20_000
    text = MORE[1].replace("<Info>The networks</Info>", f"<Info>The networks</Info>{many}{odd}")
    one = package(text)
    assert compare_packages(one, package(text)) == ()
    change(one.root, Payload(), Edits(prune_networks=True), Notes("x"))
    assert len(etree.tostring(one.root)) < len(text)
