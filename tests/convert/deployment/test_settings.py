"""What users write: KEY=VALUE, files of it, references to secrets."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho.convert.deployment.settings import (
    NOT_KEPT,
    Given,
    Setting,
    read_all_settings,
    read_setting,
    read_settings,
    resolve,
)
from kensho.model.errors import LocatorError, UsageError


def values(settings: tuple[Setting, ...], **environ: str) -> dict[str, str]:
    return {one.key: one.value for one in resolve(settings, environ=environ)}


def test_the_value_may_have_equals_signs_and_be_empty() -> None:
    assert read_setting("a=b=c") == Setting("a", "b=c")
    assert read_setting("a=") == Setting("a", "")
    for text in ("a", "=b", ""):
        with pytest.raises(UsageError):
            read_setting(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.env", 'a=1\n# no\n\nexport b = "two words"\ncom.x.c.1=yes\r\nd=\n'),
        ("p.yaml", "a: 1\nb: two words\ncom.x.c.1: yes\nd:\n"),
        ("p.json", '{"a": 1, "b": "two words", "com.x.c.1": "yes", "d": null}'),
    ],
)
def test_every_kind_of_file_says_the_same(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert values(read_settings(path)) == {"a": "1", "b": "two words", "com.x.c.1": "yes", "d": ""}


def test_yaml_scalars_are_what_was_written(tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text("a: 0777\nb: 1e3\nc: no\nd: 2026-01-01\n")
    assert values(read_settings(tmp_path / "p.yml")) == {
        "a": "0777",
        "b": "1e3",
        "c": "no",
        "d": "2026-01-01",
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.env", "no equals sign"),
        ("p.yaml", "- a\n- b"),
        ("p.yaml", "a: [1, 2]"),
        ("p.yaml", "a: {b: c}"),
        ("p.yaml", "a: &x 1\nb: *x"),
        ("p.yaml", "a: 1\n---\nb: 2"),
        ("p.yaml", "{"),
        ("p.yaml", "!!python/object/apply:os.system [id]"),
        ("p.json", "[]"),
        ("p.json", "{"),
        ("p.json", '{"a": {"b": 1}}'),
        ("p.json", "[" * 100_000),
        ("p.yaml", "[" * 20_000),
        ("p.env", "\x00=\udce4"),
    ],
)
def test_files_that_are_none(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UsageError) as error:
        read_settings(path)
    assert error.value.path == str(path)


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "p.env").write_bytes(b"a=" + b"x" * (2 << 20))
    with pytest.raises(UsageError):
        read_settings(tmp_path / "p.env")
    with pytest.raises(LocatorError):
        read_settings(tmp_path / "nothing")


def test_the_command_line_beats_the_file(tmp_path: Path) -> None:
    (tmp_path / "p.env").write_text("a=1\nb=2\n")
    assert values(read_all_settings(["b=3"], tmp_path / "p.env")) == {"a": "1", "b": "3"}


def test_secrets_by_reference(tmp_path: Path) -> None:
    (tmp_path / "pw").write_bytes("pässword\r\n".encode())
    settings = (
        Setting("a", "@env:PW"),
        Setting("b", f"@file:{tmp_path / 'pw'}"),
        Setting("c", "@text:@env:PW"),
        Setting("d", "@other"),
    )
    found = {one.key: one for one in resolve(settings, environ={"PW": "x"})}
    assert {k: v.value for k, v in found.items()} == {
        "a": "x",
        "b": "pässword",
        "c": "@env:PW",
        "d": "@other",
    }
    assert [found[k].secret for k in "abcd"] == [True, True, False, False]


def test_all_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    settings = (
        Setting("a", "@env:NO"),
        Setting("b", f"@file:{tmp_path / 'no'}"),
        Setting("c", NOT_KEPT),
        Setting("d", "@file:\0"),
    )
    with pytest.raises(UsageError) as error:
        resolve(settings, environ={})
    for key in "abcd":
        assert f"{key}: " in error.value.message


def test_a_password_that_a_plan_does_not_keep_comes_from_the_user() -> None:
    kept = (Setting("a", "secret"),)
    assert resolve((Setting("a", NOT_KEPT),), kept=kept) == (Given("a", "secret"),)


def test_a_traceback_shows_no_value() -> None:
    assert "secret" not in repr(Given("a", "secret"))


@given(st.binary(max_size=300), st.sampled_from(["p.env", "p.json", "p.yaml"]))
def test_no_file_breaks_it(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str
) -> None:
    path = tmp_path_factory.mktemp("settings") / name
    path.write_bytes(data)
    with contextlib.suppress(UsageError):
        read_settings(path)
