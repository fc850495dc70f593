"""Machines out of a collection, packages into one; nothing lost, nothing of others kept."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from lxml import etree

from kensho.appliances.ovf.read import read_envelope
from kensho.appliances.xmlsafe import parse_xml
from kensho.model.errors import KenshoError, UsageError
from kensho.model.selection import Selection
from kensho.packages.diff import compare_descriptors
from kensho.packages.merge import Merged, merge_packages
from kensho.packages.source import opened_ovf
from kensho.packages.split import Part, split_package
from tests.cli.conftest import kensho  # noqa: F401 - fixture
from tests.images import MIB, ovf, raw_disk, tar
from tests.packages.edit.conftest import SHARED, assert_valid

FILES = (
    "base.vmdk",
    "delta.vmdk",
    "data.vmdk",
    "db.nvram",
    "tools.iso",
    "readme.txt",
    "spare.vmdk",
)


@pytest.fixture
def shop(tmp_path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_bytes(name.encode())
    source = Path(__file__).parent / "collection.ovf"
    (folder / "shop.ovf").write_bytes(source.read_bytes())
    return folder


def parts_of(path: Path, machine: str | None = None) -> dict[str, Part]:
    with opened_ovf(path) as package:
        return {part.machine: part for part in split_package(package, machine)}


def model(descriptor: bytes):
    root, _ = parse_xml(descriptor, path="x.ovf")
    return read_envelope(root, Selection(), path="x.ovf", fallback="x")[0]


def test_glennmatthews_cot_71_a_collection_is_split(shop):
    parts = parts_of(shop)
    assert set(parts) == {"db", "web"}
    assert set(parts["db"].files) == {
        *("base.vmdk", "delta.vmdk", "data.vmdk", "db.nvram", "readme.txt")
    }
    assert set(parts["web"].files) == {"data.vmdk", "tools.iso", "readme.txt"}
    for part in parts.values():
        assert_valid(part.descriptor)
        assert b"<!-- two machines" in part.descriptor
        assert b"VirtualSystemCollection" not in part.descriptor
        assert {f.code for f in part.findings} == {"KF-745", "KF-746"}
    db, web = (model(parts[n].descriptor) for n in ("db", "web"))
    assert [n.name for n in db.networks] == ["back"]
    assert [n.name for n in web.networks] == ["front"]
    assert [e.text for e in web.machines[0].eulas] == ["Pay."]
    keys = [p.key for product in db.machines[0].products for p in product.properties]
    assert keys == ["size", "currency"]


def test_one_machine(shop):
    assert set(parts_of(shop, "web")) == {"web"}
    with pytest.raises(UsageError, match="'wbe'") as raised:
        parts_of(shop, "wbe")
    assert "did you mean 'web'?" in raised.value.hint


def test_a_part_is_the_machine_that_was_there(shop):
    """What is inside the machine is the same, word for word."""
    original = etree.fromstring((shop / "shop.ovf").read_bytes())
    for name, part in parts_of(shop).items():
        own = [
            next(e for e in root.iter("{*}VirtualSystem") if e.values() == [name])
            for root in (original, etree.fromstring(part.descriptor))
        ]
        hardware = [e.find("{*}VirtualHardwareSection") for e in own]
        assert compare_descriptors(*hardware) == ()


def collections() -> list[Path]:
    corpus = SHARED / "corpus"
    return sorted(
        path
        for path in corpus.rglob("*.ovf")
        if b"VirtualSystemCollection" in path.read_bytes() and path.stat().st_size < MIB
    )


def test_every_collection_of_the_corpus_is_split():
    tried = 0
    for path in collections():
        try:
            with opened_ovf(path) as package:
                before = model(package.data)
                parts = list(split_package(package))
        except KenshoError:
            continue  # refused with a reason: not well-formed, no machine
        assert len(parts) == len(before.machines), path
        for part, machine in zip(parts, before.machines, strict=True):
            after = model(part.descriptor)
            assert len(after.machines) == 1
            assert after.machines[0].drives == machine.drives, path
            assert after.machines[0].nics == machine.nics, path
            assert after.machines[0].cpu == machine.cpu, path
            tried += 1
    if SHARED.exists():
        assert tried > 50


@pytest.fixture
def web(tmp_path) -> Path:
    disk = raw_disk(tmp_path / "a.img", size=MIB, pieces=2).read_bytes()
    return tar(tmp_path / "web.ova", {"web.ovf": ovf({"a.img": MIB}).encode(), "a.img": disk})


@contextmanager
def merged(*paths: Path, name: str = "all"):
    with ExitStack() as stack:
        packages = [stack.enter_context(opened_ovf(p)) for p in paths]
        yield merge_packages(packages, name)


def order(result: Merged) -> dict[str, str]:
    return {i.values()[0]: i.values()[1] for i in result.root.iter("{*}Item") if i.values()}


def test_merge_makes_ids_and_files_unique(web):
    with merged(web, web, web) as result:
        assert list(result.payload.files) == ["a.img", "a-2.img", "a-3.img"]
        assert_valid(result.descriptor())
        both = model(result.descriptor())
        assert [m.id for m in both.machines] == ["web01", "web01-2", "web01-3"]
        hrefs = [both.file(both.image(m.drives[0].image).file).href for m in both.machines]
        assert hrefs == ["a.img", "a-2.img", "a-3.img"]
        assert [n.name for n in both.networks] == ["lan"]
        assert order(result) == {"web01": "0", "web01-2": "100", "web01-3": "200"}
        assert {f.code for f in result.findings} == {"KF-747", "KF-748"}


def files_of_machines(path: Path) -> list[bytes]:
    """Return the first bytes of each machine's disk, in the order of the machines."""
    with opened_ovf(path) as package:
        appliance = model(package.data)
        files = [
            appliance.file(appliance.image(m.drives[0].image).file) for m in appliance.machines
        ]
        names = [n for f in files for n in package.files if n.startswith(f.href)]
        return [package.store.open(name).read_at(0, 1) for name in names]


