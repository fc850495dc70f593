"""What a guest answered, in words for the table and as HTML for the page."""

from __future__ import annotations

from pathlib import Path

import msgspec

from kensho.proof.causes.likely import Cause
from kensho.proof.evidence.page_words import adapter_words
from kensho.proof.evidence.portability import untested
from kensho.proof.evidence.seen import answer_words, answers, driven_by
from kensho.proof.evidence.words import _answers, _outcomes
from kensho.proof.probes import ProbeResult
from kensho.proof.qemu.agent import AgentSeen, Interface
from kensho.proof.trial import Outcome
from kensho.proof.watch.capture import Heard
from tests.proof.evidence.made_up import booted, evidence, judged

HEARD = (Heard("52:54:00:12:34:56", 9, asked=True, lease="10.0.2.15", addresses=("10.0.2.15",)),)


def test_a_guest_that_answers(tmp_path: Path) -> None:
    trial = msgspec.structs.replace(
        booted(tmp_path, "vmware-ide", ""),
        probes=(
            ProbeResult("tcp:22", ok=True, seen="open", seconds=0.5),
            ProbeResult("agent:false", ok=False, seen="exit code 1: <b>", seconds=60, output="<b>\nx"),
        ),
        agent=AgentSeen("7.2.22", "Debian", (Interface("ens4", "52:54", ("10.0.2.15/24",)),)),
        agent_port=True,
        memory=64 << 20,
        notes=(Cause("KF-975", "it stays on", "cut its power"),),
    )  # fmt: skip
    said = "tcp:22 answers; agent:false fails; agent 7.2.22; it stays on (KF-975)"
    assert answer_words(trial) == said
    html = answers(trial)
    assert '<span class="mark pass">tcp:22</span> open' in html
    assert "<pre>&lt;b&gt;\nx</pre>" in html
    assert "guest agent 7.2.22 in Debian: ens4 10.0.2.15/24" in html
    assert "it stays on: cut its power (KF-975)" in html
    assert driven_by(trial) == {
        "root file system": "sd, mptspi",
        "network": "e1000, pci, 10.0.2.15/24",
    }
    words = " ".join(untested((trial,)))
    assert "virtio serial port" in words
    assert "probes came over QEMU's own network" in words
    assert "every start was with one processor and 64 MiB of memory" in words


def test_a_guest_that_was_not_asked(tmp_path: Path) -> None:
    assert answer_words(judged()) == answers(judged()) == ""
    trial = booted(tmp_path, "vmware-ide", "", cause=Cause("KF-963", "panic", ""))
    assert answers(trial) == ""
    assert "virtio" not in " ".join(untested((trial,)))
    shut = msgspec.structs.replace(trial, milestones={"login": 4.0, "shutdown": 9.0})
    assert answer_words(shut) == "shut down by ACPI"


def test_an_address_that_was_heard(tmp_path: Path) -> None:
    trial = msgspec.structs.replace(
        booted(tmp_path, "vmware-ide", "", cause=Cause("KF-963", "panic", "")), heard=HEARD
    )
    assert adapter_words(trial) == "52:54:00:12:34:56: leased 10.0.2.15"
    assert driven_by(trial)["network"] == "52:54:00:12:34:56: leased 10.0.2.15"


def test_what_verify_says_of_it(tmp_path: Path) -> None:
    good = msgspec.structs.replace(
        booted(tmp_path, "vmware-ide", ""),
        probes=(ProbeResult("tcp:22", ok=True, seen="open", seconds=0.5),),
        milestones={"login": 9.0, "shutdown": 12.0},
    )
    bad = msgspec.structs.replace(
        good, profile="kvm-virtio", outcome=Outcome.FAIL, milestones={"login": 9.0},
        probes=(ProbeResult("tcp:22", ok=False, seen="closed", seconds=60),),
    )  # fmt: skip
    dead = booted(tmp_path, "hyperv-gen1", "", cause=Cause("KF-963", "panic", ""))
    dead = msgspec.structs.replace(dead, milestones={"kernel": 3.0})
    bare = msgspec.structs.replace(
        good, profile="xen-hvm-e1000", outcome=Outcome.UNKNOWN, cause=Cause("KF-978", "silent", "")
    )
    told = [
        *_outcomes(evidence(tmp_path, good, bad, dead, bare)),
        *_answers(evidence(tmp_path, good, bad)),
    ]
    assert told == [
        "came up on vmware-ide",
        "did not come up on hyperv-gen1",
        "came up, and did not do what is asked of it, on kvm-virtio",
        "came up, and by which drivers is not known, on xen-hvm-e1000",
        "probe tcp:22 answered on vmware-ide",
        "probe tcp:22 was not answered on kvm-virtio",
        "shut down when asked by ACPI on vmware-ide",
    ]
