"""What people ran into, one test per thread: it is said beforehand, and mended where it can be."""

from __future__ import annotations

import pytest
from lxml import etree

from kensho.cli.exits import run
from kensho.packages.source import opened_ovf
from kensho.packages.validate.engine import validate
from kensho.packages.validate.fix import mend
from kensho.packages.validate.judge import judge
from kensho.packages.validate.profile import Effect
from kensho.packages.validate.profiles.table import PROFILES
from kensho.packages.validate.rule import Mode
from kensho.packages.validate.subject import package_subject
from kensho.packages.validate.write_fixed import algorithm_for, write_fixed
from tests.packages.validate.samples import (
    SIZE,
    SYSTEM_END,
    changed,
    codes,
    item,
    package,
    subject,
    vmdk,
    with_items,
    zipped,
)

IDE = item(6, 5, "ResourceSubType=PIIX4|Address=0")
SOUND = item(7, 35, "ResourceSubType=ensoniq1371")
VIRTUALBOX = changed(
    ("vmx-13", "virtualbox-2.2"),
    with_items(IDE, SOUND),
    ("E1000", "virtio"),
    ("ovf:/disk", "/disk"),
)


def verdict(text, target):
    return judge(subject(text), PROFILES[target])


def mended(path, *targets, mode=Mode.SPEC):
    with opened_ovf(path) as opened:
        return mend(opened, [PROFILES[t] for t in targets], mode)


def fixed(path, out, *targets):
    """Mend the package, write it, and return the verdicts on the result and its files."""
    profiles = [PROFILES[t] for t in targets]
    with opened_ovf(path) as opened:
        result = mend(opened, profiles)
        write_fixed(opened, result, str(out), algorithm=algorithm_for(profiles))
    with opened_ovf(out) as opened:
        new = package_subject(opened)
        errors = [v for v in validate(new) if v.severity == "error"]
        manifest = (opened.manifest or b"").decode()
        return result, {p.name: judge(new, p) for p in profiles}, errors, manifest


@pytest.mark.parametrize("target", ["esxi-6.7", "esxi-7", "esxi-8", "workstation"])
def test_owncloud_vm_53_dradispro_297_cyphon_176_unsupported_family_virtualbox(tmp_path, target):
    before = verdict(VIRTUALBOX, target)
    assert before.verdict is Effect.REFUSE
    assert any("virtualbox-2.2" in r.message and r.line for r in before.reasons)
    result, after, errors, _ = fixed(package(tmp_path, VIRTUALBOX), tmp_path / "out.ova", target)
    assert after[target].verdict is not Effect.REFUSE
    assert errors == []
    done = " ".join(c.done for c in result.changes)
    assert "virtualbox-2.2 became vmx-" in done  # the family
    assert "item 6 has no subtype" in done  # the IDE controller
    assert "item 5 is E1000" in done  # the adapter
    assert "item 7 is marked" in done  # sound


@pytest.mark.parametrize(
    ("family", "target", "becomes"),
    [
        ("vmx-19", "esxi-6.7", "vmx-14"),
        ("vmx-20", "esxi-7", "vmx-17"),
        ("vmx-99", "esxi-8", "vmx-20"),
    ],
)
def test_nextcloud_vm_556_bitnami_1555_librenms_36_sift_420_too_new_a_family(
    tmp_path, family, target, becomes
):
    text = changed(("vmx-13", family))
    assert verdict(text, target).verdict is Effect.REFUSE
    result = mended(package(tmp_path, text), target)
    assert result.verdicts[0].verdict is Effect.LOSS  # a host drops the property, as said
    assert becomes in etree.tostring(result.root, encoding="unicode")


def test_a_list_of_families_is_taken_when_one_of_them_is(tmp_path):
    text = changed(("vmx-13", "vmx-99, vmx-11 xen-3"))
    assert not [r for r in verdict(text, "esxi-7").reasons if r.code == "KF-696"]


@pytest.mark.parametrize("spelling", ["SHA256 ", "SHA1 "])
def test_home_assistant_826_nextcloud_910_2607_a_blank_before_the_bracket(tmp_path, spelling):
    path = package(tmp_path, manifest=spelling)
    with opened_ovf(path) as opened:
        assert "KF-691" in {v.code for v in validate(package_subject(opened))}
        assert judge(package_subject(opened), PROFILES["esxi-7"]).verdict is Effect.REFUSE
    _, after, _, manifest = fixed(path, tmp_path / "new.ova", "esxi-7")
    assert manifest.startswith("SHA256(")
    assert after["esxi-7"].verdict is not Effect.REFUSE


