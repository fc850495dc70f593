"""Words are read back as what they were written for; versions hold what they say."""

from __future__ import annotations

from itertools import chain

import pytest

from kensho.model import guest_os
from kensho.model.errors import UsageError
from kensho.model.machine import ControllerModel, Firmware
from kensho.platforms import PLATFORMS, Platform
from kensho.platforms.chosen import at
from kensho.platforms.versions import find, to_write
from kensho.platforms.words import Row, Vocabulary, controller_word, meaning, word_for
from tests.convert.machines import machine

VOCABULARIES = [v for p in PLATFORMS for v in p.words]
VERSIONED = [(p, v) for p in PLATFORMS for v in p.versions]


def tables(vocabulary: Vocabulary) -> list[tuple[Row[str], ...]]:
    v = vocabulary
    return [v.controllers, v.nics, v.sound, v.usb, v.video, v.serial]


@pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=lambda v: v.format)
def test_both_directions_of_a_table_are_inverses(vocabulary: Vocabulary) -> None:
    for rows in tables(vocabulary):
        for row in rows:
            assert meaning(rows, row.words[0]) == row.means
            assert meaning(rows, row.words[0].upper()) == row.means
            assert not row.written or word_for(rows, row.means) == row.words[0]
        words = [w.lower() for w in chain.from_iterable(r.words for r in rows)]
        assert len(words) == len(set(words))


@pytest.mark.parametrize("platform", [p for p in PLATFORMS if p.words], ids=lambda p: p.name)
def test_what_a_policy_names_has_a_word(platform: Platform) -> None:
    policies = [platform.native, platform.compatible, *platform.guests.values()]
    policies += [platform.fallback] if platform.fallback else []
    for vocabulary in platform.words:
        if not vocabulary.controllers:
            continue
        for policy in policies:
            models = set(policy.keep)
            for choice in policy.drives.values():
                models |= {choice.disk, choice.cdrom, choice.boot_disk or choice.disk}
            assert all(controller_word(vocabulary.controllers, m) is not None for m in models)
            if vocabulary.nics:
                assert all(word_for(vocabulary.nics, n) for n in {policy.nic, *policy.keep_nics})


@pytest.mark.parametrize(("platform", "version"), VERSIONED, ids=lambda x: x.name)
def test_a_version_is_a_platform(platform: Platform, version) -> None:
    there = at(platform, version.name)
    assert there.version == version.name
    assert there.most_cpus == version.cpus
    known = {c.model for c in there.controllers}
    assert not known & version.lacks
    for policy in (there.native, there.compatible, *there.guests.values()):
        assert policy.nic not in version.lacks


@pytest.mark.parametrize("platform", [p for p in PLATFORMS if p.versions], ids=lambda p: p.name)
def test_the_newest_version_has_the_platforms_limits(platform: Platform) -> None:
    newest = platform.versions[-1]
    assert (platform.most_cpus, platform.most_memory, platform.most_nics) == (
        newest.cpus,
        newest.memory,
        newest.nics,
    )
    assert len({v.name for v in platform.versions}) == len(platform.versions)


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda p: p.name)
def test_choices_for_guests_are_possible(platform: Platform) -> None:
    for policy in [*platform.guests.values(), *([platform.fallback] if platform.fallback else [])]:
        for firmware in Firmware:
            choice = policy.drives[firmware]
            boot = platform.support(choice.boot_disk or choice.disk, firmware)
            assert boot is not None
            assert firmware in boot.boots
            assert platform.support(choice.cdrom, firmware) is not None


def test_every_guest_is_of_a_generation() -> None:
    assert {guest_os.generation(row.id) for row in guest_os.TABLE} == set(guest_os.Generation)
    assert guest_os.generation("win2k3") is guest_os.Generation.WINDOWS_XP_64
    assert guest_os.generation("win2k3-32") is guest_os.Generation.WINDOWS_XP
    assert guest_os.generation("win2k25") is guest_os.Generation.WINDOWS


def test_an_unknown_version_is_answered_with_the_known_ones() -> None:
    vmware = next(p for p in PLATFORMS if p.name == "vmware")
    with pytest.raises(UsageError) as error:
        at(vmware, "vmx-3")
    assert "vmx-13" in error.value.hint
    portable = next(p for p in PLATFORMS if p.name == "ova")
    with pytest.raises(UsageError, match="no version"):
        at(portable, "1")


def test_a_version_is_chosen_when_it_holds_the_machine() -> None:
    vmware = next(p for p in PLATFORMS if p.name == "vmware")
    nvme = machine(controller=ControllerModel.NVME, firmware=Firmware.UEFI)
    assert to_write(vmware.versions, nvme).name == "vmx-13"
    eight = find(vmware.versions, "vmx-8")
    assert eight is not None
    assert eight is find(vmware.versions, "VMX-08")
    assert ControllerModel.AHCI in eight.lacks
