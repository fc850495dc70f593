"""YAML that is hostile, sloppy or wrong."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho.model.errors import CorruptError, KenshoError, LimitError, LocatorError, UsageError
from kensho.packages.pack.documents import MAX_DOCUMENT, load_document, read_document
from kensho.packages.pack.spec import Spec


def load(tmp_path: Path, text: str | bytes, **parameters: str) -> object:
    path = tmp_path / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_document(path, parameters)


def test_parameters(tmp_path):
    text = "cpus: !param cpus=2\ndisk: !param disk\n"
    assert load(tmp_path, text, disk="a.vmdk") == {"cpus": 2, "disk": "a.vmdk"}
    assert load(tmp_path, text, disk="x", cpus="4") == {"cpus": 4, "disk": "x"}
    with pytest.raises(UsageError, match="'disk' has no value"):
        load(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\na: 2\n",
        "a: [1\n",
        "!!python/object/apply:os.system [id]\n",
        "a: !!python/name:os.system\n",
        "a: !other x\n",
        "a: {<<: {b: 1}}\n",
        "? [1]\n: 2\n",
        "--- 1\n--- 2\n",
        b"a: \xff\n",
        "[" * 5000,
        "a: &a [*a]\n",
        "a: 2001-99-99\n",
        "\t- x\n",
    ],
)
def test_refused(tmp_path, text):
    with pytest.raises((CorruptError, LimitError)):
        load(tmp_path, text)


def test_aliases_do_not_explode(tmp_path):
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(LimitError):
        load(tmp_path, "\n".join(lines))


def test_too_large(tmp_path):
    with pytest.raises(LimitError):
        load(tmp_path, b"#" * (MAX_DOCUMENT + 1))
    with pytest.raises(LocatorError):
        load_document(tmp_path / "gone.yaml")


def test_the_place_that_does_not_fit(tmp_path):
    (tmp_path / "a.yaml").write_text("cpus: four\n")
    with pytest.raises(CorruptError, match=r"\$\.cpus"):
        read_document(tmp_path / "a.yaml", Spec)
    (tmp_path / "a.yaml").write_text("cpu: 4\n")
    with pytest.raises(CorruptError, match="unknown field `cpu`"):
        read_document(tmp_path / "a.yaml", Spec)


@given(st.text(alphabet="abc:-[]{}&*!|>'\"#\n \t,?%@0123=<", max_size=60))
def test_nothing_but_typed_errors(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_text(text)
    with suppress(KenshoError):
        read_document(path, Spec)
