from __future__ import annotations

import pytest

from kensho.model import guest_os
from kensho.model.errors import UsageError

SAYS_BITS = ("vmw", "vmx", "vbox")
DIALECTS = (*SAYS_BITS, "osinfo", "pve", "xen")
#: Ids that vendors use for "whatever it is".
ANYTHING = {"otherguest", "otherguest64", "other", "other-64", "other install media"}
ANYTHING |= {"http://libosinfo.org/unknown"}


def test_ids_are_unique_and_32_bit_rows_have_a_64_bit_partner():
    ids = [row.id for row in guest_os.TABLE]
    assert len(set(ids)) == len(ids)
    for row in guest_os.TABLE:
        if row.id.endswith("-32"):
            assert row.bits == 32
            assert guest_os.get(row.id.removesuffix("-32")).bits == 64


@pytest.mark.parametrize("row", guest_os.TABLE, ids=lambda row: row.id)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_vendor_id_read_back_stays_in_its_family(row, dialect):
    value = guest_os.to_vendor(row.id, dialect)
    assert value
    if value.lower() in ANYTHING:
        return
    back = guest_os.get(guest_os.from_vendor(dialect, value) or "other")
    assert back.family == row.family
    if dialect in SAYS_BITS:
        assert back.bits == row.bits
        assert guest_os.to_vendor(back.id, dialect) == value


@pytest.mark.parametrize("row", guest_os.TABLE, ids=lambda row: row.id)
def test_the_cim_number_read_back_stays_in_its_family(row):
    back = guest_os.get(guest_os.from_cim(row.cim, row.bits))
    assert back.bits == row.bits
    if row.cim not in {1, 102}:
        assert back.family == row.family


@pytest.mark.parametrize(
    ("dialect", "value", "expected"),
    [
        ("vmw", "debian12_64Guest", "debian12"),
        ("vmw", "DEBIAN12_64GUEST", "debian12"),
        ("vmw", "debian99_64Guest", "debian"),
        ("vmw", "debian99Guest", "debian-32"),
        ("vmw", "rhel9_64Guest", "rhel9"),
        ("vmw", "ubuntu64Guest", "ubuntu"),
        ("vmw", "winNetEnterprise64Guest", "win2k3"),
        ("vmw", "winNetEnterpriseGuest", "win2k3-32"),
        ("vmw", "windows2019srvNext_64Guest", "win2k22"),
        ("vmw", "windows2025srvNext_64Guest", "windows"),
        ("vmw", "other7xLinux64Guest", "linux6"),
        ("vmw", "otherGuest64", "other"),
        ("vmx", "debian12-64", "debian12"),
        ("vmx", "windows7srv-64", "win2k8r2"),
        ("vmx", "longhorn", "win2k8-32"),
        ("vmx", "other-64", "other"),
        ("vmx", "other", "other-32"),
        ("vmx", "vmware-photon-64", "photon"),
        ("vbox", "Debian12_64", "debian12"),
        ("vbox", "Ubuntu26_LTS_64", "ubuntu"),
        ("vbox", "RedHat9_64", "rhel9"),
        ("vbox", "Windows2022_64", "win2k22"),
        ("osinfo", "http://debian.org/debian/12", "debian12"),
        ("osinfo", "http://debian.org/debian/99", "debian"),
        ("osinfo", "http://microsoft.com/win/2k22", "win2k22"),
        ("osinfo", "http://oracle.com/solaris/12", "solaris10"),
        ("osinfo", "http://oracle.com/ol/9.3", "oraclelinux"),
        ("pve", "l26", "linux"),
        ("pve", "win11", "win11"),
        ("xen", "Windows Server 2022 (64-bit)", "win2k22"),
        ("xen", "Debian Trixie 13", "debian13"),
        ("xen", "Debian Forky 14", "debian"),
        ("vmw", "beos5Guest", None),
        ("vmw", "", None),
    ],
)
def test_known_vendor_ids(dialect, value, expected):
    assert guest_os.from_vendor(dialect, value) == expected


@pytest.mark.parametrize(
    ("guest_id", "dialect", "expected"),
    [
        ("debian12", "vmw", "debian12_64Guest"),
        ("debian12", "vmx", "debian12-64"),
        ("win2k22", "vmx", "windows2019srvnext-64"),
        ("win2k12r2", "vmx", "windows8srv-64"),
        ("other", "vmx", "other-64"),
        ("other-32", "vmx", "other"),
        ("winxp-32", "vmx", "winxppro"),
        ("ubuntu24.04", "vbox", "Ubuntu24_LTS_64"),
        ("ubuntu", "osinfo", "http://libosinfo.org/linux/2022"),
        ("win2k25", "xen", "Windows Server 2025"),
        ("win11", "pve", "win11"),
    ],
)
def test_known_words(guest_id, dialect, expected):
    assert guest_os.to_vendor(guest_id, dialect) == expected


@pytest.mark.parametrize(
    ("number", "bits", "expected"),
    [
        (96, None, "debian"),
        (95, None, "debian-32"),
        (94, 64, "ubuntu"),
        (80, 64, "rhel"),
        (101, None, "linux"),
        (36, None, "linux-32"),
        (100, None, "linux6"),
        (105, None, "win7"),
        (105, 32, "win7-32"),
        (102, None, "other"),
        (1, None, "other-32"),
        (0, None, "other"),
        (104, None, "other"),
        (107, None, "centos"),
        (77, None, "win2k8"),
    ],
)
def test_cim_numbers(number, bits, expected):
    assert guest_os.from_cim(number, bits) == expected


def test_an_unknown_id_is_refused():
    with pytest.raises(UsageError, match="nosuch"):
        guest_os.get("nosuch")
