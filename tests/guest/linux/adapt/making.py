"""Guests of a few files, on a real file system; what a step planned carried out on their tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from kensho.guest.aims import Aims
from kensho.guest.edit.draft import Draft
from kensho.guest.files.tree import GuestFiles
from kensho.guest.inspect.systems import Opened, System
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.model.machine import Cpu, Machine, Memory, Nic
from kensho.platforms import PLATFORMS, find_platform
from tests.guest.images_of import ext, files_of, volumes_of

Step = Callable[[LinuxGuest], None]


def plant(tree: Path, files: Mapping[str, str]) -> Path:
    """Write files into a tree; a text that begins with ``->`` is a symbolic link's target."""
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("->"):
            path.symlink_to(text[2:])
        else:
            path.write_text(text)
    return tree


def aims_for(*names: str, **more: object) -> Aims:
    platforms = tuple(find_platform(name) for name in names) or PLATFORMS
    return Aims(platforms, **more)  # type: ignore[arg-type]


def machine_with(nics: Iterable[Nic]) -> Machine:
    return Machine("m", "m", Cpu(), Memory(1 << 30), nics=tuple(nics))


def guest_in(tree: Path, aims: Aims) -> LinuxGuest:
    """Return the guest that a tree is, from an image made of it."""
    image = ext(tree.with_name(f"{tree.name}.img"), tree)
    volumes = volumes_of(image)
    (volume,) = volumes.volumes
    system = System(volume, GuestFiles(files_of(image)), ())
    return LinuxGuest(system, Opened(volumes), aims, Draft(system.files, volume.id))


def adapted(tree: Path, step: Step, aims: Aims) -> Draft:
    """Plan a step and carry it out in the tree; the second time nothing is planned, or this fails."""
    guest = guest_in(tree, aims)
    step(guest)
    for edit in guest.draft.edits:
        path = tree / edit.path[1:]
        if path.is_symlink() or (path.exists() and edit.content is None):
            path.unlink()
        path.parent.mkdir(parents=True, exist_ok=True)
        if edit.target:
            path.symlink_to(edit.target)
        elif edit.content is not None:
            path.write_bytes(edit.content)
            path.chmod(edit.mode)
    again = guest_in(tree, aims)
    step(again)
    assert again.draft.edits == ()
    return guest.draft


def codes(draft: Draft) -> list[str]:
    return [finding.code for finding in draft.findings]
