"""Whatever is done to a descriptor, reading it ends with a package or a KenshoError."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.appliances.ovf_samples import envelope, hardware, system
from tests.appliances.test_ovf_choices import BOTH, BUNDLES, configured
from tests.appliances.test_ovf_dialects import OVIRT, VBOX_MACHINE, XEN
from tests.appliances.test_ovf_read import CONFIGURATIONS, PRODUCT, STRINGS
from tests.appliances.test_vmx_read import FULL

from kensho.appliances.ovf.read import read_envelope
from kensho.appliances.vmx.parse import read_dictionary
from kensho.appliances.vmx.read import read_vmx
from kensho.appliances.xmlsafe import parse_xml
from kensho.model.appliance import Appliance
from kensho.model.errors import KenshoError
from kensho.model.selection import Selection

SAMPLES = (
    envelope(system(PRODUCT + hardware() + VBOX_MACHINE), sections=CONFIGURATIONS, after=STRINGS),
    envelope(),
    XEN,
    OVIRT,
    configured(),
    envelope(BOTH, after=BUNDLES),
)
SELECTIONS = (
    Selection(),
    Selection(configuration="small", locale="de-AT", properties=(("size", "x"),)),
    Selection(families=("xen",), hardware="vmx-10"),
)
WORDS = (
    *("", "-1", "0", "99999999999999999999999", "1e9", "../x", "ovf:/disk/", "${x}", "\u0660"),
    *("true", "nan", "byte * 2^99", "a b,c", "ovf:/file/file1", "\ufffd", "%00", "&#0;", "<x/>"),
)


def read(data: bytes) -> None:
    for selection in SELECTIONS:
        try:
            root, _ = parse_xml(data, path="x")
            appliance, findings = read_envelope(root, selection, path="x", fallback="x")
        except KenshoError:
            continue
        check(appliance)
        msgspec.json.encode(findings)


def check(appliance: Appliance) -> None:
    """Assert what all later steps rely on."""
    assert msgspec.json.decode(msgspec.json.encode(appliance), type=Appliance) == appliance
    assert len({m.id for m in appliance.machines}) == len(appliance.machines)
    for machine in appliance.machines:
        assert machine.cpu.count >= 1
        assert machine.memory.size >= 1
        places = [(d.controller, d.unit) for d in (*machine.disks, *machine.cdroms)]
        assert len(set(places)) == len(places)
        for drive in (*machine.disks, *machine.cdroms):
            assert machine.controller(drive.controller) is not None
        for disk in machine.disks:
            assert appliance.image(disk.image) is not None


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_values(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SAMPLES))
    for _ in range(data.draw(st.integers(1, 6))):
        starts = [n for n, char in enumerate(text) if char in '>"']
        start = data.draw(st.sampled_from(starts)) + 1
        ends = [at for at in (text.find("<", start), text.find('"', start)) if at >= 0]
        if ends:
            text = text[:start] + data.draw(st.sampled_from(WORDS)) + text[min(ends) :]
    read(text.encode())


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_moved_and_missing_pieces(data: st.DataObject) -> None:
    pieces = data.draw(st.sampled_from(SAMPLES)).replace("><", ">\n<").split("\n")
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(pieces) - 1))
        match data.draw(st.integers(0, 2)):
            case 0:
                pieces.insert(data.draw(st.integers(0, len(pieces))), pieces[at])
            case 1 if len(pieces) > 1:
                del pieces[at]
            case _:
                pieces[at] = pieces[at].replace("1", data.draw(st.sampled_from("0123456789x")))
    read("\n".join(pieces).encode())


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_changed_bytes(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from(SAMPLES)).encode())
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    read(bytes(raw))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_changed_vmx(data: st.DataObject) -> None:
    lines = FULL.split("\n")
    for _ in range(data.draw(st.integers(1, 10))):
        at = data.draw(st.integers(0, len(lines) - 1))
        key = lines[at].partition(" = ")[0]
        lines[at] = f'{key} = "{data.draw(st.sampled_from(WORDS))}"'
    try:
        dictionary, _ = read_dictionary("\n".join(lines).encode(), path="x")
        appliance, _ = read_vmx(
            dictionary, path="x", fallback="x", locate=lambda name: (name, False)
        )
    except KenshoError:
        return
    check(appliance)
