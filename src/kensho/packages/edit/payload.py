"""The files of a package while it is edited: what stays, what is new, where each is read from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from kensho.appliances.names import file_stem
from kensho.disks import DiskReader, open_disk
from kensho.disks.transfer import How, Target, write_disk
from kensho.model.errors import UsageError
from kensho.model.extent import Kind
from kensho.packages.rewrite import PackageFile
from kensho.packages.source import OvfPackage
from kensho.storage import ByteSource, FileSource
from kensho.storage.locator import open_source, sibling_opener

STREAM_URI = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"


#: From (phase, subject) to what is told (done, total) in bytes.
Watch = Callable[[str, str], Callable[[int, int], None]]


def nobody(phase: str, subject: str) -> Callable[[int, int], None]:
    """Watch nothing."""
    del phase, subject
    return lambda done, total: None  # noqa: ARG005


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to put into the package; a disk in another form becomes a streamOptimized VMDK.

    ``size`` is what a converted disk shall have, in bytes, at least what it has. ``opener`` gives the bytes of a file that no locator names, such as one of another package;
    ``digests`` are what that package says they hash to.
    """

    locator: str
    convert: bool = False
    size: int | None = None
    opener: Callable[[], ByteSource] | None = None
    digests: Mapping[str, str] | None = None


@dataclass(slots=True)
class Payload:
    """Names in the order of the package; None is what the package has under that name already."""

    files: dict[str, NewFile | None] = field(default_factory=dict)

    def free(self, name: str) -> str:
        """Return ``name``, numbered when there is one like it."""
        return numbered(name, taken_names(self.files))

    def add(self, name: str, file: NewFile) -> str:
        """Take in a file and return the name it has from now on."""
        name = self.free(name)
        self.files[name] = file
        return name

    def remove(self, name: str) -> None:
        """Leave a file out, and its chunks (``name.000000000`` …)."""
        for known in list(self.files):
            if known == name or (known.startswith(f"{name}.") and known[len(name) + 1 :].isdigit()):
                del self.files[known]


def whole_name(name: str) -> str:
    """Return a chunk's name (``name.000000000``) without its number, other names as they are."""
    return name[:-10] if name[-10:-9] == "." and name[-9:].isdigit() else name


def taken_names(names: Iterable[str]) -> set[str]:
    """Return names in lower case, for case is ignored; of chunks, the whole file's as well."""
    known = [name.lower() for name in names]
    return {*known, *map(whole_name, known)}


def numbered(name: str, taken: set[str]) -> str:
    """Return ``name``, numbered when it is in ``taken`` (lower case), and add it there."""
    stem, dot, suffix = name.rpartition(".")
    candidate, number = name, 1
    while candidate.lower() in taken:
        number += 1
        candidate = f"{stem}-{number}.{suffix}" if dot else f"{name}-{number}"
    taken.add(candidate.lower())
    return candidate


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """What a disk image says of itself; sizes in bytes. ``ready``: fit to be taken in as it is."""

    name: str
    capacity: int
    populated: int
    ready: bool


def payload_of(package: OvfPackage) -> Payload:
    """Return the files of a package as they are."""
    return Payload(dict.fromkeys(package.files))


def look_at_disk(locator: str) -> DiskFacts:
    """Open a disk image of any format and say what becomes of it."""
    with _opened(locator) as (source, reader):
        ready = (reader.format, reader.subformat) == ("vmdk", "streamOptimized")
        stem = file_stem(Path(source.name.rpartition("#")[2]).stem)
        populated = sum(e.length for e in reader.extents() if e.kind is Kind.DATA)
        return DiskFacts(f"{stem}.vmdk", reader.virtual_size, populated, ready)


@contextmanager
def materialised(
    payload: Payload,
    package: OvfPackage | None,
    beside: Path,
    digests: Mapping[str, Mapping[str, str]],
    watch: Watch = nobody,
) -> Iterator[list[PackageFile]]:
    """Open all files; disks are converted into a hidden folder in ``beside``, removed afterwards.

    ``digests`` are those of files that stay, by name.
    """
    with ExitStack() as stack:
        folder: Path | None = None
        result: list[PackageFile] = []
        for name, new in payload.files.items():
            if new is None:
                if package is None:
                    raise UsageError(f"there is no file {name!r}")
                source: ByteSource = package.store.open(name)
            elif new.opener is not None:
                source = new.opener()
            elif not new.convert:
                source = open_source(new.locator)
            else:
                if folder is None:
                    hidden = TemporaryDirectory(prefix=".kensho-", dir=beside)
                    folder = Path(stack.enter_context(hidden))
                source = _converted(new, folder / f"{len(result)}.vmdk", name, watch)
            stack.callback(source.close)
            known = digests.get(name) if new is None else new.digests
            result.append(PackageFile(name, source, known))
        yield result


def _converted(new: NewFile, path: Path, name: str, watch: Watch) -> FileSource:
    with _opened(new.locator) as (_, reader):
        target = Target("vmdk", "streamOptimized", new.size or reader.virtual_size)
        write_disk(
            reader,
            path,
            target,
            How(identity=path.name.encode(), verify=True),
            on_copy=watch("convert", name),
            on_verify=watch("verify", name),
        )
    return FileSource(path)


@contextmanager
def _opened(locator: str) -> Iterator[tuple[ByteSource, DiskReader]]:
    source = open_source(locator)
    try:
        reader = open_disk(source, sibling=sibling_opener(locator))
        try:
            yield source, reader
        finally:
            reader.close()
    finally:
        source.close()
