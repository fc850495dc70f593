"""Probes as they are written on the command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho.model.errors import UsageError
from kensho.proof.probes import Kind, Probe, parse


def test_every_kind() -> None:
    words = ("tcp:22", "http:80", "https:8443/a?b=c", "ssh:2222", "agent:systemctl is-active x:y")
    assert parse((*words, "tcp:22")) == (
        Probe("tcp:22", Kind.TCP, 22),
        Probe("http:80", Kind.HTTP, 80, "/"),
        Probe("https:8443/a?b=c", Kind.HTTPS, 8443, "/a?b=c"),
        Probe("ssh:2222", Kind.SSH, 2222),
        Probe("agent:systemctl is-active x:y", Kind.AGENT, command="systemctl is-active x:y"),
    )


@pytest.mark.parametrize(
    "word",
    ["", "tcp", "tcp:", "tcp:0", "tcp:65536", "tcp:٢٢", "tcp:22/x", "ssh:22/", "udp:53", "http:80x",
     "http:80/a b", "http:80/ü", "http:80/\r\nX: y", "agent:", "agent: ", "agent:a\nb", "tcp:-1",
     "agent:" + "x" * 1024],
)  # fmt: skip
def test_what_is_none(word: str) -> None:
    with pytest.raises(UsageError):
        parse([word])


def test_there_is_an_end_to_them() -> None:
    with pytest.raises(UsageError, match="33 probes"):
        parse([f"tcp:{port}" for port in range(1, 34)])


@given(st.text())
def test_any_text(word: str) -> None:
    try:
        (probe,) = parse([word])
    except UsageError:
        return
    assert probe.name == word
    assert parse([probe.name]) == (probe,)
