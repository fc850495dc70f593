"""A text of the guest changed in the draft, or a finding where its file system is not edited."""

from __future__ import annotations

from kensho.guest.edit.backends import choose
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.model.errors import KenshoError
from kensho.model.finding import Severity


def why_not(guest: LinuxGuest, path: str) -> str:
    """Return why files at ``path`` are not edited; empty when they are."""
    place = guest.opened.where(*guest.system.files.mount_of(guest.system.files.settled(path)))
    if place is None:
        return ""
    try:
        choose(place[0])
    except KenshoError as error:
        return f"{place[0].id}: {error.message}"
    return ""


def change(
    guest: LinuxGuest,
    path: str,
    text: str,
    why: str,
    details: tuple[str, ...] = (),
    *,
    mode: int = 0o644,
) -> bool:
    """Plan a file's text. KF-862 and False when it would change but is not edited."""
    if guest.draft.exists(path) and guest.draft.text(path) == text:
        return True
    reason = why_not(guest, path)
    if reason:
        guest.draft.note(
            "KF-862", Severity.WARNING, f"{path} has to change but cannot be ({reason})",
            "in the guest, before the move: " + ("; ".join(details) or why),
        )  # fmt: skip
        return False
    guest.draft.write(path, text, why, details=tuple(dict.fromkeys(details)), mode=mode)
    return True
