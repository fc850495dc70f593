"""How values get into batch scripts: the only way they do.

Sources: ``cmd /?``, https://learn.microsoft.com/windows-server/administration/windows-commands/cmd
("The following special characters require quotation marks"), and for the limit KB 830473. Scripts run
with delayed expansion off, so that ``!`` is a character like any other.
"""

from __future__ import annotations

import base64

from kensho.model.errors import LimitError, UsageError

_MAX_LINE = 8000  #: of the 8191 characters that cmd takes


def cmd_quoted(value: str) -> str:
    """Return a value as one quoted word of a batch script.

    Raises UsageError for what no batch script can say: quotes, control characters, and anything but
    ASCII, which every code page of Windows reads in its own way.
    """
    if not value.isascii() or not value.isprintable() or '"' in value:
        raise UsageError(
            f"{value[:80]!r} cannot be part of a batch script",
            hint="use letters, digits and signs of ASCII without double quotes",
        )
    if len(value) > _MAX_LINE:
        raise LimitError(f"{len(value)} characters in a batch script")
    # A backslash before the closing quote would take it along in programs that parse as C does.
    return '"' + value.replace("%", "%%") + ("\\" if value.endswith("\\") else "") + '"'


def powershell_command(script: str) -> str:
    """Return a batch line that runs a PowerShell script of any characters; LimitError when too long.

    Values get into ``script`` by `kensho.model.powershell.literal`. Windows has PowerShell since 7.
    """
    coded = base64.b64encode(script.encode("utf-16-le")).decode("ascii")
    line = (
        r"%SystemRoot%\System32\WindowsPowerShell\v1.0\powershell.exe"
        f" -NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand {coded}"
    )
    if len(line) > _MAX_LINE:
        raise LimitError(
            f"a PowerShell script of {len(script)} characters is too long for a command"
        )
    return line
