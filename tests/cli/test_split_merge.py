"""``kensho split`` and ``kensho merge`` as commands."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from tests.images import MIB, ovf, raw_disk, tar

COLLECTION = Path(__file__).parents[1] / "packages" / "collection.ovf"


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch) -> None:
    disk = raw_disk(tmp_path / "a.img", size=MIB, pieces=2).read_bytes()
    for name in ("web", "db"):
        text = ovf({"a.img": MIB}, machine=f"{name}01").encode()
        tar(tmp_path / f"{name}.ova", {f"{name}.ovf": text, "a.img": disk})
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "shop.ovf").write_bytes(COLLECTION.read_bytes())
    for name in ("base.vmdk", "delta.vmdk", "data.vmdk", "db.nvram", "tools.iso", "readme.txt"):
        (tmp_path / "shop" / name).write_bytes(name.encode())
    monkeypatch.chdir(tmp_path)


def test_split_into_archives_and_folders(kensho, as_json):
    made = as_json("split", "shop", "-o", "parts", "--form", "ova")
    assert [part["machine"] for part in made["parts"]] == ["db", "web"]
    with tarfile.open("parts/web.ova") as archive:
        assert archive.getnames() == ["web.ovf", "web.mf", "data.vmdk", "tools.iso", "readme.txt"]
        assert archive.extractfile("data.vmdk").read() == b"data.vmdk"
    assert kensho("verify", "parts/web.ova")[0] == 0
    assert kensho("split", "shop", "-o", "folders", "--vm", "db")[0] == 0
    assert Path("folders/db/db.ovf").exists()
    assert not Path("folders/db/db.mf").exists()  # the package had none
    assert {p.name for p in Path("folders/db").iterdir()} == {
        *("db.ovf", "base.vmdk", "delta.vmdk", "data.vmdk", "db.nvram", "readme.txt")
    }
    assert kensho("split", "shop", "-o", "parts", "--form", "ova")[0] == 2  # there already
    assert kensho("split", "shop", "-o", "parts.ova")[0] == 2


def test_split_dry_run(as_json):
    planned = as_json("split", "shop", "-o", "parts", "--dry-run")
    assert [Path(p["path"]).name for p in planned["parts"]] == ["db.ovf", "web.ovf"]
    assert not Path("parts").exists()


def test_merge(kensho, as_json):
    merged = as_json("merge", "web.ova", "db.ova", "-o", "all.ova", "--startup", "db01+30,web01")
    assert [f["name"] for f in merged["files"]] == ["all.ovf", "a.img", "a-2.img"]
    with tarfile.open("all.ova") as archive:
        text = archive.extractfile("all.ovf").read().decode()
    assert '<Item ovf:id="db01" ovf:order="1" ovf:startDelay="30"/>' in text
    assert f'ovf:href="a-2.img" ovf:size="{MIB}"' in text
    assert kensho("verify", "all.ova")[0] == 0
    assert len(as_json("inspect", "all.ova")["appliance"]["machines"]) == 2
    assert kensho("merge", "web.ova", "-o", "one.ova")[0] == 2
    assert kensho("merge", "web.ova", "db.ova", "-o", "all.ova")[0] == 2
    code, _, err = kensho("merge", "web.ova", "db.ova", "-o", "b.ova", "--startup", "bd01")
    assert (code, "did you mean 'db01'?" in err) == (2, True)
    assert not Path("b.ova").exists()


def test_what_was_wrong_before_is_still_wrong(kensho):
    """A merged package vouches for no bytes that its sources' manifests did not fit."""
    assert kensho("manifest", "web.ova")[0] == 0
    data = bytearray(Path("web.ova").read_bytes())
    with tarfile.open("web.ova") as archive:
        data[archive.getmember("a.img").offset_data] ^= 1
    Path("web.ova").write_bytes(data)
    assert kensho("merge", "web.ova", "db.ova", "-o", "all.ova")[0] == 0
    code, out, _ = kensho("verify", "all.ova", "--json")
    assert code == 11, json.loads(out)


def test_drafts_are_shown_and_nothing_is_written(kensho, as_json):
    before = sorted(Path().iterdir())
    for command in (("merge", "web.ova", "db.ova"), ("pack", "a.img"), ("pack", "web.ova")):
        draft = as_json(*command, "-o", "x.ova", "--dry-run")
        assert draft["files"]
        code, out, _ = kensho(*command, "-o", "x.ova", "--dry-run")
        assert (code, out) == (0, draft["descriptor"])
    assert sorted(Path().iterdir()) == before