def test_home_assistant_3654_sha2_256(tmp_path):
    path = package(tmp_path, manifest="SHA2-256")
    with opened_ovf(path) as opened:
        assert judge(package_subject(opened), PROFILES["esxi-8"]).verdict is Effect.REFUSE
    _, after, _, manifest = fixed(path, tmp_path / "new.ova", "esxi-8")
    assert "SHA2-" not in manifest
    assert after["esxi-8"].verdict is not Effect.REFUSE


@pytest.mark.parametrize(("algorithm", "target"), [("SHA1", "esxi-8"), ("SHA512", "kvm")])
def test_opencti_1642_vic_5443_turnkey_827_digests_that_a_target_does_not_read(
    tmp_path, algorithm, target
):
    path = package(tmp_path, manifest=algorithm)
    with opened_ovf(path) as opened:
        assert judge(package_subject(opened), PROFILES[target]).verdict is Effect.REFUSE
    _, after, _, manifest = fixed(path, tmp_path / "new.ova", target)
    assert manifest.startswith("SHA256(")
    assert after[target].verdict is not Effect.REFUSE


def test_cot_65_mininet_483_sparse_vmdk_version_too_old(tmp_path):
    new = vmdk(tmp_path / "x.vmdk")
    assert new[4] == 3  # what kensho writes
    old = bytearray(new)
    old[4] = 1
    for data, is_old in ((new, False), (bytes(old), True)):
        path = package(tmp_path / str(is_old), files={"disk1.vmdk": data})
        with opened_ovf(path) as opened:
            found = {v.code for v in validate(package_subject(opened))}
            reasons = judge(package_subject(opened), PROFILES["esxi-7"]).reasons
        assert ("KF-637" in found) == is_old
        assert any("too old" in r.message for r in reasons) == is_old


def test_ecs_communityedition_329_compressed_disks_are_unpacked(tmp_path):
    disk = vmdk(tmp_path / "x.vmdk")
    text = changed(
        ('ovf:href="disk1.vmdk"', 'ovf:compression="gzip" ovf:href="disk1.vmdk.gz"'),
        ("@SIZE@", str(len(zipped(disk)))),
    )
    path = package(tmp_path, text, files={"disk1.vmdk.gz": zipped(disk)})
    with opened_ovf(path) as opened:
        assert judge(package_subject(opened), PROFILES["esxi-7"]).verdict is Effect.REFUSE
    _, after, errors, _ = fixed(path, tmp_path / "out" / "new.ovf", "esxi-7")
    assert (tmp_path / "out" / "disk1.vmdk").read_bytes() == disk
    assert errors == []
    assert after["esxi-7"].verdict is not Effect.REFUSE


def test_packetfence_5522_piix4_is_dropped_for_vmware(tmp_path):
    text = changed(with_items(IDE))
    assert any("PIIX4" in r.message for r in verdict(text, "esxi-7").reasons)
    result = mended(package(tmp_path, text), "esxi-7")
    assert "PIIX4" not in result.after.decode()
    assert "PIIX4" in mended(package(tmp_path / "b", text), "virtualbox-7").after.decode()


def test_gns3_vm_40_extra_config_may_be_skipped(tmp_path):
    extra = '<vmw:ExtraConfig vmw:key="vhv.enable" vmw:value="TRUE"/>'
    text = changed(("<Info>Hardware</Info>", "<Info>Hardware</Info>" + extra))
    assert any("vhv.enable" in r.message for r in verdict(text, "esxi-7").reasons)
    result = mended(package(tmp_path, text), "esxi-7")
    assert not [r for r in result.verdicts[0].reasons if "vhv.enable" in r.message]
    assert 'required="false"' in result.after.decode()
    assert "vhv.enable" in result.after.decode()


def test_xen_orchestra_3962_ovf_elements_without_a_prefix(tmp_path):
    text = changed()
    for name in (
        "Envelope",
        "References",
        "File",
        "DiskSection",
        "VirtualSystem",
        "Item",
        "System",
    ):
        for bracket in ("<", "</"):
            for end in (" ", ">", "\n"):
                text = text.replace(f"{bracket}{name}{end}", f"{bracket}ovf:{name}{end}")
    text = text.replace("<Item><!--", "<Item>").replace(
        "<DiskSection>", "<DiskSection><!-- <ovf:kept/> -->"
    )
    assert "<ovf:Envelope" in text
    result = mended(package(tmp_path, text), "xcp-ng")
    after = result.after.decode()
    assert "<Envelope" in after
    assert "<ovf:" not in after.replace("<ovf:kept/>", "")
    assert 'ovf:id="web01"' in after  # attributes keep theirs
    before, root = etree.fromstring(text.encode()), etree.fromstring(result.after)
    assert [e.tag for e in before.iter()] == [e.tag for e in root.iter()]


