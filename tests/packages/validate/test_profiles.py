"""What targets say of packages."""

from __future__ import annotations

import pytest

from kensho.model.errors import UsageError
from kensho.packages.validate.judge import judge
from kensho.packages.validate.profile import Effect
from kensho.packages.validate.profiles.table import PROFILES, profiles_of
from kensho.packages.validate.questions.table import QUESTIONS
from kensho.packages.validate.subject import read_subject
from tests.packages.validate.samples import changed, item, subject, with_items

ACCEPT, LOSS, REFUSE = Effect.ACCEPT, Effect.LOSS, Effect.REFUSE
DISK = '<Disk ovf:capacity="4194304" ovf:diskId="vmdisk1" ovf:fileRef="file1"'
COLLECTION = (
    ("  <VirtualSystem ", '  <VirtualSystemCollection ovf:id="all"><Info/>\n  <VirtualSystem '),
    ("  </VirtualSystem>", "  </VirtualSystem></VirtualSystemCollection>"),
)
TWO = changed().replace("/envelope/1", "/envelope/2")
DRAFT = changed().replace(
    "http://schemas.dmtf.org/ovf/envelope/1", "http://www.vmware.com/schema/ovf/1/envelope"
)


def verdict(text, target):
    return judge(subject(text), PROFILES[target])


def test_a_portable_package_is_refused_by_nobody_but_hyper_v():
    verdicts = {name: verdict(changed(), name).verdict for name in PROFILES}
    assert {name for name, v in verdicts.items() if v is REFUSE} == {"hyper-v"}
    assert verdicts["portable-1"] is ACCEPT


def test_all_targets_of_the_issue_are_there():
    names = "portable-1,esxi-6.7,esxi-7,esxi-8,workstation,virtualbox-6,virtualbox-7,xencenter"
    assert [p.name for p in profiles_of(f"{names},xcp-ng,xo,proxmox,kvm,hyper-v")] == list(PROFILES)


def test_an_unknown_target():
    with pytest.raises(UsageError, match="no target is called"):
        profiles_of("esxi-7,amiga")


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda p: p.name)
def test_profiles_are_whole(profile):
    assert set(profile.features) <= set(QUESTIONS)
    assert profile.basis
    assert set(profile.versions) == {"0.9", "1", "2"}
    for device in (profile.devices or {}).values():
        assert device.effect is ACCEPT or device.why
        assert device.other is ACCEPT or device.why
        assert all(s == s.lower() for s in device.subtypes or ())
    for feature in profile.features.values():
        assert feature.effect is ACCEPT or feature.why


def test_every_question_is_asked_by_someone():
    assert {name for p in PROFILES.values() for name in p.features} == set(QUESTIONS)


CASES = [
    ("a family", changed(("vmx-13", "virtualbox-2.2")), {"esxi-7": REFUSE, "virtualbox-7": LOSS}),
    ("OVF 2", TWO, {"workstation": REFUSE, "virtualbox-6": LOSS, "proxmox": REFUSE, "kvm": REFUSE}),
    ("OVF 0.9", DRAFT, {"workstation": ACCEPT, "proxmox": REFUSE, "portable-1": REFUSE}),
    (
        "a collection",
        changed(*COLLECTION),
        {
            "esxi-7": REFUSE,
            "virtualbox-7": LOSS,
            "proxmox": REFUSE,
            "kvm": REFUSE,
            "xcp-ng": REFUSE,
        },
    ),
    (
        "memory in GiB",
        changed(("byte * 2^20", "byte * 2^30"), ("y>1024<", "y>1<")),
        {"virtualbox-6": REFUSE, "virtualbox-7": LOSS, "proxmox": REFUSE, "kvm": REFUSE},
    ),
    (
        "memory in bytes",
        changed(("byte * 2^20", "byte")),
        {"xcp-ng": REFUSE, "workstation": ACCEPT},
    ),
    (
        "an unknown device",
        changed(with_items(item(9, 89))),
        {"virtualbox-6": REFUSE, "esxi-7": REFUSE, "proxmox": LOSS},
    ),
    (
        "an unknown device that may be skipped",
        changed(with_items(item(9, 89, "", 'ovf:required="false"'))),
        {"virtualbox-6": LOSS, "workstation": LOSS},
    ),
    (
        "an NVMe controller",
        changed(("AHCI", "vmware.nvme.controller")),
        {"virtualbox-6": REFUSE, "virtualbox-7": LOSS, "workstation": ACCEPT, "portable-1": REFUSE},
    ),
    (
        "a disk on no controller",
        changed(("<rasd:Parent>3</rasd:Parent>", "")),
        {"virtualbox-7": REFUSE, "proxmox": LOSS, "kvm": LOSS},
    ),
    (
        "a CD drive on no controller",
        changed(with_items(item(9, 15))),
        {"virtualbox-6": REFUSE, "workstation": ACCEPT},
    ),
    (
        "a VHD",
        changed(
            (
                "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized",
                "http://www.microsoft.com/technet/virtualserver/downloads/vhdspec.mspx",
            ),
            ("disk1.vmdk", "disk1.vhd"),
        ),
        {"virtualbox-7": REFUSE, "xencenter": LOSS, "workstation": REFUSE, "xcp-ng": REFUSE},
    ),
    (
        "an adapter without AutomaticAllocation",
        changed(("<rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>", "")),
        {"xcp-ng": LOSS, "workstation": ACCEPT},
    ),
    (
        "an InstanceID that is a GUID",
        changed(("<rasd:InstanceID>5<", "<rasd:InstanceID>{0a-1}<")),
        {"virtualbox-6": REFUSE, "virtualbox-7": LOSS},
    ),
    (
        "an empty disk",
        changed((' ovf:fileRef="file1"', "")),
        {"kvm": REFUSE, "xcp-ng": REFUSE, "proxmox": LOSS, "workstation": ACCEPT},
    ),
    ("129 processors", changed(("y>2<", "y>129<")), {"esxi-6.7": REFUSE, "esxi-7": LOSS}),
    ("65 processors", changed(("y>2<", "y>65<")), {"virtualbox-7": REFUSE, "kvm": LOSS}),
    (
        "nine adapters",
        changed(with_items(*(item(20 + n, 10, "Connection=lan") for n in range(8)))),
        {"virtualbox-6": REFUSE, "esxi-7": LOSS},
    ),
    (
        "a file name with a blank",
        changed(("disk1.vmdk", "disk 1.vmdk")),
        {"proxmox": REFUSE, "workstation": ACCEPT},
    ),
]


@pytest.mark.parametrize(("what", "text", "wanted"), CASES, ids=[c[0] for c in CASES])
def test_verdicts(what, text, wanted):
    assert {target: verdict(text, target).verdict for target in wanted} == wanted


def test_a_descriptor_in_utf_16_is_read_and_not_portable():
    data = changed(('encoding="UTF-8"', 'encoding="UTF-16"')).encode("utf-16")
    answer = judge(read_subject(data, "test.ovf"), PROFILES["portable-1"])
    assert any("UTF-16" in reason.message for reason in answer.reasons)


def test_reasons_say_where_and_why():
    text = changed(with_items(item(9, 89)))
    answer = verdict(text, "virtualbox-7")
    reason = answer.reasons[0]
    assert (reason.effect, reason.subject, reason.code) == (REFUSE, "9", "KF-697")
    assert "<rasd:InstanceID>9<" in text.splitlines()[reason.line - 1]
    assert [r.effect for r in answer.reasons] == sorted(
        (r.effect for r in answer.reasons), key=list(Effect).index, reverse=True
    )
