"""Probes of ports: real servers of others, and servers that mean ill."""

from __future__ import annotations

import functools
import http.server
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kensho.proof.probes import Address, ProbeResult, parse, run
from tests.proof.probes.servers import (
    Answering,
    closing,
    dripping,
    flooding,
    saying,
    serving,
    waiting,
)


def asked(word: str, address: Address | None, **how: object) -> ProbeResult:
    """Ask once, unless there are seconds to ask again."""
    (probe,) = parse([word])
    once = {} if "seconds" in how else {"seconds": 20, "stopped": lambda: True}
    return run(probe, address, None, **once, **how)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Address]:
    (tmp_path / "index.html").write_text("it works")
    (tmp_path / "folder").mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[0], server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize(
    ("word", "ok", "seen"),
    [
        ("http:80", True, "HTTP/1.0 200 OK"),
        ("http:80/folder", True, "HTTP/1.0 301 Moved Permanently"),
        ("http:80/none", False, "HTTP/1.0 404 File not found"),
        ("https:80/", False, "no TLS: "),
        ("ssh:80", False, "it says nothing"),
    ],
)
def test_a_web_server(web: Address, word: str, ok: bool, seen: str) -> None:
    told = asked(word, web)
    assert (told.ok, told.name) == (ok, word)
    assert told.seen.startswith(seen)


def test_a_web_server_with_a_certificate_of_nobody(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other"]
    subprocess.run([*make, "-keyout", key, "-out", cert], check=True, capture_output=True)
    line = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-www", "-key", key, "-cert", cert]
    with subprocess.Popen(
        line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None
            while not (said := server.stdout.readline()).startswith("ACCEPT "):
                assert said, "it does not listen"
            told = asked("https:443/", ("127.0.0.1", int(said.rpartition(":")[2])))
        finally:
            server.kill()
    assert told.ok, told
    assert told.seen.startswith("HTTP/1.0 200")


@pytest.mark.parametrize(
    ("word", "answer", "ok", "seen"),
    [
        ("tcp:1", saying(b"220 mail\r\n"), True, "open; it says: 220 mail"),
        ("tcp:1", closing, False, "the connection is closed at once"),
        ("tcp:1", flooding, True, "open; it says:"),
        ("ssh:1", saying(b"SSH-2.0-OpenSSH_9.2\r\n"), True, "SSH-2.0-OpenSSH_9.2"),
        ("ssh:1", saying(b"go away\r\nSSH-1.99-x y\r\n"), True, "SSH-1.99-x y"),
        ("ssh:1", saying(b"SSH-2.0-\x1b[31m\xff\r\n"), True, "SSH-2.0- [31m"),
        ("ssh:1", closing, False, "it says nothing"),
        ("ssh:1", flooding, False, "no SSH:"),
        ("http:1/", saying(b"HTTP/1.1 204 \r\n"), True, "HTTP/1.1 204"),
        ("http:1/", saying(b"HTTP/1.1 2000 \r\n"), False, "no HTTP: HTTP/1.1 2000"),
        ("http:1/", saying(b"SSH-2.0-x\r\n"), False, "no HTTP: SSH-2.0-x"),
        ("http:1/", flooding, False, "no HTTP:"),
        ("http:1/", closing, False, ""),
        ("https:1/", saying(b"220 mail\r\n"), False, "no TLS: "),
    ],
)  # fmt: skip
def test_what_is_said(word: str, answer: Answering, ok: bool, seen: str) -> None:
    with serving(answer) as address:
        told = asked(word, address)
    assert told.ok is ok, told
    assert told.seen.startswith(seen)
    assert told.seen.isprintable()
    assert len(told.seen) < 300


@pytest.mark.parametrize("word", ["ssh:1", "http:1/", "https:1/"])
@pytest.mark.parametrize("answer", [dripping, waiting])
def test_there_is_an_end_to_waiting(word: str, answer: Answering) -> None:
    begun = time.monotonic()
    with serving(answer) as address:
        assert not asked(word, address, seconds=1).ok
    assert time.monotonic() - begun < 60


def test_a_port_that_waits_is_open_when_the_guest_itself_took_it() -> None:
    with serving(waiting) as address:
        assert asked("tcp:1", address).ok  # nothing is between
        assert asked("tcp:1", address, answered=lambda: True).ok
        told = asked("tcp:1", address, answered=lambda: False)
    assert (told.ok, told.seen) == (False, "no answer: nothing accepts, nothing refuses")


def test_a_port_that_takes_its_time_to_speak_is_waited_for() -> None:
    def slow(connection: socket.socket) -> None:
        time.sleep(1)
        saying(b"220 mail\r\n")(connection)

    with serving(slow) as address:
        assert asked("tcp:1", address, silence=0.2).seen.startswith("open; it accepts")
        assert asked("tcp:1", address, silence=20).seen == "open; it says: 220 mail"


def test_it_is_asked_again_until_it_is_there() -> None:
    tries: list[int] = []

    def answer(connection: socket.socket) -> None:
        tries.append(1)
        if len(tries) > 1:
            saying(b"hello")(connection)

    with serving(answer) as address:
        told = asked("tcp:1", address, seconds=30)
    assert told.ok
    assert told.seconds >= 1
    assert len(tries) == 2


def test_nobody_waits() -> None:
    begun = time.monotonic()
    with serving(closing) as address:
        assert not asked("tcp:1", address, seconds=60, stopped=lambda: True).ok
    assert time.monotonic() - begun < 50


def test_what_leads_nowhere() -> None:
    assert asked("tcp:1", None, seconds=60).seen == "no address leads to its port"
    assert asked("agent:true", None, seconds=60).seen == "no agent's port was there"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # nobody listens, and nobody else gets it
        assert asked("tcp:1", free.getsockname()).seen == "Connection refused"
