"""A guest's SQLite databases, read out of memory with none of their own code run."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Iterator

from kensho.model.errors import CorruptError

_STEPS = 1000  #: times 10,000 instructions: a hostile database must not go on for ever
_MOST_ROWS = 200_000


class Budget:
    """As many bytes as a database has: what says it has more has the same ones again and again."""

    def __init__(self, size: int) -> None:
        self._left = size

    def spend(self, size: int) -> None:
        """Count bytes of a row. CorruptError when there were more than the database has."""
        self._left -= size
        if self._left < 0:
            raise CorruptError("a database of packages whose parts lie over each other")


def rows(data: bytes, table: str, *columns: str) -> list[tuple[object, ...]]:
    """Return columns of a table; the names are ours. CorruptError when there is none, or no end."""
    steps = 0

    def too_long() -> bool:
        nonlocal steps
        steps += 1
        return steps > _STEPS

    connection = sqlite3.connect(":memory:")
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        # a database in WAL mode cannot be opened from memory: take its mark away
        connection.deserialize(data[:18] + b"\1\1" + data[20:])
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(len(data), 1))
        connection.set_progress_handler(too_long, 10_000)
        connection.execute("PRAGMA trusted_schema = OFF")
        kind = connection.execute("SELECT type FROM sqlite_schema WHERE name = ?", (table,))
        if kind.fetchone() != ("table",):  # a view would be code of its own
            raise CorruptError(f"a database of packages without a table {table}")
        query = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608
        return list(_bounded(connection.execute(query), Budget(len(data))))
    except (sqlite3.Error, UnicodeError) as error:  # a damaged message is no message
        raise CorruptError(f"a database of packages that is not read: {error}") from None
    finally:
        connection.close()


def _bounded(found: Iterable[tuple[object, ...]], budget: Budget) -> Iterator[tuple[object, ...]]:
    for row in itertools.islice(found, _MOST_ROWS):
        budget.spend(sum(len(part) for part in row if isinstance(part, str | bytes)))
        yield row
