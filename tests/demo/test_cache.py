"""What is made once and kept: whole or not at all, and nothing half made stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache import digest, keep, work_folder


def test_a_digest_is_of_what_the_files_say(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("a")
    other.write_text("a")
    assert digest(str(one)) == digest(str(other))
    other.write_text("b")
    assert digest(str(one)) != digest(str(other))


def test_what_was_made_takes_the_place_of_what_is_outdated(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    for name in ("guest-old.img", "guest-old-as-made.img", "other-old.img"):
        (cache / name).touch()
    (cache / "guest-folder.img").mkdir()
    made = {"disk": cache / "guest-new.img", "as-made": cache / "guest-new-as-made.img"}
    with work_folder(cache) as work:
        for name in made:
            (work / name).write_text(name)
        keep({work / name: kept for name, kept in made.items()}, "guest-*.img")
    assert {path.name for path in cache.iterdir()} == {
        "guest-new.img", "guest-new-as-made.img", "other-old.img",
    }  # fmt: skip
    assert all(kept.read_text() == name for name, kept in made.items())


def test_a_run_that_fails_leaves_the_cache_as_it_was(tmp_path: Path) -> None:
    cache = tmp_path / "new" / "cache"

    def stopped() -> None:
        with work_folder(cache) as work:
            (work / "tree").mkdir()
            (work / "tree/file").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert list(cache.iterdir()) == []
