"""What a package leaves to choose: configuration, hardware, ranges, language, properties."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.appliances.ovf_samples import (
    BASE,
    CPU,
    DISKS,
    MEMORY,
    codes,
    envelope,
    hardware,
    item,
    package_folder,
    read,
    system,
)

from kensho.appliances import open_package
from kensho.model.errors import UsageError
from kensho.model.machine import HardwareSection, Range
from kensho.model.selection import Selection
from kensho.model.units import GIB, MIB

OPTIONS = (
    "<DeploymentOptionSection><Info/>"
    '<Configuration ovf:id="small"><Label>Small</Label></Configuration>'
    '<Configuration ovf:id="large" ovf:default="true"><Label ovf:msgid="l">Large</Label>'
    "<Description>For many</Description></Configuration></DeploymentOptionSection>"
)
SIZES = (
    "<ProductSection><Info/>"
    '<Property ovf:key="size" ovf:type="uint32" ovf:value="10" ovf:userConfigurable="true">'
    '<Value ovf:value="5" ovf:configuration="small"/></Property></ProductSection>'
)
BY_PROPERTY = DISKS.replace('ovf:capacity="8"', 'ovf:capacity="${size}"')


# --- configurations -----------------------------------------------------------------------------


def configured() -> str:
    memory = item(
        2, 4, VirtualQuantity=512, AllocationUnits="byte * 2^20", more='ovf:configuration="small"'
    )
    return envelope(SIZES + system(hardware(BASE + memory)), sections=OPTIONS + BY_PROPERTY)


@pytest.mark.parametrize(
    ("wanted", "memory", "capacity"),
    [(None, 2048, 10), ("large", 2048, 10), ("small", 512, 5)],
)
def test_terraform_provider_vsphere_1305_a_configuration_is_chosen(
    wanted: str | None, memory: int, capacity: int
) -> None:
    appliance, findings = read(configured(), Selection(configuration=wanted))
    assert appliance.configuration == (wanted or "large")
    assert [(c.id, c.label, c.description, c.default) for c in appliance.configurations] == [
        ("small", "Small", "", False),
        ("large", "Large", "For many", True),
    ]
    assert appliance.machines[0].memory.size == memory * MIB
    assert appliance.images[0].capacity == capacity * GIB
    assert ("KF-118" in codes(findings)) is (wanted is None)


def test_a_configuration_that_is_not_there() -> None:
    with pytest.raises(UsageError) as caught:
        read(configured(), Selection(configuration="huge"))
    assert caught.value.hint == "configurations: small, large"
    with pytest.raises(UsageError, match="no configuration 'x'"):
        read(envelope(), Selection(configuration="x"))


# --- properties ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "given"), [("size", "33"), ("com.example.size.1", "33"), ("other", None)]
)
def test_terraform_provider_vsphere_1708_1987_a_disk_is_as_large_as_the_property_says(
    key: str, given: str | None
) -> None:
    product = SIZES.replace(
        "<ProductSection>", '<ProductSection ovf:class="com.example" ovf:instance="1">'
    )
    text = envelope(system(product + hardware()), sections=OPTIONS + BY_PROPERTY)
    appliance, findings = read(text, Selection(properties=((key, given or "x"),)))
    assert appliance.images[0].capacity == (33 if given else 10) * GIB
    (finding,) = [f for f in findings if f.code == "KF-123"]
    assert "is taken" in finding.action


def test_memory_by_property_and_values_that_are_no_number() -> None:
    memory = item(2, 4, VirtualQuantity="${size}", AllocationUnits="byte * 2^30")
    text = envelope(system(SIZES + hardware(CPU + memory)), sections=BY_PROPERTY)
    appliance, _ = read(text, Selection(properties=(("size", "3"),)))
    assert appliance.machines[0].memory.size == 3 * GIB
    appliance, findings = read(text, Selection(properties=(("size", "much"),)))
    assert appliance.images[0].capacity is None
    assert {"KF-112", "KF-124"} <= codes(findings)


# --- hardware sections --------------------------------------------------------------------------

XEN = hardware(CPU + MEMORY, system="xen-3.0-x64", more='ovf:id="for-xen"')
VMX = hardware(system="vmx-07 vmx-10")
BOTH = system(VMX + XEN)


@pytest.mark.parametrize(
    ("selection", "types", "nics"),
    [
        (Selection(), ("vmx-07", "vmx-10"), 1),
        (Selection(hardware="for-xen"), ("xen-3.0-x64",), 0),
        (Selection(hardware="XEN-3.0-x64"), ("xen-3.0-x64",), 0),
        (Selection(hardware="vmx-10"), ("vmx-07", "vmx-10"), 1),
        (Selection(families=("hvm", "xen")), ("xen-3.0-x64",), 0),
        (Selection(families=("kvm", "qemu")), ("vmx-07", "vmx-10"), 1),
        (Selection(hardware="vmx-07", families=("xen",)), ("vmx-07", "vmx-10"), 1),
    ],
)
def test_hardware_by_id_by_type_and_by_what_the_target_likes(
    selection: Selection, types: tuple[str, ...], nics: int
) -> None:
    appliance, findings = read(envelope(BOTH), selection)
    (machine,) = appliance.machines
    assert (machine.hardware_versions, len(machine.nics)) == (types, nics)
    assert machine.hardware_sections == (
        HardwareSection("", ("vmx-07", "vmx-10"), "", chosen=nics == 1),
        HardwareSection("for-xen", ("xen-3.0-x64",), "", chosen=nics == 0),
    )
    (finding,) = [f for f in findings if f.code == "KF-120"]
    chosen = selection.hardware or (selection.families and nics == 0)
    assert finding.severity == ("note" if chosen else "warning")


def test_one_hardware_section_is_no_choice() -> None:
    appliance, findings = read(envelope(), Selection(hardware="vmx-13", families=("xen",)))
    assert appliance.machines[0].hardware_sections == ()
    assert codes(findings) == set()
    with pytest.raises(UsageError) as caught:
        read(envelope(BOTH), Selection(hardware="vmx-99"))
    assert "for-xen" in caught.value.hint


# --- ranges -------------------------------------------------------------------------------------


def bound(which: str, quantity: int, **more: object) -> str:
    return item(2, 4, VirtualQuantity=quantity, more=f'ovf:bound="{which}"', **more)


@pytest.mark.parametrize(
    ("items", "expected", "finding"),
    [
        (bound("min", 1024) + bound("max", 4096), [("VirtualQuantity", 1024, 4096)], None),
        (bound("max", 4096), [("VirtualQuantity", None, 4096)], None),
        (bound("min", 4096), [("VirtualQuantity", 4096, None)], "KF-135"),
        (bound("max", 1024), [("VirtualQuantity", None, 1024)], "KF-135"),
        (
            bound("min", 1024, Reservation=512),
            [("VirtualQuantity", 1024, None), ("Reservation", 512, None)],
            None,
        ),
    ],
)
def test_ranges(
    items: str, expected: list[tuple[str, int | None, int | None]], finding: str | None
) -> None:
    appliance, findings = read(envelope(system(hardware(BASE + items))))
    (machine,) = appliance.machines
    assert machine.memory.size == 2048 * MIB
    assert list(machine.ranges) == [
        Range("2", setting, low, high, "byte * 2^20") for setting, low, high in expected
    ]
    assert codes(findings) == ({finding} if finding else set())
    assert sum("bound" in e.text for e in machine.extras) == items.count("<Item")


def test_a_range_without_a_normal_value() -> None:
    low = item(2, 4, VirtualQuantity=256, AllocationUnits="byte * 2^20", more='ovf:bound="min"')
    text = envelope(system(hardware(CPU + bound("max", 4096) + low)))
    appliance, findings = read(text)
    assert appliance.machines[0].memory.size == 256 * MIB
    assert codes(findings) == {"KF-136", "KF-126"}


def test_a_range_of_another_configuration() -> None:
    other = item(2, 4, VirtualQuantity=9, more='ovf:bound="max" ovf:configuration="small"')
    appliance, findings = read(envelope(system(hardware(BASE + other)), sections=OPTIONS + DISKS))
    assert appliance.machines[0].ranges == ()
    assert codes(findings) == {"KF-118", "KF-117"}


# --- languages ----------------------------------------------------------------------------------

NOTE = (
    '<AnnotationSection><Info/><Annotation ovf:msgid="a">in place</Annotation></AnnotationSection>'
    '<EulaSection><Info/><License ovf:msgid="e"/></EulaSection>'
)


def strings(language: str, more: str = "", **messages: str) -> str:
    inner = "".join(f'<Msg ovf:msgid="{k}">{v}</Msg>' for k, v in messages.items())
    return f'<Strings xml:lang="{language}" {more}>{inner}</Strings>'


BUNDLES = (
    strings("de-DE", a="Notiz", e="Lizenz")
    + strings("de", a="Deutsch")
    + strings("en-US", e="licence")
    + strings("fr_CA", a="Note")
)


@pytest.mark.parametrize(
    ("locale", "annotation", "licence"),
    [
        (None, "in place", "licence"),
        ("en-US", "in place", "licence"),
        ("en-GB", "in place", "licence"),
        ("de-DE", "Notiz", "Lizenz"),
        ("de_de", "Notiz", "Lizenz"),
        ("de-AT", "Deutsch", "Lizenz"),
        ("de", "Deutsch", "Lizenz"),
        ("fr-FR", "Note", "licence"),
        ("ja", "in place", "licence"),
    ],
)
def test_the_chain_of_languages(locale: str | None, annotation: str, licence: str) -> None:
    text = envelope(system(NOTE + hardware()), after=BUNDLES)
    appliance, findings = read(text, Selection(locale=locale))
    (machine,) = appliance.machines
    assert (machine.annotation, machine.eulas[0].text) == (annotation, licence)
    assert appliance.languages == ("en-US", "de-DE", "de", "fr-CA")
    assert ("KF-137" in codes(findings)) is (locale == "ja")


def test_a_foreign_bundle_does_not_beat_the_text_in_place() -> None:
    text = envelope(system(NOTE + hardware()), after=strings("de-DE", a="Notiz", e="Lizenz"))
    (machine,) = read(text)[0].machines
    assert (machine.annotation, machine.eulas[0].text) == ("in place", "Lizenz")


def test_bundles_in_files_of_the_package(tmp_path: Path) -> None:
    references = (
        '<References><File ovf:id="file1" ovf:href="disk1.vmdk"/>'
        '<File ovf:id="de" ovf:href="texts%20de.msgs"/><File ovf:id="l" ovf:href="lic.txt"/>'
        '<File ovf:id="fr" ovf:href="gone.msgs"/></References>'
    )
    after = strings("de", 'ovf:fileRef="de"', a="überschrieben") + strings("fr", 'ovf:fileRef="fr"')
    text = envelope(system(NOTE + hardware()), references=references, after=after)
    bundle = (
        '<?xml version="1.0"?><Strings xmlns="http://schemas.dmtf.org/ovf/envelope/1" '
        'xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xml:lang="de">'
        '<Msg ovf:msgid="a">aus der Datei</Msg><Msg ovf:msgid="e" ovf:fileRef="l"/></Strings>'
    )
    files = {"texts de.msgs": bundle.encode(), "lic.txt": b"Lange Lizenz\n", "disk1.vmdk": b"KDMV"}
    path = package_folder(tmp_path, text, files)
    package = open_package(path, Selection(locale="de-CH"))
    (machine,) = package.appliance.machines
    # DSP0243 10.2: of two messages of one language the latter counts.
    assert (machine.annotation, machine.eulas[0].text) == ("überschrieben", "Lange Lizenz")
    assert [f.code for f in package.findings] == ["KF-201"]
    package.close()
    package = open_package(path, Selection(locale="fr"))
    assert package.appliance.machines[0].annotation == "in place"
    assert {"KF-128", "KF-201"} == codes(package.findings)
    package.close()


@pytest.mark.parametrize("data", [b"", b"<Strings", b"<Other/>", b"<!DOCTYPE a><Strings/>"])
def test_bundles_that_are_none(tmp_path: Path, data: bytes) -> None:
    references = '<References><File ovf:id="b" ovf:href="b"/></References>'
    text = envelope(
        system(NOTE), references=references, sections="", after=strings("en", 'ovf:fileRef="b"')
    )
    package = open_package(package_folder(tmp_path, text, {"b": data}))
    assert package.appliance.machines[0].annotation == "in place"
    assert ("KF-128" in codes(package.findings)) is (data != b"")
    package.close()


def test_names_of_devices_in_a_language() -> None:
    named = BASE.replace(
        "<rasd:InstanceID>5<", '<rasd:ElementName ovf:msgid="n">Net</rasd:ElementName>'
        "<rasd:InstanceID>5<"
    )  # fmt: skip
    text = envelope(system(hardware(named)), after=strings("de", n="Netz"))
    for locale, name in ((None, "Net"), ("de", "Netz")):
        (machine,) = read(text, Selection(locale=locale))[0].machines
        assert machine.nics[0].name == name