def test_xenadmin_202_settings_of_xen_are_refused_by_workstation(tmp_path):
    other = '<xenovf:VirtualSystemOtherConfigurationData Name="HVM_boot_policy"/>'
    text = changed((SYSTEM_END, other + SYSTEM_END))
    before = verdict(text, "workstation")
    assert before.verdict is Effect.REFUSE
    assert any("VirtualSystemOtherConfigurationData" in r.message for r in before.reasons)
    result = mended(package(tmp_path, text), "workstation")
    assert result.verdicts[0].verdict is Effect.ACCEPT
    assert "HVM_boot_policy" in result.after.decode()


def test_xenadmin_107_a_missing_capacity_is_inferred(tmp_path):
    text = changed((f'ovf:capacity="{SIZE}" ', ""))
    assert verdict(text, "xencenter").verdict is Effect.REFUSE
    assert "KF-610" in codes(text)
    result, after, errors, _ = fixed(package(tmp_path, text), tmp_path / "new.ova", "xencenter")
    assert f'capacity="{SIZE}"' in result.after.decode()
    assert after["xencenter"].verdict is not Effect.REFUSE
    assert errors == []


def test_xen_orchestra_6824_the_capacity_is_the_images_not_the_files(tmp_path):
    disk = vmdk(tmp_path / "x.vmdk", 8 * SIZE)
    path = package(tmp_path, files={"disk1.vmdk": disk})
    with opened_ovf(path) as opened:
        found = {v.code: v.severity.value for v in validate(package_subject(opened), Mode.LAX)}
    assert found["KF-635"] == "warning"
    assert f'capacity="{8 * SIZE}"' in mended(path).after.decode()


@pytest.mark.parametrize("target", ["virtualbox-6", "virtualbox-7"])
def test_almalinux_303_packer_497_unknown_resource_type_32768(tmp_path, target):
    text = changed(with_items(item(9, 32768)))
    assert "KF-694" in codes(text)
    before = verdict(text, target)
    assert before.verdict is Effect.REFUSE
    assert any("32768" in r.message for r in before.reasons)
    result = mended(package(tmp_path, text), target)
    assert result.verdicts[0].verdict is Effect.LOSS
    assert not any(r.effect is Effect.REFUSE for r in result.verdicts[0].reasons)


def test_packer_examples_1045_talos_8798_uefi_without_its_variables(tmp_path):
    efi = '<vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>'
    store = '<vmw:ExtraConfig ovf:required="false" vmw:key="nvram" vmw:value="ovf:/file/nv"/>'
    bare = changed(("<Info>Hardware</Info>", "<Info>Hardware</Info>" + efi))
    assert "KF-687" in codes(bare)
    assert any("BIOS" in r.message for r in verdict(bare, "virtualbox-7").reasons)
    file = '<File ovf:id="nv" ovf:href="web.nvram" ovf:size="4"/></References>'
    whole = changed(("</References>", file), (efi, efi + store), base=bare)
    assert not {"KF-687", "KF-688"} & codes(whole)
    path = package(
        tmp_path, whole, files={"disk1.vmdk": vmdk(tmp_path / "x"), "web.nvram": b"vars"}
    )
    out = tmp_path / "out" / "new.ovf"
    fixed(path, out, "esxi-7")
    assert (tmp_path / "out" / "web.nvram").read_bytes() == b"vars"
    assert "nvram" in out.read_text()


def test_windows_admin_center_368_wazuh_1977_hyper_v_gets_vhdx_and_a_script(tmp_path):
    path = package(tmp_path, ova=True)
    with opened_ovf(path) as opened:
        answer = judge(package_subject(opened), PROFILES["hyper-v"])
    assert answer.verdict is Effect.REFUSE
    assert "kensho convert" in answer.hint
    assert (
        run(["convert", str(path), "--to", "hyperv", "--accept-eula", "-o", str(tmp_path / "out")])
        == 0
    )
    made = {p.suffix for p in (tmp_path / "out").rglob("*")}
    assert {".vhdx", ".ps1"} <= made


def test_blackarch_1937_websploit_1_ovf_2_becomes_ovf_1_for_vmware(tmp_path):
    two = changed().replace("/envelope/1", "/envelope/2")
    assert verdict(two, "esxi-7").verdict is Effect.REFUSE
    result, after, errors, _ = fixed(package(tmp_path, two), tmp_path / "new.ova", "esxi-7")
    assert after["esxi-7"].verdict is not Effect.REFUSE
    assert errors == []
    assert result.root.tag == "{http://schemas.dmtf.org/ovf/envelope/1}Envelope"
