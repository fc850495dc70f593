"""docs/package-editing.md names everything that can be edited."""

from __future__ import annotations

from pathlib import Path

import pytest

from kensho.cli.edit import Changes
from kensho.packages.edit.disks import OPTIONS
from kensho.packages.edit.products import FIELDS
from kensho.packages.edit.properties import FIELDS as PROPERTY_FIELDS
from kensho.packages.edit.settings import FAMILIES, NIC_FIELDS, SETTINGS
from kensho.packages.pack.documents import load_document, read_document
from kensho.packages.pack.spec import Spec

TEXT = (Path(__file__).parents[3] / "docs" / "package-editing.md").read_text()


@pytest.mark.parametrize("name", [*SETTINGS, *(f"{family}." for family in FAMILIES)])
def test_settings(name):
    assert f"`{name}" in TEXT


def test_fields():
    for name in (*FIELDS, *PROPERTY_FIELDS, *NIC_FIELDS):
        assert f".{name}`" in TEXT, name
    for name in OPTIONS:
        assert f"{name}=" in TEXT, name


def test_options():
    for name in Changes.__dataclass_fields__:
        option = "--" + name.strip("_").replace("_", "-")
        assert f"`{option}" in TEXT, option


def test_yaml(tmp_path):
    """The example is one, and shows every name."""
    (tmp_path / "a.yaml").write_text(TEXT.split("```yaml\n")[1].split("```")[0])
    spec = read_document(tmp_path / "a.yaml", Spec)
    assert spec.configurations["large"].memory == "32GiB"
    shown = set(load_document(tmp_path / "a.yaml"))
    assert set(Spec.__struct_encode_fields__) - shown == {
        *("cores-per-socket", "machines", "startup")
    }
