"""A guest's SQLite databases, read out of memory with none of their own code run."""

from __future__ import annotations

import sqlite3

from kensho.model.errors import CorruptError

_STEPS = 1000  #: times 10,000 instructions: a hostile database must not go on for ever
_MOST_ROWS = 200_000


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
        connection.set_progress_handler(too_long, 10_000)
        connection.execute("PRAGMA trusted_schema = OFF")
        kind = connection.execute("SELECT type FROM sqlite_schema WHERE name = ?", (table,))
        if kind.fetchone() != ("table",):  # a view would be code of its own
            raise CorruptError(f"a database of packages without a table {table}")
        query = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608
        return connection.execute(query).fetchmany(_MOST_ROWS)
    except (sqlite3.Error, UnicodeError) as error:  # a damaged message is no message
        raise CorruptError(f"a database of packages that is not read: {error}") from None
    finally:
        connection.close()
