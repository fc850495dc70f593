"""What is seen of a running guest's screen: its pictures, and what it shows as text."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

import msgspec

from kensho.model.errors import KenshoError
from kensho.proof.qemu.monitor import Monitor
from kensho.proof.watch.screen import TEXT_AT, TEXT_SIZE, Look, look_of, read_ppm, text_of, to_png

MAX_PICTURES = 12
_STOPPED = {Look.STOPPED, Look.DARK}
_STOP_SCREEN, _MOST_STOPS = "stop screen", 2  #: of such a picture, and how many are kept


class Screenshot(msgspec.Struct, frozen=True):
    """A picture of the screen: ``file`` is a PNG, ``at`` seconds from the start, ``when`` a milestone."""

    file: str
    sha256: str
    at: float
    when: str
    look: Look


class Pictures:
    """The pictures that are kept of a guest's screen, in ``folder``, and the text that it shows.

    QEMU writes what it shows to ``scratch``: it may do so after nobody waits for it any more.
    """

    def __init__(self, monitor: Monitor, folder: Path, scratch: Path) -> None:
        self._monitor = monitor
        self._folder = folder
        self._scratch = scratch
        self.screenshots: list[Screenshot] = []
        self.text: tuple[str, ...] = ()  #: the last text screen that was seen

    def read_text(self) -> tuple[str, ...]:
        """Return the lines of the text screen; none when it shows a picture, or nothing new."""
        path = self._scratch / "text"
        if not self._monitor.does("pmemsave", val=TEXT_AT, size=TEXT_SIZE, filename=str(path)):
            return ()
        try:
            lines = text_of(path.read_bytes()[:TEXT_SIZE])
            path.unlink()
        except OSError:  # QEMU ended
            return ()
        if lines == self.text or not _is_text("".join(lines)):
            return ()
        self.text = lines
        return lines

    def look_for_stop(self, at: float) -> None:
        """Keep a picture of what looks like Windows' stop screen: it is there for seconds, and then it restarts."""
        kept = sum(shot.when == _STOP_SCREEN for shot in self.screenshots)
        if kept < _MOST_STOPS:
            self.take(_STOP_SCREEN, at, only=_STOPPED)

    def take(
        self, when: str, at: float, only: Collection[Look] = frozenset(Look)
    ) -> Screenshot | None:
        """Keep a picture of the screen, None when it is as before, looks like another, or there are enough."""
        path = self._scratch / "screen"
        if len(self.screenshots) >= MAX_PICTURES or not self._monitor.does(
            "screendump", filename=str(path)
        ):
            return None
        try:
            picture = read_ppm(path.read_bytes())
        except (KenshoError, OSError):  # between two modes, or it has ended
            return None
        finally:
            path.unlink(missing_ok=True)
        look = look_of(picture)
        if look not in only:
            return None
        data = to_png(picture)
        digest = hashlib.sha256(data).hexdigest()
        if self.screenshots and self.screenshots[-1].sha256 == digest:
            return None
        name = f"screen{len(self.screenshots) + 1:02d}.png"
        (self._folder / name).write_bytes(data)
        taken = Screenshot(name, digest, at, when, look)
        self.screenshots.append(taken)
        return taken


def _is_text(text: str) -> bool:
    """Tell text from what a graphics mode leaves at the same place."""
    known = sum(c.isascii() and c.isprintable() for c in text)
    return bool(text.strip()) and known >= len(text) * 0.9
