"""A folder is named, and the machine in it is found: its own file, never a disk of it alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kensho.model.origin import SUFFIX
from tests import any_to_any as matrix


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return matrix.seed(tmp_path / "source", "bios")


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ("xen/xl", "xen"),
        ("xenserver/xva", "xva"),
        ("proxmox/vma", "vma"),
        ("proxmox/vma-plain", "vma"),
        ("kubevirt/containerdisk", "containerdisk"),
        ("vmware/vagrant", "vagrant"),
        ("proxmox/qm", "pve"),
    ],
)
def test_the_folder_of_a_result_is_the_machine(
    source: Path, tmp_path: Path, as_json: Callable[..., Any], form: str, kind: str
) -> None:
    out = tmp_path / "out"
    matrix.convert(source, form, out)
    for note in out.glob(f"*{SUFFIX}"):
        note.unlink()
    found = as_json("inspect", out)
    assert found["kind"] == kind
    assert found["appliance"]["machines"][0]["cpu"]["count"] == 4
    assert not [f for f in found["findings"] if f["severity"] in {"error", "blocked"}]


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("web.cfg", 'name = "web"\nvcpus = 3\ndisk = ["/srv/web.img,raw,xvda,rw"]\n', "xen"),
        ("web.txt", 'name = "web"\nvcpus = 3\n', "disk"),
    ],
)
def test_a_configuration_beside_its_only_disk_counts(
    tmp_path: Path, as_json: Callable[..., Any], name: str, text: str, kind: str
) -> None:
    (tmp_path / "web.img").write_bytes(bytes(1 << 20))
    (tmp_path / name).write_text(text)
    assert as_json("inspect", tmp_path)["kind"] == kind


def test_facts_of_a_physical_machine_beside_the_copy_of_its_disk_count(
    tmp_path: Path, as_json: Callable[..., Any], kensho: Any
) -> None:
    (tmp_path / "vda.img").write_bytes(bytes(1 << 20))
    code, out, err = kensho("inspect", "local:", "--json")
    assert code == 0, err
    (tmp_path / "web01.json").write_text(out)
    assert as_json("inspect", tmp_path)["kind"] == "facts"
