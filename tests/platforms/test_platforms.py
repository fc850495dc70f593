from __future__ import annotations

import importlib

import pytest

from kensho.disks import descriptor_of
from kensho.model.errors import UsageError
from kensho.model.machine import Firmware
from kensho.platforms import PLATFORMS, Platform, find_form, find_platform


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda p: p.name)
def test_every_platform_is_whole(platform: Platform) -> None:
    assert platform.untested
    for firmware in {f for form in platform.forms for f in form.firmware}:
        for policy in (platform.native, platform.compatible):
            choice = policy.drives[firmware]
            for model in (choice.disk, choice.cdrom, choice.boot_disk or choice.disk):
                assert platform.support(model, firmware) is not None
            boot = platform.support(choice.boot_disk or choice.disk, firmware)
            assert boot is not None
            assert firmware in boot.boots
            assert policy.nic in policy.keep_nics
            known = {c.model for c in platform.controllers}
            assert policy.keep <= known


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda p: p.name)
def test_every_form_has_a_writer_that_exists(platform: Platform) -> None:
    for form in platform.forms:
        assert form.render or form.container
        module, _, function = (form.render or form.container).partition(":")
        assert callable(getattr(importlib.import_module(module), function))
        if form.render:
            assert form.disk.subformat in descriptor_of(form.disk.format).writers
        assert "{name}" in form.next_step


def test_names_and_aliases_are_unique() -> None:
    names = [n for p in PLATFORMS for n in (p.name, *p.aliases)]
    assert len(set(names)) == len(names)


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as error:
        find_platform("bhyve")
    assert "kvm" in error.value.hint
    with pytest.raises(UsageError) as error:
        find_form(find_platform("vmware"), "xva")
    assert "vmx" in error.value.hint


def test_only_an_ova_for_virtualbox_is_told_bios_only() -> None:
    bios_only = [
        (platform.name, form.name)
        for platform in PLATFORMS
        for form in platform.forms
        if Firmware.UEFI not in form.firmware
    ]
    assert bios_only == [("virtualbox", "ova")]
