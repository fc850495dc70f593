"""A monitor that is silent, lies, or never stops talking: bounded, and told once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from kensho.model.errors import ProofError
from kensho.proof.qemu.qmp import Qmp
from kensho.proof.watch.observe import Observer

GREETING = b'{"QMP": {"version": {}, "capabilities": []}}\n'
READY = GREETING + b'{"return": {}}\n'


@pytest.fixture
def monitor(tmp_path: Path):
    """Return a function: a socket that says something to whoever connects, and then again and again."""
    over = threading.Event()
    threads: list[threading.Thread] = []

    def make(said: bytes, again: bytes = b"") -> Path:
        path = tmp_path / "qmp"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            connection.settimeout(0.2)
            with listener, connection:
                connection.sendall(said)
                while not over.is_set():
                    try:
                        connection.sendall(again) if again else over.wait(0.05)
                    except TimeoutError:
                        continue
                    except OSError:
                        return

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return path

    yield make
    over.set()
    for thread in threads:
        thread.join()


def test_silence_is_waited_for_once(monitor: Callable[..., Path], tmp_path: Path) -> None:
    qmp = Qmp(monitor(READY), timeout=2)
    with pytest.raises(ProofError, match="does not answer"):
        qmp.run("query-status")
    assert not qmp.answers
    qmp.close()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\xff\xfe\n",
        b"[1, 2]\n",
        GREETING + b'{"error": 5}\n',
        GREETING + b"17\n",
        b"[" * 200_000 + b"\n",
    ],
)
def test_what_makes_no_sense_is_an_error(said: bytes, monitor: Callable[..., Path]) -> None:
    with pytest.raises(ProofError):
        Qmp(monitor(said), timeout=0.3)


@pytest.mark.parametrize("again", [b'{"event": "RESET"}\n', b" "], ids=["events", "half a line"])
def test_one_that_never_stops_talking_and_does_not_answer(
    again: bytes, monitor: Callable[..., Path]
) -> None:
    qmp = Qmp(monitor(READY, again), timeout=0.3)
    with pytest.raises(ProofError, match=r"QEMU does not answer|more than anybody reads"):
        qmp.run("query-status")
    assert not qmp.answers
    assert len(qmp.events) <= 1000
    qmp.close()


def test_an_observer_lives_with_it(monitor: Callable[..., Path], tmp_path: Path) -> None:
    event = (
        b'{"event": "RESET", "data": 7}\n{"event": 1}\n'
        b'{"timestamp": {"seconds": 5, "microseconds": 0}, "event": "RESET", "data": {"guest": true}}\n'
    )
    seen = Observer(monitor(READY, event * 50), (), tmp_path)
    while not (found := seen.events("RESET")):  # it begins in a moment
        pass
    assert len(found) <= 1000  # the first thousand of all that was said
    assert all(data == {"guest": True} for data in found)
    seen.events("RESET")
    assert len(seen.events("RESET")) <= 1000
    seen.close()


def test_a_qemu_that_has_ended_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(ProofError, match="does not open its monitor"):
        Qmp(tmp_path / "none", timeout=1e6, runs=lambda: False)
