"""Files on a web server, read with ranges."""

from __future__ import annotations

import random
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode adds nothing by itself

from tests.images import raw_disk, tar
from web import Web, basic, serving

from kensho.disks import compare, open_disk
from kensho.model.errors import (
    CorruptError,
    LocatorError,
    PackageError,
    TruncatedError,
    UnsupportedError,
)
from kensho.storage import FileSource
from kensho.storage import http as module
from kensho.storage.locator import open_source, sibling_opener

DATA = random.Random(1).randbytes(3_000_000)


@pytest.fixture(autouse=True)
def _no_pauses_and_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0.001)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def web():
    with serving({"/a.raw": DATA, "/empty": b"", "/sub/with blank.raw": DATA[:1000]}) as served:
        yield served


def test_reads_at_random_are_the_files_bytes(web: Web) -> None:
    source = open_source(f"{web.url}/a.raw")
    assert source.size == len(DATA)
    chance = random.Random(2)
    for _ in range(60):
        at = chance.randrange(len(DATA))
        length = min(chance.choice([1, 512, 70_000, 600_000]), len(DATA) - at)
        assert source.read_at(at, length) == DATA[at : at + length]
    with pytest.raises(TruncatedError):
        source.read_at(len(DATA) - 1, 2)
    source.close()
    source.close()


def test_small_reads_that_follow_each_other_take_few_requests(web: Web) -> None:
    source = open_source(f"{web.url}/a.raw")
    got = b"".join(source.read_at(at, 5000) for at in range(0, len(DATA), 5000))
    assert got == DATA
    assert len(web.log) < 8
    source.close()


def test_many_threads(web: Web) -> None:
    source = open_source(f"{web.url}/a.raw")
    bad = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(20):
            at = chance.randrange(len(DATA) - 400_000)
            length = chance.choice([100, 300_000])
            if source.read_at(at, length) != DATA[at : at + length]:
                bad.append(at)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bad == []
    source.close()


def test_an_empty_file_and_a_name_with_a_blank(web: Web) -> None:
    empty = open_source(f"{web.url}/empty")
    assert (empty.size, empty.read_at(0, 0)) == (0, b"")
    empty.close()
    web.files["/sub/with%20blank.raw"] = web.files["/sub/with blank.raw"]
    for name in ("with blank.raw", "with%20blank.raw"):
        source = open_source(f"{web.url}/sub/{name}")
        assert source.size == 1000
        source.close()