def test_each_machine_keeps_its_disk_when_names_are_taken_already(kensho, tmp_path):  # noqa: F811
    for name in "abc":
        files = {"web.ovf": ovf({"d.img": 512}).encode(), "d.img": name.encode() * 512}
        tar(tmp_path / f"{name}.ova", files)
    a, b, c, bc, abc = (tmp_path / f"{name}.ova" for name in ("a", "b", "c", "bc", "abc"))
    assert kensho("merge", b, c, "-o", bc)[0] == 0
    assert kensho("merge", a, bc, "-o", abc)[0] == 0
    assert files_of_machines(abc) == [b"a", b"b", b"c"]


def test_each_machine_keeps_its_chunks(kensho, tmp_path):  # noqa: F811
    text = ovf({"d.img": 512}).replace('href="d.img"', 'href="d.img" ovf:chunkSize="300"')
    for name in "ab":
        chunks = {"d.img.000000000": name.encode() * 300, "d.img.000000001": name.encode() * 212}
        tar(tmp_path / f"{name}.ova", {"web.ovf": text.encode(), **chunks})
    a, b, ab = (tmp_path / f"{name}.ova" for name in ("a", "b", "ab"))
    assert kensho("merge", a, b, "-o", ab)[0] == 0
    assert files_of_machines(ab) == [b"a", b"a", b"b", b"b"]


def test_merge_collections(shop, web):
    with merged(web, shop) as result:
        assert_valid(result.descriptor())
        assert order(result) == {"web01": "0", "db": "100", "web": "101", "tier": "100"}
        assert [m.id for m in model(result.descriptor()).machines] == ["web01", "db", "web"]
    with merged(shop, web) as result:
        assert_valid(result.descriptor())
        assert order(result)["web01"] == "100"


def test_merge_follows_every_reference(shop, tmp_path):
    with merged(shop, shop) as result:
        after = result.descriptor().decode()
        assert 'vmw:value="ovf:/file/nvram-2"' in after
        assert 'ovf:parentRef="base-2"' in after
        assert "ovf:/disk/data-2" in after
        assert_valid(result.descriptor())


def test_split_undoes_merge(web, shop, tmp_path, monkeypatch, capsysbinary):
    from kensho.cli.exits import run

    monkeypatch.chdir(tmp_path)
    assert run(["merge", str(web), str(shop), "-o", "all.ova"]) == 0
    assert run(["split", "all.ova", "-o", "parts", "--vm", "web01"]) == 0
    capsysbinary.readouterr()
    with opened_ovf(web) as one, opened_ovf("parts/web01.ova") as other:
        changes = compare_descriptors(one.root, other.root)
        # Sizes are made true, and what belongs to no machine goes along with each.
        assert [(c.subject, c.field) for c in changes] == [
            ("References / File[a.img]", "@size"),
            ("References / File[readme.txt]", ""),
        ]
        assert other.files == ("a.img", "readme.txt")
        assert one.store.open("a.img").read_at(0, MIB) == other.store.open("a.img").read_at(0, MIB)


def test_nothing_to_merge(web):
    with pytest.raises(UsageError, match="nothing to merge"), merged(web):
        pass


def test_other_version(web, shop, tmp_path):
    """A package in OVF 2 goes into one in OVF 1, in OVF 1."""
    source = Path(__file__).parent / "edit" / "base2.ovf"
    (tmp_path / "two.ovf").write_bytes(source.read_bytes())
    with merged(web, tmp_path / "two.ovf") as result:
        assert b"envelope/2" not in result.descriptor()
        assert_valid(result.descriptor())
        assert [m.id for m in model(result.descriptor()).machines] == ["web01", "web"]


def test_a_missing_file_does_not_become_another_packages(web, tmp_path):
    """Both refer to a.img; the first package has lost its own."""
    folder = tmp_path / "lost"
    folder.mkdir()
    (folder / "lost.ovf").write_text(ovf({"a.img": MIB}, machine="lost"))
    for paths, expected in (((folder, web), "a-2.img"), ((web, folder), "a.img")):
        with merged(*paths) as result:
            assert list(result.payload.files) == [expected]
            hrefs = [f.get(f.keys()[1]) for f in result.root.iter("{*}File")]
            assert hrefs == ["a.img", "a-2.img"]


def test_collections_inside_collections_keep_apart(shop):
    with merged(shop, shop) as result:
        ids = [e.values()[0] for e in result.root.iter("{*}VirtualSystemCollection")]
        ids += [e.values()[0] for e in result.root.iter("{*}VirtualSystem")]
        assert sorted(ids) == ["db", "db-2", "shop", "tier", "tier-2", "web", "web-2"]


def test_texts_of_one_name_keep_apart(tmp_path):
    for name, words in (("a", "One"), ("b", "Two")):
        text = ovf({}, machine=name).replace("<Info>vm</Info>", '<Info ovf:msgid="i">vm</Info>')
        strings = f'<Strings xml:lang="de"><Msg ovf:msgid="i">{words}</Msg></Strings></Envelope>'
        (tmp_path / f"{name}.ovf").write_text(text.replace("</Envelope>", strings))
    with merged(tmp_path / "a.ovf", tmp_path / "b.ovf") as result:
        assert_valid(result.descriptor())
        said = {m.get(m.keys()[0]): m.text for m in result.root.iter("{*}Msg")}
        assert said == {"i": "One", "i-2": "Two"}
        infos = [i.get(i.keys()[0]) for i in result.root.iter("{*}Info") if i.attrib]
        assert infos == ["i", "i-2"]
