"""Values in bash scripts: the one place where they are quoted.

Source: POSIX.1-2017, Shell Command Language, 2.2.2 "Single-Quotes": nothing in them is special.
"""

from __future__ import annotations

import re
import shlex

_COMMENT_BREAKS = re.compile(r"[^\x20-\x7e]")


def quoted(text: str) -> str:
    """Return ``text`` as one word of a bash script, whatever is in it; NUL, which no word holds, goes."""
    return shlex.quote(text.replace("\0", ""))


def words(texts: list[str] | tuple[str, ...]) -> str:
    """Return several words, each quoted, with blanks between them."""
    return " ".join(map(quoted, texts))


def comment(text: str) -> str:
    """Return ``text`` as it can stand behind ``#``: one line of plain ASCII."""
    return _COMMENT_BREAKS.sub("?", text)


def demand_files(names: list[str]) -> str:
    """Return lines that stop the script unless the files are beside it; it sets ``HERE``."""
    # A CDPATH in the environment would take `cd` elsewhere, and make it print where.
    lines = 'HERE=$(CDPATH="" cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)\n'
    if names:
        lines += (
            f"for file in {words(names)}; do\n"
            "  if [[ ! -f $HERE/$file ]]; then\n"
            '    echo "missing beside this script: $file" >&2\n'
            "    exit 1\n"
            "  fi\n"
            "done\n"
        )
    return lines


def demand_tools(tools: list[str]) -> str:
    """Return lines that stop the script unless the programs are installed."""
    return (
        f"for tool in {words(tools)}; do\n"
        '  command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 1; }\n'
        "done\n"
    )
