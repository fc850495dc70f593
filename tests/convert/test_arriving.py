"""Packages through pipes: the same result as from the file, in one pass, or a typed error."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from kensho.appliances.ova.arrival import Arrival
from kensho.convert.deployment.settle import Deployment
from kensho.convert.events import Event, Step
from kensho.convert.plan import Plan, Request, make_plan
from kensho.convert.result import Result
from kensho.convert.run import Options, run_plan
from kensho.disks import create_disk, open_disk
from kensho.disks.copy import copy_disk
from kensho.model.errors import (
    CorruptError,
    KenshoError,
    ManifestMismatchError,
    PackageError,
    PlanBlockedError,
    TruncatedError,
    UnsupportedError,
    VerificationError,
)
from kensho.platforms import PLATFORMS
from kensho.storage import FileSource, MemorySink
from kensho.storage.pipe import PipeReader
from tests.images import MIB, manifest, ovf, raw_disk

SIZE = 4 * MIB
FORMS = [(p.name, f.name, f.container) for p in PLATFORMS for f in p.forms]
Convert = Callable[..., Result]


def disks(folder: Path) -> dict[str, bytes]:
    """Return a raw disk and a stream, as files of a package."""
    raw = raw_disk(folder / "a.img", seed=1, size=SIZE).read_bytes()
    raw_disk(folder / "b.img", seed=2, size=SIZE)
    return {"a.img": raw, "b.vmdk": packed(folder / "b.img", "vmdk")}


def packed(path: Path, fmt: str, subformat: str | None = None) -> bytes:
    sink = MemorySink()
    with FileSource(path) as source:
        reader = open_disk(source, format="raw")
        copy_disk(reader, create_disk(fmt, subformat, sink, reader.virtual_size, identity=b"1"))
    return bytes(sink.data)


def archive(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_700_000_000
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def package(files: Mapping[str, bytes], *, text: str = "", order: str = "omd") -> bytes:
    """Return an OVA: o the descriptor, m the manifest, d the disks, D the disks backwards."""
    own = {"web01.ovf": (text or ovf(dict.fromkeys(files, SIZE))).encode()}
    parts = {
        "o": own,
        "m": {"web01.mf": manifest(own | dict(files))},
        "d": files,
        "D": dict(reversed(files.items())),
    }
    return archive({n: data for part in order for n, data in parts[part].items()})


@contextmanager
def piped(data: bytes) -> Iterator[PipeReader]:
    """Write ``data`` into a pipe, as far as somebody reads."""
    read, write = os.pipe()

    def feed() -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(write, view[: 1 << 16]) :]
        except BrokenPipeError:
            pass
        finally:
            os.close(write)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield PipeReader(read)
    finally:
        os.close(read)
        thread.join()


def planned(data: bytes, **wishes: object) -> Plan:
    with piped(data) as pipe:
        return make_plan(request(**wishes), arrival=Arrival(pipe))


def request(target: str = "kvm", **wishes: object) -> Request:
    return msgspec.structs.replace(Request("-", target), **wishes)


@pytest.fixture
def convert(tmp_path: Path) -> Convert:
    def call(
        data: bytes,
        out: str = "out",
        options: Options = Options(threads=2),  # noqa: B008 - frozen
        listener: Callable[[Event], None] = lambda _: None,
        **wishes: object,
    ) -> Result:
        with piped(data) as pipe:
            arrival = Arrival(pipe)
            plan = make_plan(request(**wishes), out=tmp_path, arrival=arrival)
            result = run_plan(
                plan, tmp_path / out, options=options, arrival=arrival, listener=listener
            )
            assert pipe.read_up_to(bytearray(1)) == 0  # nobody's write failed
            return result

    return call


def refused(convert: Convert, tmp_path: Path, error: type[KenshoError], data: bytes,
            **wishes: object) -> KenshoError:  # fmt: skip
    """Convert and see that it fails, with nothing left."""
    with pytest.raises(error) as caught:
        convert(data, **wishes)
    assert not (tmp_path / "out").exists()
    return caught.value


def from_file(data: bytes, folder: Path, **wishes: object) -> Result:
    folder.mkdir()
    path = folder / "web01.ova"
    path.write_bytes(data)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    plan = make_plan(msgspec.structs.replace(request(**wishes), source=str(path)))
    return run_plan(plan, folder / "out", options=Options(threads=2))


@pytest.mark.parametrize(("target", "form", "container"), FORMS)
def test_the_same_as_from_the_file(
    convert: Convert, tmp_path: Path, target: str, form: str, container: str
) -> None:
    data = package(disks(tmp_path))
    ours = convert(data, target=target, form=form)
    theirs = from_file(data, tmp_path / "file", target=target, form=form)
    assert ours.check == theirs.check == "ok"
    roots = [(d.filename, d.content_root) for d in ours.disks]
    assert roots == [(d.filename, d.content_root) for d in theirs.disks]
    if (target, form) != ("vmware", "esxi") and target not in {"azure", "xen"}:
        # The kernel copies into plain files and fixed VHDs, and does not look for zeros.
        assert [d.data_size for d in ours.disks] == [d.data_size for d in theirs.disks]
    assert ours.plan.after == theirs.plan.after
    assert ours.plan.devices == theirs.plan.devices
    assert ours.plan.timestamp == theirs.plan.timestamp
    for file in theirs.files:
        one, other = tmp_path / "out" / file.name, tmp_path / "file" / "out" / file.name
        # A VHD, a VHDX, a monolithic VMDK and a VDI have ids made from where they come from, which
        # VirtualBox's settings name.
        if not file.name.endswith((".vhd", ".vhdx", ".vmdk", ".vdi", ".vbox")):
            assert one.read_bytes() == other.read_bytes(), file.name


@pytest.mark.parametrize("order", ["omd", "oDm", "od", "oD"])
def test_any_order_of_disks_and_manifest(convert: Convert, tmp_path: Path, order: str) -> None:
    data = package(disks(tmp_path), order=order)
    result = convert(data)
    theirs = from_file(data, tmp_path / "file")
    assert [d.content_root for d in result.disks] == [d.content_root for d in theirs.disks]
    assert result.findings == theirs.findings


def test_one_file_needs_the_disks_in_its_own_order(convert: Convert, tmp_path: Path) -> None:
    data = package(disks(tmp_path), order="omD")
    error = refused(convert, tmp_path, UnsupportedError, data, target="ova")
    assert "b.vmdk comes before a.img" in error.message
    assert "save the package" in error.hint


@pytest.mark.parametrize("order", ["omd", "odm"])
@pytest.mark.parametrize("name", ["a.img", "b.vmdk", "web01.ovf"])
def test_what_the_manifest_does_not_vouch_for(
    convert: Convert, tmp_path: Path, order: str, name: str
) -> None:
    files = disks(tmp_path)
    good = package(files, order=order)
    text = ovf(dict.fromkeys(files, SIZE)).encode()
    content = {**files, "web01.ovf": text}[name]
    at = good.index(content[:512]) + (len(content) // 2 if name != "web01.ovf" else 0)
    byte = bytes([good[at] ^ 1]) if name != "web01.ovf" else b""
    bad = good[:at] + byte + good[at + 1 :] if byte else good.replace(b"2 cpus", b"3 cpus")
    error = refused(convert, tmp_path, ManifestMismatchError, bad)
    assert name in error.message
    assert error.exit_code == 11


def test_names_with_percent_signs(convert: Convert, tmp_path: Path) -> None:
    first, second = disks(tmp_path).values()
    files = {"a%20b.img": first, "a b.img": first[::-1]}
    text = ovf(dict.fromkeys(files, SIZE))
    assert convert(package(files, text=text)).check == "ok"
    spelled = ovf({"a%20b.img": SIZE})
    lines = manifest({"a%20b.img": first})
    own = {"web01.ovf": spelled.encode(), "web01.mf": lines}
    assert convert(archive({**own, "a b.img": first}), out="decoded").check == "ok"
    refused(convert, tmp_path / "x", KenshoError, archive({**own, "a b.img": second}), out="x/out")


def test_without_the_manifest(convert: Convert, tmp_path: Path) -> None:
    data = package(disks(tmp_path)).replace(b"2 cpus", b"3 cpus")
    assert convert(data, options=Options(check_manifest=False)).check == "ok"


def test_a_pipe_that_ends_early(convert: Convert, tmp_path: Path) -> None:
    data = package(disks(tmp_path))
    end = len(data.rstrip(b"\0")) // 512 * 512 + 512
    for cut in (600, 3000, 6000, 1 * MIB, 4 * MIB + 100_000, end - 512, end):
        refused(convert, tmp_path, TruncatedError, data[:cut])


def test_a_disk_that_never_comes(convert: Convert, tmp_path: Path) -> None:
    files = disks(tmp_path)
    text = ovf({"a.img": SIZE, "c.img": SIZE})
    data = archive({"web01.ovf": text.encode(), "a.img": files["a.img"]})
    assert "'c.img' is missing" in refused(convert, tmp_path, PackageError, data).message


def test_the_descriptor_has_to_be_first(tmp_path: Path) -> None:
    files = disks(tmp_path)
    with pytest.raises(UnsupportedError, match=r"a\.img comes before the descriptor") as caught:
        planned(package(files, order="do"))
    assert "save the package" in caught.value.hint
    # What macOS's tar puts beside every file is no file of the package.
    good = {"web01.ovf": ovf(dict.fromkeys(files, SIZE)).encode(), **files}
    assert not planned(archive({"._web01.ovf": b"\0", **good})).blocked


def test_what_cannot_be_streamed_is_known_before_a_disk_is_read(tmp_path: Path) -> None:
    def why(text: str) -> str:
        # The archive ends behind the descriptor: nothing else was looked at.
        whole = archive({"web01.ovf": text.encode(), "a.img": bytes(SIZE)})
        plan = planned(whole)
        with pytest.raises(PlanBlockedError):
            run_plan(plan, tmp_path / "out")
        finding = plan.blocked[0]
        assert (finding.code, "save the package" in finding.action) == ("KF-305", True)
        return finding.message

    one = ovf({"a.img": SIZE})
    assert "QCOW2 cannot be read" in why(one.replace("a.img", "a.qcow2"))
    assert "VHD cannot be read" in why(one.replace("a.img", "a.vhd.gz"))
    assert "how large" in why(one.replace(f' ovf:capacity="{SIZE}"', ""))
    assert "two disks" in why(ovf({"a.img": SIZE, "b.img": SIZE}).replace('"f1"/>', '"f0"/>')
                              .replace('fileRef="f1"', 'fileRef="f0"'))  # fmt: skip
    two = ovf({"a.img": SIZE, "b.img": SIZE})
    assert "based on another disk" in why(
        two.replace('ovf:diskId="d1"', 'ovf:diskId="d1" ovf:parentRef="d0"')
    )


def test_a_disk_that_is_not_what_was_said(convert: Convert, tmp_path: Path) -> None:
    raw = raw_disk(tmp_path / "a.img", size=SIZE)
    larger = package({"a.img": raw.read_bytes()}, text=ovf({"a.img": 2 * SIZE}))
    assert "descriptor says" in refused(convert, tmp_path, UnsupportedError, larger).message
    # A fixed VHD is a raw disk with a footer that is found by going back.
    fixed = package({"a.img": packed(raw, "vhd", "fixed")})
    refused(convert, tmp_path, UnsupportedError, fixed)
    for fmt, sub in (("qcow2", None), ("vdi", None), ("vhdx", None), ("vmdk", "monolithicSparse")):
        data = package({"a.img": packed(raw, fmt, sub)})
        refused(convert, tmp_path, UnsupportedError, data)


def test_packed_disks(convert: Convert, tmp_path: Path) -> None:
    files = {name: gzip.compress(data, 1) for name, data in disks(tmp_path).items()}
    text = ovf(dict.fromkeys(files, SIZE)).replace("ovf:href=", 'ovf:compression="gzip" ovf:href=')
    data = package(files, text=text)
    theirs = from_file(data, tmp_path / "file")
    ours = convert(data)
    assert [d.content_root for d in ours.disks] == [d.content_root for d in theirs.disks]
    (tmp_path / "out").rename(tmp_path / "first")
    bomb = {"a.img": gzip.compress(bytes(SIZE + 1), 1), "b.vmdk": files["b.vmdk"]}
    refused(convert, tmp_path, CorruptError, package(bomb, text=text))
    cut = {"a.img": files["a.img"][:-5000], "b.vmdk": files["b.vmdk"]}
    refused(convert, tmp_path, CorruptError, package(cut, text=text))


@pytest.mark.parametrize("chunk", [1 << 20, 99_999, 1 << 30])
@pytest.mark.parametrize("gzipped", [False, True])
def test_split_disks(convert: Convert, tmp_path: Path, chunk: int, gzipped: bool) -> None:
    files = disks(tmp_path)
    text = ovf(dict.fromkeys(files, SIZE))
    text = text.replace("ovf:href=", f'ovf:chunkSize="{chunk}" ovf:href=')
    if gzipped:
        files = {name: gzip.compress(data, 1) for name, data in files.items()}
        text = text.replace("ovf:href=", 'ovf:compression="gzip" ovf:href=')
    split = {
        f"{name}.{at // chunk:09d}": data[at : at + chunk]
        for name, data in files.items()
        for at in range(0, len(data), chunk)
    }
    data = package(split, text=text)
    theirs = from_file(data, tmp_path / "file")
    for target in ("kvm", "ova"):
        ours = convert(data, target=target, out=target)
        assert [d.content_root for d in ours.disks] == [d.content_root for d in theirs.disks]
        assert [f for f in ours.findings if f.code.startswith("KF-2")] == [
            f for f in theirs.findings if f.code.startswith("KF-2")
        ]
    if chunk == 1 << 20 and not gzipped:
        lost = package({n: d for n, d in split.items() if n != "a.img.000000002"}, text=text)
        refused(convert, tmp_path, TruncatedError, lost)


@pytest.mark.parametrize("last", [False, True])
def test_a_manifest_about_the_whole_of_split_disks(
    convert: Convert, tmp_path: Path, last: bool
) -> None:
    files = disks(tmp_path)
    text = ovf(dict.fromkeys(files, SIZE)).replace("ovf:href=", f'ovf:chunkSize="{MIB}" ovf:href=')
    own = {"web01.ovf": text.encode()}
    split = {
        f"{name}.{at // MIB:09d}": data[at : at + MIB]
        for name, data in files.items()
        for at in range(0, len(data), MIB)
    }
    lines = {"web01.mf": manifest(own | files)}
    data = archive({**own, **split, **lines} if last else {**own, **lines, **split})
    assert not [f for f in convert(data).findings if f.code in {"KF-211", "KF-212"}]
    (tmp_path / "out").rename(tmp_path / "first")
    at = data.index(files["a.img"][:512])
    bad = data[:at] + b"?" + data[at + 1 :]
    assert "a.img" in refused(convert, tmp_path, ManifestMismatchError, bad).message


def test_a_result_that_does_not_read_back_the_same(convert: Convert, tmp_path: Path) -> None:
    def spoil(event: Event) -> None:
        if isinstance(event, Step) and event.subject.endswith("disk2.qcow2"):
            made = next((tmp_path / "out").glob(".*/web01-disk1.qcow2"))
            with made.open("r+b") as file:
                file.seek(made.read_bytes().index(files["a.img"][:512]))
                file.write(b"?")

    files = disks(tmp_path)
    data = package(files)
    refused(convert, tmp_path, VerificationError, data, listener=spoil)


def test_a_plan_kept_for_later(tmp_path: Path) -> None:
    data = package(disks(tmp_path))
    plan = planned(data)
    assert plan.identity[0].stamp
    other = package(disks(tmp_path), text=ovf({"a.img": SIZE, "b.vmdk": SIZE}, machine="db01"))
    with piped(other) as pipe, pytest.raises(CorruptError, match="changed"):
        run_plan(plan, tmp_path / "out", arrival=Arrival(pipe))
    with piped(data) as pipe:
        assert run_plan(plan, tmp_path / "out", arrival=Arrival(pipe)).check == "ok"


def test_one_machine_and_a_licence(convert: Convert, tmp_path: Path) -> None:
    text = ovf({"a.img": SIZE, "b.vmdk": SIZE}).replace(
        "</VirtualHardwareSection>",
        "</VirtualHardwareSection><EulaSection><Info>e</Info><License>yes</License></EulaSection>",
    )
    data = package(disks(tmp_path), text=text)
    result = convert(data, machine="web01", deployment=Deployment(accept_eulas=True))
    assert result.eula is not None
    assert result.eula.package_sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_damage_is_an_error_or_harmless(convert: Convert, tmp_path: Path) -> None:
    """Bytes changed, lost and doubled: a typed error with nothing left, or the same disks."""
    small = raw_disk(tmp_path / "s.img", size=MIB, pieces=2)
    text = ovf({"a.img": MIB, "b.vmdk": MIB})
    files = {"a.img": small.read_bytes(), "b.vmdk": packed(small, "vmdk")}
    chance = random.Random(7)
    for number in range(60):
        data = bytearray(package(files, text=text, order=chance.choice(["omd", "odm", "od"])))
        start = len(data) // 2 if chance.random() < 0.3 else chance.randrange(6000)
        at = start + chance.randrange(2000)
        way = chance.randrange(4)
        if way == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif way == 1:
            del data[at : at + chance.choice([1, 512, 5000])]
        elif way == 2:
            data[at:at] = data[at : at + chance.choice([1, 512, 5000])]
        else:
            data[at : at + 24] = chance.randbytes(24)
        out = f"out{number}"
        try:
            convert(bytes(data), out=out)
        except KenshoError:
            assert not (tmp_path / out).exists()
