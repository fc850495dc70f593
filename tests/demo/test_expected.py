"""What the demo's proof takes for right and for wrong."""

from __future__ import annotations

import copy

import pytest

from expected import STARTED, expected, objections
from kensho.guest.devices import CONTROLLERS, NICS

BEFORE = {
    p.name: {"outcome": "pass"}
    if expected(p) == "pass"
    else {"outcome": "fail", "cause": {"code": expected(p)}}
    for p in STARTED
}
AFTER = {
    p.name: {
        "outcome": "pass",
        "reason": "",
        "inside": {
            "drivers": ["sd", CONTROLLERS[p.controller].linux[0]],
            "nics": [{"drivers": [NICS[p.adapter].linux[-1]], "address": "10.0.2.15/24"}],
        },
    }
    for p in STARTED
}


def test_what_has_to_be_is_fine() -> None:
    assert objections(BEFORE, AFTER) == []
    codes = [expected(p) for p in STARTED]
    assert len(codes) >= 12
    assert {*codes} == {"pass", "KF-960", "KF-973"}
    assert len(codes) - codes.count("pass") >= 8


@pytest.mark.parametrize(
    ("when", "profile", "trial", "said"),
    [
        ("before", "vmware-sata", {"outcome": "pass"}, "KF-960 was to be expected, not pass"),
        ("before", "vmware-ide", {"outcome": "fail"}, "pass was to be expected, not no cause"),
        ("after", "vmware-ide", {"outcome": "fail", "reason": "?"}, "no cause"),
        ("after", "vmware-ide", {"outcome": "pass"}, "did not report"),
        ("after", "vmware-ide", AFTER["vmware-sata"], "its root is on sd, ahci"),
        ("after", "vmware-pvscsi", {**AFTER["vmware-pvscsi"], "inside": {**AFTER["vmware-pvscsi"]["inside"], "nics": []}}, "no address"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(when: str, profile: str, trial: dict, said: str) -> None:
    before, after = copy.deepcopy(BEFORE), copy.deepcopy(AFTER)
    {"before": before, "after": after}[when][profile] = trial
    assert said in " ".join(objections(before, after))
