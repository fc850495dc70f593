"""The media a machine of VirtualBox knows: MediaRegistry, by UUID, with differencing parents.

Source: VirtualBox-settings.xsd (TMediaRegistry, THardDisk, TDiffHardDisk). Up to VirtualBox 3.2
the registry was in the global VirtualBox.xml, which does not travel with the machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lxml import etree

from kensho.appliances.ovf.elements import Notes, attribute, child, children, local
from kensho.model.appliance import DiskImage, File
from kensho.model.errors import CorruptError
from kensho.model.finding import Severity

#: Looks a medium's location up: returns the name to use and whether the file is there.
Locate = Callable[[str], tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class Medium:
    """One file; ``parent`` is the UUID of the disk it is a delta on, ``kind`` VirtualBox's type."""

    uuid: str
    location: str
    format: str = ""
    kind: str = ""
    parent: str | None = None
    encrypted_with: str = ""


def plain_uuid(text: str) -> str:
    """Return a UUID without braces, in lower case."""
    return text.strip().strip("{}").lower()


def read_registry(machine: etree._Element, path: str) -> dict[str, Medium]:
    """Return hard disks, DVD and floppy images by UUID; CorruptError when two have one UUID."""
    registry = child(machine, "MediaRegistry")
    found: dict[str, Medium] = {}
    if registry is None:
        return found
    for element in registry.iter():
        name = local(element)
        if name not in {"HardDisk", "Image"}:
            continue
        uuid = plain_uuid(attribute(element, "uuid"))
        if not uuid:
            continue
        if uuid in found:
            raise CorruptError(f"two media have the UUID {uuid}", path=path, field="MediaRegistry")
        above = element.getparent()
        is_delta = name == "HardDisk" and above is not None and local(above) == "HardDisk"
        properties = {attribute(p, "name"): p for p in children(element, "Property")}
        found[uuid] = Medium(
            uuid=uuid,
            location=attribute(element, "location"),
            format=attribute(element, "format"),
            kind=attribute(element, "type"),
            parent=plain_uuid(attribute(above, "uuid")) if is_delta else None,
            encrypted_with=attribute(properties.get("CRYPT/KeyId"), "value")
            or ("a key without a name" if "CRYPT/KeyStore" in properties else ""),
        )
    return found


@dataclass(slots=True)
class Media:
    """The media that drives refer to, listed once each as they are asked for."""

    registry: dict[str, Medium]
    locate: Locate
    notes: Notes
    files: dict[str, File] = field(default_factory=dict)  #: by UUID, or by location
    images: dict[str, DiskImage] = field(default_factory=dict)  #: by UUID

    def disk(self, uuid: str, drive: str) -> tuple[str, Medium]:
        """Return the id of a hard disk's image, with the disks it is based on, and its base."""
        chain = [self._medium(uuid, drive, "vdi")]
        while (parent := chain[-1].parent) is not None:
            chain.append(self._medium(parent, drive, "vdi"))
        for medium in reversed(chain):
            self._list(medium, drive)
        if len(chain) > 1:
            self.notes.add(
                "KF-133",
                Severity.NOTE,
                f"{drive} is the top one of {len(chain)} disks based on each other",
                subject=drive,
                action="read as one disk",
            )
        return self.images[uuid].id, chain[-1]

    def image_file(self, uuid: str, drive: str) -> str:
        """Return the id of the file of a DVD or floppy image."""
        return self.file(uuid, self._medium(uuid, drive, "iso").location, drive)

    def file(self, key: str, location: str, drive: str) -> str:
        """Return the id of the file at ``location``, listing it when ``key`` is new."""
        if key not in self.files:
            name, there = self.locate(location)
            if name != location.replace("\\", "/"):
                self.notes.add(
                    "KF-231",
                    Severity.WARNING,
                    f"{drive} is kept in {location}",
                    subject=drive,
                    action=f"{name} beside the settings is read instead"
                    if there
                    else f"looked for as {name} beside the settings, where it is not",
                )
            self.files[key] = File(f"file{len(self.files) + 1}", name)
        return self.files[key].id

    def _medium(self, uuid: str, drive: str, suffix: str) -> Medium:
        medium = self.registry.get(uuid)
        if medium is not None and medium.location:
            return medium
        # Files that VirtualBox named itself carry the UUID in their name.
        guess = Medium(uuid, f"{{{uuid}}}.{suffix}")
        self.notes.add(
            "KF-232",
            Severity.ERROR,
            f"{drive} has the medium {uuid}, which MediaRegistry does not list",
            subject=drive,
            action=f"looked for as {guess.location} beside the settings; VirtualBox up to 3.2 kept"
            " the list in VirtualBox.xml",
        )
        return guess

    def _list(self, medium: Medium, drive: str) -> None:
        if medium.uuid in self.images:
            return
        below = self.images.get(medium.parent) if medium.parent is not None else None
        file = self.file(medium.uuid, medium.location, drive)
        self.images[medium.uuid] = DiskImage(
            f"disk-{file}",
            file,
            format=medium.format,
            parent=None if below is None else below.id,
        )
        if medium.encrypted_with:
            self.notes.add(
                "KF-233",
                Severity.BLOCKED,
                f"{medium.location} is encrypted by VirtualBox with {medium.encrypted_with}",
                subject=drive,
                action="decrypt it first: VBoxManage encryptmedium UUID --old-password FILE",
            )
