"""Random edits of ext: the result is what a model says, and debugfs sees it, too."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.guest.images_of import MIB, disk_of, ext, run, tool, volumes_of

from kensho.guest.edit.disk import PatchedDisk
from kensho.guest.edit.ext import edit_ext
from kensho.guest.edit.patch import pieces
from kensho.guest.edit.plan import FileEdit
from kensho.model.errors import UnsupportedError

KINDS = (
    ("-t", "ext4"),
    ("-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^64bit"),
    ("-t", "ext2", "-b", "1024"),
)
KEPT = {"keep/large": bytes(range(256)) * 3000, "keep/small": b"small", "keep/none": b""}
_NAMES = st.sampled_from(["a", "b c", "<12>", "ä☃", "-f", "many", "x" * 200])
_PATHS = st.lists(_NAMES, min_size=1, max_size=2).map("/".join)
#: Bytes of a file's size, a link's target, or None to delete.
_WANTED = st.none() | st.sampled_from(["a", "/keep/large", "t" * 90]) | st.sampled_from(
    [0, 1, 100, 1024, 4097, 70_000]
)  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with files that stay, a name for one of two, and a folder that has an index."""
    tree = tmp_path_factory.mktemp("random") / "tree"
    (tree / "keep").mkdir(parents=True)
    for name, content in KEPT.items():
        (tree / name).write_bytes(content)
    os.link(tree / "keep/small", tree / "a")
    (tree / "many").mkdir()
    for n in range(80):
        (tree / f"many/{n:040}").touch()
    return tree


def edited(image: Path, edits: list[FileEdit], name: str) -> Path:
    work = image.parent / name
    work.mkdir()
    (volume,) = volumes_of(image).volumes
    assert volume.view is not None
    patch = edit_ext(volume.view, edits, work)
    disk = PatchedDisk(disk_of(image), [piece for _, piece in pieces(patch)])
    data = bytearray(disk.virtual_size)
    disk.read_into(0, memoryview(data))
    after = image.parent / f"{name}.img"
    after.write_bytes(data)
    shutil.rmtree(work)
    return after


def seen(image: Path) -> dict[str, bytes | str]:
    """Return all files and links as debugfs sees them."""
    out = image.with_suffix(".out")
    out.mkdir()
    run("debugfs", "-R", f"rdump / {out}", image)
    found: dict[str, bytes | str] = {}
    for path in sorted(out.rglob("*")):
        name = str(path.relative_to(out))
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file():
            found[name] = path.read_bytes()
    shutil.rmtree(out)
    return found


def possible(path: str, model: dict[str, bytes | str], edits: dict[str, object]) -> bool:
    """Tell whether a file can be at a path, beside what is there and what is planned."""
    names = {*model, *edits}
    above = path.rpartition("/")[0]
    return above not in names and not any(name.startswith(f"{path}/") for name in names)


@settings(max_examples=6, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    rounds=st.lists(st.dictionaries(_PATHS, _WANTED, max_size=6), min_size=1, max_size=2),
)
def test_random_edits_make_what_a_model_says(
    tmp_path_factory: pytest.TempPathFactory,
    base: Path,
    kind: tuple[str, ...],
    rounds: list[dict[str, int | str | None]],
) -> None:
    tool("debugfs")
    folder = tmp_path_factory.mktemp("fs")
    image = ext(folder / "start.img", base, *kind, size=8 * MIB)
    model = seen(image)
    joined = True  # a and keep/small are one file
    for number, wanted in enumerate(rounds):
        plan: dict[str, object] = {}
        edits = []
        for path, what in wanted.items():
            if not possible(path, model, plan) or path == "many":
                continue
            plan[path] = what
            if isinstance(what, int):
                content = bytes((n * 7 + number) % 251 for n in range(what))
                if isinstance(model.get(path), str):  # a link: its target would be written to
                    continue
                edits.append(FileEdit(f"/{path}", content, ""))
                model[path] = content
                if path == "a" and joined:
                    model["keep/small"] = content
                continue
            joined &= path != "a"
            if what is None:
                edits.append(FileEdit(f"/{path}", None, ""))
                model.pop(path, None)
            else:
                edits.append(FileEdit(f"/{path}", None, "", target=what))
                model[path] = what
        try:
            first = edited(image, edits, f"a{number}")
        except UnsupportedError as error:
            raise AssertionError(f"{error} in {edits}") from error
        again = edited(image, edits, f"b{number}")
        run("e2fsck", "-fn", first)
        assert first.read_bytes() == again.read_bytes()
        image = first
    assert seen(image) == model
