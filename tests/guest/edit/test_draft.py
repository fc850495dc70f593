"""A draft of changes over a real file system."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.guest.images_of import ext, files_of

from kensho.guest.edit.draft import Draft
from kensho.guest.files.tree import GuestFiles
from kensho.model.errors import NotFoundError


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    tree = tmp_path / "tree"
    (tree / "etc/net").mkdir(parents=True)
    (tree / "etc/a").write_bytes(b"one\xff\n")
    (tree / "etc/link").symlink_to("/etc/a")
    (tree / "etc/folder").symlink_to("net")
    return Draft(GuestFiles(files_of(ext(tmp_path / "root.img", tree))), "disk1")


def test_what_was_planned_is_what_is_read(draft: Draft) -> None:
    draft.write("/etc/link", draft.text("/etc/a") + "two\n", "a line more")
    assert draft.read("/etc/a") == b"one\xff\ntwo\n"
    draft.write("/etc/folder/new", "x", "a new file")
    assert draft.exists("/etc/net/new")
    assert draft.names("/etc/folder") == ("new",)
    draft.delete("/etc/a", "not wanted")
    assert not draft.exists("/etc/a")
    with pytest.raises(NotFoundError):
        draft.read("/etc/a")
    assert [(e.path, e.content) for e in draft.edits] == [("/etc/net/new", b"x"), ("/etc/a", None)]


def test_what_changes_nothing_is_no_edit(draft: Draft) -> None:
    draft.write("/etc/a", b"one\xff\n", "the same")
    draft.write("/etc/a", b"another", "first")
    draft.write("/etc/a", b"one\xff\n", "and back")
    draft.delete("/etc/none", "is not there")
    draft.link("/etc/link", "/etc/a", "is that already")
    assert draft.edits == ()


def test_links_themselves_are_replaced_and_deleted(draft: Draft) -> None:
    draft.link("/etc/folder/unit", "/dev/null", "masked")
    draft.delete("/etc/link", "a link")
    assert [(e.path, e.target) for e in draft.edits] == [
        ("/etc/net/unit", "/dev/null"), ("/etc/link", ""),
    ]  # fmt: skip
    assert draft.names("/etc/net") == ("unit",)
