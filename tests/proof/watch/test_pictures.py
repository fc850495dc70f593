"""Pictures of a screen, of a QEMU that does not say that it made them."""

from __future__ import annotations

from pathlib import Path

from kensho.proof.qemu.monitor import Monitor
from kensho.proof.watch.pictures import Pictures


class Late(Monitor):
    """Writes what it is asked for, and does not answer in time."""

    def run(self, command: str, **arguments: object) -> object:
        Path(str(arguments["filename"])).write_bytes(b"P6 1 1 255 abc")
        return None


def test_what_comes_too_late_is_not_left_among_the_evidence(tmp_path: Path) -> None:
    kept, scratch = tmp_path / "kept", tmp_path / "scratch"
    kept.mkdir()
    scratch.mkdir()
    seen = Pictures(Late(tmp_path / "none", lambda: False), kept, scratch)
    assert seen.take("end", 1.0) is None
    assert seen.read_text() == ()
    assert list(kept.iterdir()) == []
