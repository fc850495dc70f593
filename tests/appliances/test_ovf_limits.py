"""Small files that ask for much work or memory are refused, or read in a moment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.appliances.ovf_samples import (
    CPU,
    DISKS,
    MEMORY,
    REFERENCES,
    envelope,
    hardware,
    item,
    read,
    system,
)

from kensho.appliances.ovf.manifest import read_manifest
from kensho.appliances.vmx.parse import read_dictionary
from kensho.model.errors import LimitError


@contextmanager
def within(seconds: float) -> Iterator[None]:
    start = time.process_time()
    yield
    assert time.process_time() - start < seconds


def test_many_drives_without_a_place() -> None:
    drives = item(9, 17, HostResource="ovf:/disk/vmdisk1", Parent=77) * 3000
    with within(20):
        appliance, findings = read(envelope(system(hardware(CPU + MEMORY + drives))))
    assert len(appliance.machines[0].disks) == 3000
    assert findings


def test_many_files_and_disks() -> None:
    files = "".join(f'<File ovf:id="f{n}" ovf:href="h{n}"/>' for n in range(9000))
    disks = "".join(f'<Disk ovf:diskId="d{n}" ovf:fileRef="f{n}"/>' for n in range(9000))
    with within(20):
        appliance, _ = read(
            envelope(
                references=f"<References>{files}</References>",
                sections=f"<DiskSection>{disks}</DiskSection>",
            )
        )
    assert len(appliance.images) == 9000


@pytest.mark.parametrize(
    "text",
    [
        envelope(system() * 2001),
        envelope(references=REFERENCES + '<File ovf:href="x"/>' * 10_001),
        envelope(sections=DISKS + "<Disk/>" * 10_001),
        envelope(system(hardware(item(1, 3) * 20_001))),
        envelope(after="<x/>" * 500_001),
    ],
    ids=["machines", "files", "disks", "items", "elements"],
)
def test_counts(text: str) -> None:
    with within(20), pytest.raises(LimitError):
        read(text)


def test_unknown_sections_below_long_namespaces() -> None:
    # Each piece kept repeats all namespaces around it.
    more = " ".join(f'xmlns:n{n}="urn:{"x" * 100}{n}"' for n in range(2000))
    with within(20), pytest.raises(LimitError):
        read(envelope(after="<n1:ColourSection/>" * 5000, more=more))


def test_texts_that_are_no_vmx_and_no_manifest() -> None:
    with within(20):
        _, findings = read_dictionary(b"x\n" * 500_000, path="a.vmx")
        assert len(findings) == 100
        _, findings = read_manifest(b"x\n" * 500_000, path="a.mf")
        assert len(findings) == 100
        read_dictionary(b"a = b" + b" " * 2_000_000 + b"c\n", path="a.vmx")
        read_dictionary(b'a = "' + b"x" * 2_000_000, path="a.vmx")
        read_dictionary(b"a" + b" " * 2_000_000 + b"b", path="a.vmx")
        read_manifest(b"SHA1(" + b")" * 2_000_000, path="a.mf")
        read_manifest(b"SHA1(" + b") = " * 500_000, path="a.mf")
