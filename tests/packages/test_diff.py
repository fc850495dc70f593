"""What differs, by name; what does not matter is no difference."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from pathlib import Path

import pytest
from lxml import etree

from kensho.packages.diff import compare_descriptors
from tests.cli.conftest import kensho  # noqa: F401 - fixture
from tests.images import MIB, manifest, ovf, tar

BASE = (Path(__file__).parent / "edit" / "base1.ovf").read_bytes()


def changed(before: bytes, after: bytes) -> list[tuple[str, str, str]]:
    changes = compare_descriptors(etree.fromstring(before), etree.fromstring(after))
    return [(c.kind, c.subject, c.field) for c in changes]


def test_order_comments_prefixes_and_blanks_are_no_difference():
    root = etree.fromstring(BASE)
    chance = random.Random(1)
    for element in root.iter("{*}VirtualHardwareSection", "{*}References", "{*}Item"):
        parts = list(element)
        chance.shuffle(parts)
        element[:] = parts
    root.append(etree.Comment("more"))
    text = etree.tostring(root).replace(b"rasd:", b"r:").replace(b"xmlns:rasd", b"xmlns:r")
    assert changed(BASE, text) == []
    assert changed(BASE, b" ".join(BASE.split())) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            b"<rasd:VirtualQuantity>1024<",
            b"<rasd:VirtualQuantity>2048<",
            ("changed", "VirtualSystem[web] / VirtualHardwareSection / Item[2]", "VirtualQuantity"),
        ),
        (
            b'ovf:value="80"',
            b'ovf:value="81"',
            ("changed", "VirtualSystem[web] / ProductSection / Property[port]", "@value"),
        ),
        (b'ovf:name="VM Network"', b'ovf:name="lan"', ("removed", "NetworkSection / Network[VM Network]", "")),
        (
            b"acme:speed='high'",
            b"acme:speed='low'",
            ("changed", "VirtualSystem[web] / VirtualHardwareSection / {http://example.org/acme}Fan",
             "@{http://example.org/acme}speed"),
        ),
        (b"You may.", b"You may not.", ("changed", "VirtualSystem[web] / EulaSection", "License")),
        (b'ovf:size="1000"', b'ovf:size="1001"', ("changed", "References / File[disk1.vmdk]", "@size")),
        (b"envelope/1", b"envelope/2", ("changed", "Envelope", "namespace")),
    ],
)  # fmt: skip
def test_one_change_is_one_line(old, new, expected):
    assert changed(BASE, BASE.replace(old, new))[0] == expected


def test_a_tree_equals_itself():
    root = etree.fromstring(BASE)
    assert compare_descriptors(root, deepcopy(root)) == ()


def test_packages(kensho, tmp_path):  # noqa: F811
    text = ovf({"a.img": MIB}).encode()
    one = {"web.ovf": text, "a.img": b"1" * 100, "gone.txt": b""}
    other = {"web.ovf": text, "a.img": b"1" * 99 + b"2", "new.txt": b""}
    a, b = tar(tmp_path / "a.ova", one), tar(tmp_path / "b.ova", other)
    code, out, _ = kensho("diff", a, b, "--json")
    result = json.loads(out)
    assert code == 1
    assert [(c["kind"], c["subject"], c.get("field")) for c in result["changes"]] == [
        ("changed", "file a.img", "sha256"),
        ("removed", "file gone.txt", None),
        ("added", "file new.txt", None),
    ]
    assert kensho("diff", a, a)[:2] == (0, "no difference\n")
    assert kensho("diff", a, b, "--descriptor")[:2] == (0, "")
    signed = {"web.ovf": text, "web.mf": manifest({"web.ovf": text}), "a.img": one["a.img"]}
    c = tar(tmp_path / "c.ova", {**signed, "gone.txt": b""})
    assert kensho("diff", a, c)[:2] == (1, "~ package: manifest 'none' → 'sha256'\n")
    assert kensho("diff", a, tmp_path / "none.ova")[0] == 2
