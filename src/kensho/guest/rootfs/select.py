"""What of a guest's files goes into an image, and what is left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kensho.guest.files.base import Kind
from kensho.guest.files.tree import Found, GuestFiles
from kensho.model.errors import CorruptError, KenshoError

#: Made by the container's own system, or the machine's alone; the directories themselves stay.
_EMPTIED = ("/boot", "/dev", "/proc", "/run", "/sys", "/lost+found")
_KINDS = frozenset({Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK, Kind.FIFO})
#: Attributes that mean something in a container; ACLs and labels of SELinux do not.
_CAPABILITY, _USER = "security.capability", "user."
_LARGEST = 1 << 40  # a sparse file may claim anything, and an image has no holes
_LISTED = 20


@dataclass(slots=True)
class Survey:
    """What a walk met: bytes and files taken, and by reason what was left out."""

    files: int = 0
    size: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def leave(self, reason: str, path: str) -> None:
        """Count what is left out."""
        self.left_out[reason] += 1
        named = self.examples.setdefault(reason, [])
        if len(named) < _LISTED:
            named.append(path)


def chosen(files: GuestFiles, survey: Survey) -> Iterator[Found]:
    """Yield what goes into the image, parents first; the root directory itself is not in it.

    CorruptError for names that lead elsewhere, and what the file systems raise.
    """
    for found in files.walk("/"):
        if found.path == "/":
            continue
        parts = found.path.split("/")[1:]
        if any(part in {"", ".", ".."} for part in parts) or "\0" in found.path:
            raise CorruptError("a name that leads elsewhere", path=found.path[:200])
        if found.path.startswith(tuple(f"{folder}/" for folder in _EMPTIED)):
            survey.leave(f"below /{parts[0]}", found.path)
        elif found.stat.kind not in _KINDS:
            survey.leave(f"{found.stat.kind} files", found.path)
        elif found.stat.kind is Kind.FILE and found.stat.size > _LARGEST:
            survey.leave("files of more than 1 TiB", found.path)
        else:
            survey.files += 1
            if found.stat.kind is Kind.FILE and not found.link:
                survey.size += found.stat.size
            yield found


def attributes(found: Found, survey: Survey) -> Mapping[str, bytes]:
    """Return the extended attributes that are kept."""
    try:
        all_of_them = found.xattrs()
    except KenshoError:
        survey.leave("unreadable attributes", found.path)
        return {}
    kept = {n: v for n, v in all_of_them.items() if n == _CAPABILITY or n.startswith(_USER)}
    for name in all_of_them.keys() - kept.keys():
        survey.leave(f"attributes {name}", found.path)
    return kept


def survey(files: GuestFiles) -> Survey:
    """Return what `layer.write_layer` would take and leave out; no file is read."""
    result = Survey()
    for found in chosen(files, result):
        if not found.link:
            attributes(found, result)
    return result
