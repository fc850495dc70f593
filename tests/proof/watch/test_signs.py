"""What is made of all the places where a guest says something, and of a firmware's log in pieces."""

from __future__ import annotations

from pathlib import Path

import pytest

from kensho.proof.watch import signs
from kensho.proof.watch.signs import FirmwareLog, Signs


def test_whatever_shows_a_milestone_first_tells_when() -> None:
    seen = Signs()
    seen.serial.feed(b"SeaBIOS (version 1.16)\nguest login: ", 9.0)
    seen.firmware.feed(b"SeaBIOS (version 1.16)\n", 1.0)
    seen.screen.feed(b"GNU GRUB  version 2.06\n", 4.0)
    assert seen.milestones == {"firmware": 1.0, "boot loader": 4.0, "login": 9.0}


def test_a_restart_takes_back_that_it_came_up_and_nothing_else() -> None:
    seen = Signs()
    seen.firmware.feed(b"SeaBIOS (version 1.16)\n", 1.0)
    seen.serial.feed(b"guest login: ", 9.0)
    seen.restart()
    assert seen.milestones == {"firmware": 1.0}


@pytest.mark.parametrize("where", ["serial", "firmware", "screen"])
def test_a_failure_counts_wherever_it_is_said_until_it_came_up(where: str) -> None:
    seen = Signs()
    assert not seen.failure
    getattr(seen, where).feed(b"Kernel panic - not syncing: x\n", 1.0)
    assert "Kernel panic" in seen.failure
    seen.forgive()
    assert not seen.failure


def test_a_firmwares_log_is_read_as_it_grows_and_cut_when_it_is_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signs, "MAX_LOG", 8)
    path = tmp_path / "firmware.log"
    log = FirmwareLog(path)
    assert log.more() == b""  # not there yet
    path.write_bytes(b"one")
    assert (log.more(), log.more()) == (b"one", b"")
    path.write_bytes(b"one, two!")
    assert log.more() == b", two!"
    assert log.more() == b""
    assert path.stat().st_size == 0
    assert FirmwareLog(None).more() == b""
