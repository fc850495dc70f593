"""What takes minutes to make, kept by a digest of its recipe: made beside where it is kept, then renamed.

A reader of the cache sees a whole one or none, and nothing half made stays, however a run ends.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from debian import privilege
from shell import run


def digest(*recipe: str) -> str:
    """Return a short name for what the files of a recipe say."""
    return hashlib.sha256(b"".join(Path(path).read_bytes() for path in recipe)).hexdigest()[:12]


@contextmanager
def work_folder(cache: Path) -> Iterator[Path]:
    """Give a folder in the cache to make something in; it is removed afterwards, with files of root's."""
    cache.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".build-", dir=cache))
    work.chmod(0o755)  # mmdebstrap's own helpers run as another user and have to get through here
    try:
        yield work
    finally:
        _remove(work)


def keep(made: Mapping[Path, Path], outdated: str) -> None:
    """Put files or folders that were made where they are kept, in place of all that match ``outdated``.

    ``made`` maps where they are to where they are kept, in one folder.
    """
    for folder in {kept.parent for kept in made.values()}:
        for old in folder.glob(outdated):
            _remove(old)
    for path, kept in made.items():
        path.rename(kept)


def _remove(path: Path) -> None:
    run([*privilege(), "rm", "-rf", "--one-file-system", path])
