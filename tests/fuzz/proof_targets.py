"""Targets for what a guest and its QEMU say while they are watched, and for proofs that are handed on."""

import contextlib
import datetime as dt
import socket
import tempfile
import threading
import time
from pathlib import Path
from unittest import mock

import msgspec
import proof_seeds as seeds
from target import Target

from kensho.model.errors import KenshoError, ProofError
from kensho.storage import MemorySource


@contextlib.contextmanager
def _saying(data):
    """Give one end of a connection whose other end says so much, and hangs up."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        theirs.sendall(data[: 1 << 16])
        theirs.shutdown(socket.SHUT_WR)
        yield ours


def _agent(data):
    """Each answer of an agent, as every command takes it."""
    from kensho.proof.probes import agent as probe
    from kensho.proof.qemu import agent as a

    told = []
    with _saying(data) as connection:
        agent, until = a.Agent(connection), time.monotonic() + 5
        for command, kind in (
            ("guest-info", a._Info), ("guest-get-osinfo", a._System),
            ("guest-network-get-interfaces", list[a._Nic]), ("guest-exec-status", probe._Status),
        ):  # fmt: skip
            with contextlib.suppress(ProofError):
                found = agent.run(command, kind, until)
                told.append(
                    [a._interface(n) for n in found] if isinstance(found, list) else a.words(found)
                )
    return msgspec.json.encode(told)


def _qmp(data):
    from kensho.proof.qemu import qmp

    told = []
    with _saying(data) as connection, mock.patch.object(qmp, "_connected", return_value=connection):
        asked = qmp.Qmp(Path("monitor"), timeout=5)
        for _ in range(4):
            with contextlib.suppress(ProofError):
                told.append(asked.run("query-status"))
        asked.drain()
    return told, asked.events


def _capture(data):
    """A capture says the same in whatever pieces it comes."""
    from kensho.proof.watch.capture import Ears, heard

    whole = heard(data)
    ears = Ears()
    step = 1 + len(data) % 97
    for at in range(0, len(data), step):
        ears.feed(data[at : at + step])
    assert ears.heard() == whole
    msgspec.json.encode(whole)
    ears.accepted(22, lambda mac: True)
    return whole


def _serial(data):
    """A serial port: milestones, failure, report, and why it failed."""
    from kensho.proof.causes.likely import likely_cause
    from kensho.proof.inside.read import read_report
    from kensho.proof.watch.result import BootResult, Verdict
    from kensho.proof.watch.serial import SerialWatch

    watch = SerialWatch()
    watch.stops = True
    for at in range(0, len(data), 1000):
        watch.feed(data[at : at + 1000], at / 1000)
    text = data.decode("utf-8", "replace")
    result = BootResult(
        verdict=Verdict.FAILED,
        reason=watch.failure,
        seconds=1.0,
        milestones=watch.milestones,
        log="a",
    )
    told = (
        watch.failure,
        watch.stopping,
        read_report(text),
        likely_cause(result, text, driver=None, controller="x"),
    )
    msgspec.json.encode(told)
    return told


def _screen(data):
    from kensho.proof.watch.screen import look_of, read_ppm, text_of, to_png

    text_of(data)
    picture = read_ppm(data)
    return look_of(picture), to_png(picture)[:4096]


def _archive(files):
    """Return a place with a proof's files in memory."""
    from kensho.appliances.store import Store
    from kensho.proof.evidence.place import Place

    store = Store(
        "proof",
        lambda n: len(files[n]) if n in files else None,
        lambda n: MemorySource(files[n], n),
        lambda: None,
    )
    return Place("proof", store, tuple(files))


def _checked(files):
    from cryptography import x509

    from kensho.proof.evidence.check import check_evidence

    certificate = x509.load_pem_x509_certificate(seeds.proof()[1])
    checks = []
    for trusted in ((), (certificate,)):
        with contextlib.suppress(KenshoError):
            checks.append(
                check_evidence(_archive(files), (), trusted, None, dt.datetime.now(dt.UTC))
            )
    msgspec.json.encode(checks)
    return checks


def _envelope(data):
    """Of a signed statement with any other byte nobody says that it is whole and trusted."""
    files = dict(seeds.proof()[0])
    changed = data != files["certificate.json"]
    files["certificate.json"] = data
    for check in _checked(files):
        assert not (changed and check.signature.trusted and check.intact), "a change was not seen"


