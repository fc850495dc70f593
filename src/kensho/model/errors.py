"""Every error kensho raises on purpose.

::

    KenshoError                     1
    ├── UsageError                  2   the command line or an argument makes no sense
    │   └── LocatorError            2   a source or target cannot be found or read as named
    │       └── NotFoundError       2   nothing is there, or the server will not say what
    ├── FormatError                 1   the bytes are not what the format demands
    │   ├── CorruptError            1   a structure contradicts itself, the file or a checksum
    │   ├── TruncatedError          1   the file ends before what it promises
    │   ├── LimitError              1   a size is beyond what any honest file needs
    │   └── UnsupportedError       12   valid, but a variant kensho does not read or write
    ├── PackageError                1   a package as a whole is wrong
    │   ├── UnsafePathError         1   a member or reference would leave the package
    │   ├── ManifestMismatchError  11   a digest does not match the bytes
    │   └── DecryptionError        11   a key does not fit, or what it opens was changed
    ├── PlanBlockedError           10   the plan has findings that forbid the run
    ├── NoSpaceError               14   the target has too little room
    ├── ToolMissingError            1   an external program is needed and absent
    ├── VerificationError          11   the result does not equal its source
    ├── ProofError                 15   a guest did not boot as required
    ├── EulaNotAcceptedError       16   the package has licence agreements nobody accepted
    └── InterruptedRunError        75   stopped half way; the same command resumes or starts clean

The number is the exit code of the command line. Codes (``KE-…``) are stable.
"""

from __future__ import annotations

from typing import ClassVar


class KenshoError(Exception):
    """Base of all errors; says what happened, where, and what to do.

    ``path`` names the file, ``offset`` the byte in it, ``field`` the structure
    member or XML path. All three are optional and are part of the message.
    """

    code: ClassVar[str] = "KE-001"
    exit_code: ClassVar[int] = 1
    hint: str = ""

    def __init__(
        self,
        message: str,
        *,
        path: object = None,
        offset: int | None = None,
        field: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.message = message
        self.path = None if path is None else str(path)
        self.offset = offset
        self.field = field
        if hint is not None:
            self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        where = self.path or ""
        if self.offset is not None:
            where += f" @ {self.offset:#x}"
        if self.field:
            where += f" [{self.field}]"
        where = where.strip()
        return f"{where}: {self.message}" if where else self.message


class UsageError(KenshoError):
    """The request itself makes no sense."""

    code = "KE-002"
    exit_code = 2


class LocatorError(UsageError):
    """A source or target cannot be found or read as it was named."""

    code = "KE-003"
    hint = "check the path, and the rights to it"


class NotFoundError(LocatorError):
    """Nothing is there; servers that hide what they have answer the same."""


class FormatError(KenshoError):
    """The bytes are not what the format demands."""

    code = "KE-100"


class CorruptError(FormatError):
    """A structure contradicts itself, the file's size or a checksum."""

    code = "KE-101"


class TruncatedError(FormatError):
    """The file ends before what it promises."""

    code = "KE-102"
    hint = "the copy is probably incomplete: fetch the file again and compare its size"


class LimitError(FormatError):
    """A size or depth is beyond what any honest file needs."""

    code = "KE-103"


class UnsupportedError(FormatError):
    """Valid, but a variant that kensho does not handle."""

    code = "KE-104"
    exit_code = 12


class PackageError(KenshoError):
    """A package as a whole is wrong: members, references, descriptor."""

    code = "KE-200"


class UnsafePathError(PackageError):
    """A member or reference would leave the package's folder."""

    code = "KE-201"
    hint = "do not trust this package; kensho reads nothing outside a package's folder"


class ManifestMismatchError(PackageError):
    """A digest in the manifest does not match the bytes."""

    code = "KE-202"
    exit_code = 11
    hint = "the file was changed or damaged after the manifest was written; fetch it again"


class DecryptionError(PackageError):
    """A passphrase or private key does not fit, or encrypted bytes were changed."""

    code = "KE-203"
    exit_code = 11
    hint = "nothing was written; check the passphrase or the key, then the package: kensho verify"


class PlanBlockedError(KenshoError):
    """The plan has findings of severity ``blocked``; nothing was written."""

    code = "KE-300"
    exit_code = 10


class NoSpaceError(KenshoError):
    """The target has too little room."""

    code = "KE-301"
    exit_code = 14
    hint = "free space there, or write to another place"


class ToolMissingError(KenshoError):
    """An external program is needed for this and is not installed."""

    code = "KE-302"
    hint = "`kensho doctor` lists what to install"


class VerificationError(KenshoError):
    """The result's content does not equal its source's."""

    code = "KE-303"
    exit_code = 11
    hint = "nothing was put in place; please report this with the plan and the report"


class ProofError(KenshoError):
    """A guest did not boot as required."""

    code = "KE-400"
    exit_code = 15


class EulaNotAcceptedError(KenshoError):
    """The package has licence agreements that nobody accepted; nothing was written."""

    code = "KE-410"
    exit_code = 16
    hint = "read them with `kensho eula PACKAGE`, then add --accept-eula"


class InterruptedRunError(KenshoError):
    """Stopped half way; nothing that looks finished was left."""

    code = "KE-500"
    exit_code = 75
    hint = "run the same command again: it keeps what was complete, or says that it starts anew"
