"""What a conversion starts from: disks over their parents, packages on servers."""

from __future__ import annotations

import gzip
import importlib
import random
from pathlib import Path
from types import SimpleNamespace

import pytest

from kensho.appliances import open_package
from kensho.convert.plan import Request, make_plan
from kensho.convert.run import run_plan
from kensho.convert.source import identify, opened_image
from kensho.disks import create_disk, open_disk
from kensho.disks.compare import compare
from kensho.disks.copy import copy_disk
from kensho.model.errors import CorruptError
from kensho.model.extent import Extent, Kind
from kensho.storage import FileSink, FileSource
from tests.images import MIB, ovf, raw_disk, tar
from tests.storage.web import serving

SIZE = 2 * MIB
GRAIN = 65536


def delta(path: Path, blocks: dict[int, bytes]) -> None:
    """Write a VMDK that holds only some grains; the others are nobody's."""

    def extents(start: int = 0, end: int | None = None) -> list[Extent]:
        ends = SIZE if end is None else end
        kinds = (
            (at, Kind.DATA if at // GRAIN in blocks else Kind.HOLE) for at in range(0, SIZE, GRAIN)
        )
        return [Extent(at, GRAIN, kind) for at, kind in kinds if start <= at < ends]

    def read_into(offset: int, buffer: memoryview) -> None:
        for at in range(offset, offset + len(buffer), GRAIN):
            buffer[at - offset : at - offset + GRAIN] = blocks.get(at // GRAIN, bytes(GRAIN))

    disk = SimpleNamespace(
        virtual_size=SIZE, extents=extents, read_into=read_into, sources=(), parent=None,
        format="x", subformat="", warnings=(), details={}, close=lambda: None,
    )  # fmt: skip
    with FileSink(path) as sink:
        copy_disk(disk, create_disk("vmdk", "streamOptimized", sink, SIZE))


def chained(folder: Path) -> tuple[Path, bytes]:
    """Write a base and two deltas (parentRef); return the descriptor and what the top holds."""
    noise = random.Random(7)
    base = {n: noise.randbytes(GRAIN) for n in range(20)}
    middle = {n: noise.randbytes(GRAIN) for n in (3, 25)}
    top = {n: noise.randbytes(GRAIN) for n in (3, 4, 31)}
    for name, blocks in (("a", base), ("b", middle), ("c", top)):
        delta(folder / f"{name}.vmdk", blocks)
    text = ovf({"c.vmdk": SIZE})
    more = '<File ovf:id="fa" ovf:href="a.vmdk"/><File ovf:id="fb" ovf:href="b.vmdk"/></References>'
    first = text.index("<Disk ")
    below = (
        f'<Disk ovf:diskId="da" ovf:fileRef="fa" ovf:capacity="{SIZE}"/>'
        f'<Disk ovf:diskId="db" ovf:fileRef="fb" ovf:capacity="{SIZE}" ovf:parentRef="da"/>'
    )
    text = text[:first] + below + text[first:].replace("<Disk ", '<Disk ovf:parentRef="db" ', 1)
    path = folder / "a.ovf"
    path.write_text(text.replace("</References>", more))
    content = {**base, **middle, **top}
    return path, b"".join(content.get(n, bytes(GRAIN)) for n in range(SIZE // GRAIN))


def test_a_delta_is_read_over_the_disks_below(tmp_path: Path) -> None:
    path, content = chained(tmp_path)
    package = open_package(path)
    assert [f.code for f in package.findings] == ["KF-133", "KF-133"]
    image = package.appliance.machines[0].disks[0].image
    with opened_image(package, image) as disk:
        data = bytearray(SIZE)
        disk.read_into(0, data)
        assert bytes(data) == content
    package.close()
    plan = make_plan(Request(str(path), "kvm"))
    run_plan(plan, tmp_path / "out")
    assert (tmp_path / "out" / plan.disks[0].filename).exists()


def test_deltas_in_a_circle_or_on_nothing(tmp_path: Path) -> None:
    path, _ = chained(tmp_path)
    text = path.read_text()
    for parent, words in (("db", "based on itself"), ("zz", "not described")):
        path.write_text(text.replace('ovf:parentRef="da"', f'ovf:parentRef="{parent}"'))
        package = open_package(path)
        assert "KF-134" in {f.code for f in package.findings}
        image = package.appliance.machines[0].disks[0].image
        with pytest.raises(CorruptError, match=words), opened_image(package, image):
            pass
        package.close()
        assert make_plan(Request(str(path), "kvm")).blocked


def test_a_package_on_a_server_is_converted_in_place(tmp_path: Path) -> None:
    disk = raw_disk(tmp_path / "a.img", size=SIZE).read_bytes()
    files = {"/p/web.ovf": ovf({"a.img": SIZE}).encode(), "/p/a.img": disk}
    with serving(files) as web:
        plan = make_plan(Request(f"{web.url}/p/web.ovf", "kvm"))
        assert [i.path for i in plan.identity] == [f"{web.url}/p/web.ovf"]
        assert identify(f"{web.url}/p/web.ovf").stamp == '"one"'
        run_plan(plan, tmp_path / "out")
        web.etag = '"two"'
        with pytest.raises(CorruptError, match="changed"):
            run_plan(plan, tmp_path / "other")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.img", "out"]


def test_hardware_that_the_target_likes(tmp_path: Path) -> None:
    raw_disk(tmp_path / "a.img", size=SIZE)
    text = ovf({"a.img": SIZE})
    start = text.index("<VirtualHardwareSection")
    end = text.index("</VirtualHardwareSection>") + len("</VirtualHardwareSection>")
    typed = "</Info><System><VirtualSystemType>vmx-10</VirtualSystemType></System>"
    ours = text[start:end].replace("</Info>", typed, 1)
    other = ours.replace("vmx-", "hvm-")
    path = tmp_path / "a.ovf"
    path.write_text(text[:start] + ours + other + text[end:])
    for target, first in (("vmware", "vmx-"), ("xenserver", "hvm-"), ("kvm", "vmx-")):
        plan = make_plan(Request(str(path), target))
        assert plan.before.machines[0].hardware_versions[0].startswith(first)
        assert plan.request.selection.families


def test_secrets_in_a_url_are_not_shown(tmp_path: Path) -> None:
    files = {"/p/web.ovf": ovf({"a.img": SIZE}).encode(), "/p/a.img": bytes(SIZE)}
    with serving(files) as web:
        url = web.url.replace("://", "://me:secret@")
        package = open_package(f"{url}/p/web.ovf?signature=hidden")
        assert package.path == f"{web.url}/p/web.ovf"
        package.close()


def test_an_archive_on_a_server_and_a_packed_disk(tmp_path: Path) -> None:
    disk = raw_disk(tmp_path / "a.img", size=SIZE).read_bytes()
    text = ovf({"a.img": SIZE}).replace(
        'ovf:href="a.img"', 'ovf:href="a.img" ovf:compression="gzip"'
    )
    path = tar(tmp_path / "web.ova", {"web.ovf": text.encode(), "a.img": gzip.compress(disk)})
    with serving({"/web.ova": path.read_bytes()}) as web:
        result = run_plan(make_plan(Request(f"{web.url}/web.ova", "kvm")), tmp_path / "out")
    assert result.check == "ok"
    made = tmp_path / "out" / result.disks[0].filename
    with FileSource(made) as a, FileSource(tmp_path / "a.img") as b:
        assert compare(open_disk(a), open_disk(b, format="raw")) is None
    assert result.disks[0].data_size < SIZE  # zeros were found to be none


def test_a_package_in_an_object_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("obstore")
    stores = importlib.import_module("obstore.store")
    store = stores.MemoryStore()
    store.put("web.ovf", ovf({"a.img": SIZE, "gone.img": SIZE}).encode())
    store.put("a.img", raw_disk(tmp_path / "a.img", size=SIZE).read_bytes())

    def from_url(url: str) -> object:
        assert url == "s3://bucket/app"
        return store

    monkeypatch.setattr(stores, "from_url", from_url)
    package = open_package("s3://bucket/app/web.ovf")
    assert [(f.code, f.subject) for f in package.findings] == [("KF-201", "f1")]
    assert package.open_file("f0").size == SIZE
    assert identify("s3://bucket/app/web.ovf").mtime_ns > 0
    package.close()
