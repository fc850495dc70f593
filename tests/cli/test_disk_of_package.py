"""Disks that are blocks of a package, by the disk verbs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent.parent / "appliances"))
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
