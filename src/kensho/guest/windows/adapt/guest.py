"""What a step of a Windows adaptation is given."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from kensho.guest.aims import Aims
from kensho.guest.edit.draft import Draft
from kensho.guest.files.tree import GuestFiles
from kensho.guest.inspect.systems import Opened, System
from kensho.guest.volumes.scan import Volume
from kensho.guest.windows.adapt.hives import Hives
from kensho.guest.windows.adapt.names import Names
from kensho.guest.windows.changes import Editor
from kensho.guest.windows.firstboot.plan import FirstBootFile, FirstBootScript
from kensho.guest.windows.installed import windows_folder
from kensho.guest.windows.version import WindowsVersion, read_version


@dataclass(frozen=True, slots=True)
class WindowsGuest:
    """A Windows on a machine's volumes, what is wanted of it, and where changes go.

    ``system.files`` has the machine's other volumes, too, each below `place_of` it. Hives are opened and
    edited through ``hives``, which writes them to ``draft`` after the last step; ``scripts`` are what
    steps want to be run when Windows starts for the first time, ``files`` what these need.
    """

    system: System
    opened: Opened
    aims: Aims
    draft: Draft
    folder: str
    names: Names
    hives: Hives
    version: WindowsVersion
    scripts: list[FirstBootScript] = field(default_factory=list)
    files: list[FirstBootFile] = field(default_factory=list)

    @property
    def registry(self) -> Editor:
        """The SYSTEM hive."""
        return self.hives.open(f"{self.folder}/System32/config/SYSTEM", "SYSTEM")

    @property
    def software(self) -> Editor:
        """The SOFTWARE hive."""
        return self.hives.open(f"{self.folder}/System32/config/SOFTWARE", "SOFTWARE")

    @property
    def others(self) -> tuple[Volume, ...]:
        """The machine's other volumes whose files are read."""
        found = self.opened.volumes.volumes
        return tuple(
            v for v in found if v.id in self.opened.systems and v.id != self.system.volume.id
        )

    def real(self, path: str) -> str:
        """Return a path as the guest's directories spell it."""
        return self.names.real(path)

    def exists(self, path: str) -> bool:
        """Tell whether there will be such a file, whatever the case of its name."""
        return self.draft.exists(self.real(path))

    def has_file(self, path: str) -> bool:
        r"""Tell whether there will be a file below the folder of Windows (``System32\drivers\disk.sys``)."""
        return self.exists(f"{self.folder}/{path.replace(chr(92), '/')}")


def place_of(volume: Volume) -> str:
    """Return where another volume's files are found in a guest: no name in Windows has a colon."""
    return f"/{volume.id.replace('/', '-')}:"


def open_windows(system: System, opened: Opened, aims: Aims) -> WindowsGuest:
    """Open a Windows for its adaptation; raises what reading its hives does."""
    others = {
        place_of(volume): opened.systems[volume.id]
        for volume in opened.volumes.volumes
        if volume.id in opened.systems and volume.id != system.volume.id
    }
    files = GuestFiles(system.files.root, others)
    draft, names = Draft(files, system.volume.id), Names(files)
    folder = names.real(windows_folder(files))
    hives = Hives(draft, names)
    version = read_version(
        hives.open(f"{folder}/System32/config/SOFTWARE", "SOFTWARE").hive,
        hives.open(f"{folder}/System32/config/SYSTEM", "SYSTEM").hive,
    )
    whole = replace(system, files=files)
    return WindowsGuest(whole, opened, aims, draft, folder, names, hives, version)
