"""Disks that are blocks of a package, by the disk verbs."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent.parent / "appliances"))
import vma_samples as v
import xva_samples as s

from tests.cli.conftest import Kensho

AsJson = Callable[..., Any]


def test_a_disk_of_an_xva(kensho: Kensho, as_json: AsJson, tmp_path: Path) -> None:
    content = b"data" * (s.MIB // 4) + bytes(2 * s.MIB)
    text = s.metadata(s.vm(), s.vbd("Ref:2", "Ref:9", "0"), s.vdi("Ref:9", len(content)))
    path = s.pack(tmp_path / "web.xva", [("ova.xml", text), *s.blocks("Ref:9", content)])
    about = as_json("disk", "info", f"{path}#Ref:9")
    assert (about["format"], about["virtual_size"]) == ("xva", len(content))
    out = tmp_path / "disk.qcow2"
    as_json("disk", "convert", f"{path}#Ref:9", out)
    assert kensho("disk", "compare", f"{path}#Ref:9", out, "-q")[0] == 0
    code, _, errors = kensho("disk", "info", path)
    assert code == 12
    assert "kensho inspect" in errors
    code, _, errors = kensho("disk", "info", f"{path}#Ref:7")
    assert (code, "no member" in errors) == (1, True)


def test_a_disk_of_a_vma_packed_or_not(kensho: Kensho, as_json: AsJson, tmp_path: Path) -> None:
    content = bytes(range(256)) * 256
    plain = tmp_path / "web.vma"
    plain.write_bytes(v.archive(content))
    packed = tmp_path / "web.vma.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    raw = tmp_path / "raw.img"
    raw.write_bytes(content)
    for path in (plain, packed):
        about = as_json("inspect", path)["appliance"]["images"][0]["id"]
        assert kensho("disk", "compare", f"{path}#{about}", raw, "-q")[0] == 0
        # The archive itself is no disk, whatever its first bytes are.
        assert kensho("disk", "info", path)[0] == 12
        code, _, errors = kensho("disk", "info", f"{path}#no-such")
        assert (code, about in errors) == (1, True)


def test_what_lzop_packed_is_no_raw_disk(kensho: Kensho, tmp_path: Path) -> None:
    (tmp_path / "a.vma.lzo").write_bytes(b"\x89LZO\0\r\n\x1a\n" + bytes(600))
    assert kensho("disk", "info", tmp_path / "a.vma.lzo")[0] == 12