def test_a_server_without_ranges(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    web.ranges = False
    source = open_source(f"{web.url}/a.raw")  # small: it is had whole, once
    assert (source.size, source.read_at(7, 9)) == (len(DATA), DATA[7:16])
    assert len(web.log) == 1
    source.close()
    monkeypatch.setattr("kensho.storage.http._SMALL", 1000)
    with pytest.raises(UnsupportedError, match="whole") as caught:
        open_source(f"{web.url}/a.raw")
    assert "curl" in caught.value.hint


def test_what_is_not_there(web: Web) -> None:
    with pytest.raises(LocatorError, match="404"):
        open_source(f"{web.url}/none")
    with pytest.raises(LocatorError, match="ftp"):
        open_source("ftp://127.0.0.1/a")
    with pytest.raises(LocatorError):
        open_source("http:///a")
    with pytest.raises(LocatorError):
        open_source("http://127.0.0.1:99999/a")


def test_a_server_that_is_not_there_is_asked_a_few_times_only() -> None:
    with serving({}) as gone:
        url = gone.url
    with pytest.raises(LocatorError, match="no answer after 5 tries"):
        open_source(f"{url}/a.raw")


def test_failures_that_pass_are_tried_again(web: Web) -> None:
    web.fail_first = 2
    source = open_source(f"{web.url}/a.raw")
    web.cut_first = 2
    assert source.read_at(0, len(DATA)) == DATA
    web.fail_first = 99
    with pytest.raises(LocatorError, match="503"):
        source.read_at(0, 1_000_000)
    source.close()


@pytest.mark.parametrize("change", ["etag", "size", "whole"])
def test_a_file_that_changes_is_noticed(web: Web, change: str) -> None:
    source = open_source(f"{web.url}/a.raw")
    if change == "etag":
        web.etag = '"two"'
    elif change == "size":
        web.files["/a.raw"] = DATA + b"more"
    else:
        web.ranges = False
    with pytest.raises(CorruptError, match="changed"):
        source.read_at(0, 1_000_000)
    source.close()


def test_redirects_are_followed_and_loops_are_not(web: Web) -> None:
    web.redirects = {"/latest": "/a.raw?sig=secret", "/loop": "/loop"}
    source = open_source(f"{web.url}/latest")
    assert source.read_at(5, 5) == DATA[5:10]
    assert source.name == f"{web.url}/latest"
    web.redirects["/latest"] = "/b.raw"
    web.files["/b.raw"] = web.files.pop("/a.raw")
    # what the first redirect led to has expired: asked again from the start
    assert source.read_at(1_000_000, 300_000) == DATA[1_000_000:1_300_000]
    source.close()
    with pytest.raises(LocatorError, match="redirects"):
        open_source(f"{web.url}/loop")


def test_a_login_is_sent_and_never_shown(web: Web) -> None:
    web.login = basic("me", "s3cret")
    with pytest.raises(LocatorError, match="401"):
        open_source(f"{web.url}/a.raw")
    source = open_source(web.url.replace("//", "//me:s3cret@") + "/a.raw?token=s3cret")
    assert source.read_at(0, 10) == DATA[:10]
    assert "s3cret" not in source.name
    source.close()


def test_a_member_of_an_archive_on_the_web(web: Web, tmp_path: Path) -> None:
    web.files["/a.ova"] = tar(tmp_path / "a.ova", {"x.ovf": b"<x/>", "d.raw": DATA}).read_bytes()
    source = open_source(f"{web.url}/a.ova#d.raw")
    assert source.read_at(70, 700) == DATA[70:770]
    assert source.name.endswith("a.ova#d.raw")
    source.close()
    with pytest.raises(PackageError, match="no member"):
        open_source(f"{web.url}/a.ova#none")


def test_a_split_disk_on_the_web_is_one_disk(web: Web, tmp_path: Path) -> None:
    from kensho.disks.transfer import How, target_for, write_disk

    raw = raw_disk(tmp_path / "a.raw")
    with FileSource(raw) as source:
        reader = open_disk(source, format="raw")
        target = target_for("a.vmdk", None, "monolithicFlat", reader.virtual_size)
        made = write_disk(reader, tmp_path / "a.vmdk", target, How())
        for name in made.files:
            web.files[f"/d/{name}"] = (tmp_path / name).read_bytes()
        url = f"{web.url}/d/a.vmdk?sig=1"
        top = open_source(url)
        disk = open_disk(top, sibling=sibling_opener(url))
        assert compare(reader, disk) is None
        disk.close()
        top.close()
    assert any(path == "/d/a-flat.vmdk?sig=1" for path, _ in web.log)


@pytest.mark.parametrize("suffix", ["vmdk", "qcow2", "vhdx"])
def test_kensho_reads_disks_from_the_web(
    web: Web, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from kensho.cli.exits import run

    raw = raw_disk(tmp_path / "a.raw")
    made = tmp_path / f"a.{suffix}"
    assert run(["disk", "convert", str(raw), str(made), "-q"]) == 0
    web.files[f"/a.{suffix}"] = made.read_bytes()
    out = tmp_path / "out.vdi"
    assert run(["disk", "convert", f"{web.url}/a.{suffix}", str(out), "-q", "--verify"]) == 0
    assert run(["disk", "compare", str(raw), str(out), "-q"]) == 0
    capsys.readouterr()