def _statement(data):
    """A statement that nobody signed: told, and shown on its page without anything of its own running."""
    from kensho.proof.evidence.page import render_page
    from kensho.proof.evidence.portability import files_of
    from kensho.proof.evidence.signed import evidence_of

    files = dict(seeds.proof()[0])
    del files["certificate.json"]
    files["statement.json"] = data
    for check in _checked(files):
        assert not check.signature.trusted
        assert all(line.isprintable() for line in check.said), "something for a terminal to act on"
    evidence = evidence_of(data, "statement.json")
    if not {name for name, _ in files_of(evidence)} <= set(files):
        return None  # a page is made of one's own evidence only
    with _written() as folder:
        page = render_page(evidence, folder)
    assert "<script" not in page.lower()
    return page


@contextlib.contextmanager
def _written():
    """Give a folder with the files of a proof; libFuzzer ends without what is left to the end."""
    with tempfile.TemporaryDirectory(prefix="kensho-fuzz-") as name:
        for path, data in seeds.proof()[0].items():
            (Path(name) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(name) / path).write_bytes(data)
        yield Path(name)


def _bridge(data):
    """The frames of an adapter are the same in whatever pieces they come."""
    from kensho.proof.together.bridge import Sees, _Port

    def frames(step):
        port, found = _Port(None, 0, Sees.ALL), []
        with contextlib.suppress(ValueError):
            for at in range(0, len(data), step):
                found += port.frames(data[at : at + step])
        return found

    whole = frames(max(1, len(data)))
    assert frames(1 + len(data) % 13) == whole or not whole
    return whole


def _answer(data):
    """What a service of a guest answers to each kind of probe."""
    from kensho.proof.probes import http, ssh

    until, told = time.monotonic() + 5, []
    for module, ask in (
        (ssh, lambda: ssh.banner_of(("", 0), until)),
        (http, lambda: http.status_of(("", 0), "/", until, tls=False)),
    ):
        with (
            _saying(data) as connection,
            mock.patch.object(module, "connect", return_value=connection),
        ):
            told.append(ask())
    msgspec.json.encode(told)
    assert all(answer.seen.isprintable() for answer in told)
    return told


def _domain(data):
    from kensho.appliances.xmlsafe import parse_xml
    from kensho.proof.qemu.domain import _machine

    root, _ = parse_xml(data, path="a.xml")
    return _machine(root, Path("/nonexistent")) if root.tag == "domain" else None


def _nbd(data):
    """A client that says anything is answered or left, and what is read of the disk is what is there."""
    from kensho.disks import open_disk
    from kensho.disks.nbd.negotiate import negotiate
    from kensho.disks.nbd.protocol import ClientGoneError, Export
    from kensho.disks.nbd.session import Session

    export = Export(open_disk(MemorySource(bytes(range(256)) * 512), format="raw"))
    ours, theirs = socket.socketpair()
    answers = []

    def listen():
        while more := theirs.recv(1 << 16):
            answers.append(more)

    with ours, theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        theirs.sendall(data[: 1 << 16])
        theirs.shutdown(socket.SHUT_WR)
        thread = threading.Thread(target=listen)
        thread.start()
        with contextlib.suppress(ClientGoneError, OSError):
            agreed = negotiate(ours, export)
            if agreed is not None:
                Session(ours, export, agreed).run(threading.Event())
        ours.shutdown(socket.SHUT_RDWR)
        thread.join()
    return b"".join(answers)


PROOFS = {
    "agent": Target(_agent, seeds.agent_seeds, packed=False),
    "qmp": Target(_qmp, seeds.qmp_seeds, packed=False),
    "capture": Target(_capture, seeds.capture_seeds, packed=False),
    "serial": Target(_serial, seeds.serial_seeds, packed=False),
    "screen": Target(_screen, seeds.screen_seeds, packed=False),
    "envelope": Target(_envelope, seeds.envelope_seeds, packed=False),
    "statement": Target(_statement, seeds.statement_seeds, packed=False),
    "bridge": Target(_bridge, seeds.bridge_seeds, packed=False),
    "answer": Target(_answer, seeds.answer_seeds, packed=False),
    "domain": Target(_domain, seeds.domain_seeds, packed=False),
    "nbd": Target(_nbd, seeds.nbd_seeds, packed=False),
}
