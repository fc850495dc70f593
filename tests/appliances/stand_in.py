"""Run a script that kensho wrote with stand-ins for the programs it calls."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

#: Records its arguments and answers with the first reply whose words are all among them.
_TOOL = r"""#!/bin/bash
{ printf '%s\0' "${0##*/}" "$@" END-OF-CALL; } >> "$CALLS"
[[ " $* " == *" - "* ]] && cat > "$CALLS.stdin"
while IFS=$'\t' read -r words reply; do
  for word in $words; do
    for given in "$@"; do [[ $given == "$word" ]] && continue 2; done
    continue 2
  done
  [[ $reply == FAIL ]] && exit 1
  printf '%s\n' "$reply"
  break
done < "$REPLIES"
"""


def run_script(
    documents,
    folder: Path,
    arguments,
    *,
    tools,
    files=(),
    replies: dict[str, str] | None = None,
) -> list[list[str]]:
    """Return the calls the script made; the first document is the script.

    What a call with an argument ``-`` was piped is in ``calls.stdin`` of the folder.

    ``replies`` maps words that a call has to have to the line it prints; FAIL makes it fail.
    """
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    for name in tools:
        tool = bin_folder / name
        tool.write_text(_TOOL)
        tool.chmod(0o755)
    work = folder / "a 'folder' $(touch pwned)"
    work.mkdir()
    for name in files:
        (work / name).write_bytes(b"x" * 1024)
    for document in documents:
        (work / document.name).write_bytes(document.data)
    calls, answers = folder / "calls", folder / "replies"
    calls.touch()
    answers.write_text("".join(f"{k}\t{v}\n" for k, v in (replies or {}).items()))
    script = work / documents[0].name
    subprocess.run(["bash", "-n", script], check=True)
    result = subprocess.run(
        ["bash", script, *arguments],
        env={
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "CALLS": str(calls),
            "REPLIES": str(answers),
        },
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert not list(folder.rglob("pwned"))
    found = calls.read_bytes().split(b"END-OF-CALL\0")[:-1]
    return [[word.decode() for word in call.split(b"\0")[:-1]] for call in found]


def option(call: list[str], name: str) -> str:
    """Return the value of an option of a call, given as two words or as one."""
    for number, word in enumerate(call):
        if word == name:
            return call[number + 1]
        if word.startswith(f"{name}="):
            return word.removeprefix(f"{name}=")
    raise AssertionError(f"{name} is not in {call}")
