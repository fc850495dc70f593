"""Boot loaders' configurations, as distributions write them: names that hold, two consoles, no more."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kensho.guest.edit.draft import Draft
from kensho.guest.linux.adapt.boot.arguments import CONSOLES, with_consoles, without_blacklists
from kensho.guest.linux.adapt.boot.grub import plan_grub
from kensho.guest.linux.adapt.boot.loaders import plan_loaders
from kensho.guest.linux.adapt.boot.resume import plan_resume
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.boot.configs import started
from kensho.guest.linux.boot.syntax import GRUB2, entries
from tests.guest.images_of import run, tool
from tests.guest.linux.adapt.boot.machines import (
    ROOT,
    SWAP,
    Part,
    guest_on,
    make_disk,
    root,
    tree_of,
)  # fmt: skip
from tests.guest.linux.adapt.making import codes

CONFIGS = Path(__file__).with_name("configs")
BY_UUID, SWAP_UUID = f"root=UUID={ROOT}", f"resume=UUID={SWAP}"
PLACES = {
    "debian12-grub.cfg": "/boot/grub/grub.cfg",
    "ubuntu2204-grub.cfg": "/boot/grub/grub.cfg",
    "rhel7-grub.cfg": "/boot/grub2/grub.cfg",
    "rhel8-grub.cfg": "/boot/grub2/grub.cfg",
    "rhel6-grub.conf": "/boot/grub/grub.conf",
    "debian5-menu.lst": "/boot/grub/menu.lst",
    "sles11-menu.lst": "/boot/grub/menu.lst",
    "alpine-extlinux.conf": "/boot/extlinux.conf",
    "arch-loader-entry.conf": "/boot/loader/entries/arch.conf",
}
#: What is to be in place of what: nothing else may differ.
CHANGES = {
    "debian12-grub.cfg": [
        ("root=/dev/sda1 ro  quiet resume=/dev/sda2", f"{BY_UUID} ro  quiet {SWAP_UUID} {CONSOLES}"),
        ("root=/dev/sda1 ro single", f"{BY_UUID} ro single {CONSOLES}"),
    ],
    "ubuntu2204-grub.cfg": [
        ("splash $vt_handoff", f"splash $vt_handoff {CONSOLES}"),
        ("root=/dev/vda1", "root=PARTUUID=c0ffee01-01"),
    ],
    "rhel7-grub.cfg": [("root=/dev/sda1", BY_UUID), ("elevator=noop", f"elevator=noop {CONSOLES}")],
    "rhel8-grub.cfg": [
        ("root=/dev/sda1 ro crashkernel=auto resume=/dev/sda2 ",
         f"{BY_UUID} ro crashkernel=auto {SWAP_UUID} {CONSOLES} "),
    ],
    "rhel6-grub.conf": [
        ("root=/dev/sda1", BY_UUID), ("rhgb quiet", f"rhgb quiet {CONSOLES}"),
        ("console=xvc0", f"{CONSOLES} console=xvc0"),
    ],
    "debian5-menu.lst": [
        ("root=/dev/sda1 ro\n", f"{BY_UUID} ro {CONSOLES}\n"),
        ("root=/dev/sda1 ro quiet", f"{BY_UUID} ro quiet {CONSOLES}"),
        ("root=/dev/sda1 ro single", f"{BY_UUID} ro single {CONSOLES}"),
    ],
    "sles11-menu.lst": [
        ("root=/dev/disk/by-id/scsi-SVMware_Virtual_disk-part1", BY_UUID),
        ("resume=/dev/disk/by-id/scsi-SVMware_Virtual_disk-part2", SWAP_UUID),
        ("vga=0x317", f"vga=0x317 {CONSOLES}"),
    ],
    "alpine-extlinux.conf": [
        ("root=/dev/vda1", BY_UUID), ("rootfstype=ext4", f"rootfstype=ext4 {CONSOLES}"),
    ],
    "arch-loader-entry.conf": [("root=/dev/nvme0n1p1 rw", f"{BY_UUID} rw {CONSOLES}")],
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("disks")


def guest_with(folder: Path, **files: str) -> LinuxGuest:
    tree = tree_of(folder, **{"etc/fstab": f"UUID={ROOT} / ext4 defaults 0 1\n", **files})
    return guest_on(make_disk(folder, root(tree), Part("swap"), label="dos"))


@pytest.mark.parametrize("name", PLACES)
def test_a_distributions_configuration(folder: Path, name: str) -> None:
    before, expected = (CONFIGS / name).read_text(), (CONFIGS / name).read_text()
    for old, new in CHANGES[name]:
        assert old in expected
        expected = expected.replace(old, new)
    guest = guest_with(folder, **{PLACES[name][1:]: before})
    plan_loaders(guest)
    assert guest.draft.text(PLACES[name]) == expected
    assert "KF-863" not in codes(guest.draft)
    again = guest_with(folder, **{PLACES[name][1:]: expected})
    plan_loaders(again)
    assert again.draft.edits == ()


@pytest.mark.parametrize("name", [name for name in PLACES if name.endswith("grub.cfg")])
def test_grub_takes_what_is_written(folder: Path, tmp_path: Path, name: str) -> None:
    guest = guest_with(folder, **{PLACES[name][1:]: (CONFIGS / name).read_text()})
    plan_loaders(guest)
    path = tmp_path / "grub.cfg"
    path.write_text(guest.draft.text(PLACES[name]))
    run("grub-script-check", path)


def test_what_is_not_changed_is_said(folder: Path) -> None:
    text = (CONFIGS / "debian12-grub.cfg").read_text()
    guest = guest_with(folder, **{"boot/grub/grub.cfg": text})
    plan_loaders(guest)
    (finding,) = guest.draft.findings  # the other system's root is on no volume of these disks
    assert (finding.code, "root=/dev/sda3" in finding.message) == ("KF-860", True)
    guest = guest_with(folder, **{"boot/grub/grub.conf": (CONFIGS / "rhel6-grub.conf").read_text()})
    plan_loaders(guest)
    assert [(f.code, "divider=10" in f.message) for f in guest.draft.findings] == [("KF-864", True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("root=/dev/x ro", f"root=/dev/x ro {CONSOLES}"),
        ("", CONSOLES),
        ("quiet ", f"quiet {CONSOLES} "),
        ("quiet --- keep", f"quiet {CONSOLES} --- keep"),
        ("console=ttyS1", "console=ttyS1"),
        ("ro console=hvc0 quiet", f"ro {CONSOLES} console=hvc0 quiet"),
        ("$kernelopts x", "$kernelopts x"),
        ("netconsole=x earlyconsole=y", f"netconsole=x earlyconsole=y {CONSOLES}"),
    ],
)
def test_where_consoles_go(text: str, expected: str) -> None:
    assert with_consoles(text) == expected
    assert with_consoles(expected) == expected


@pytest.mark.parametrize(
    ("text", "expected", "freed"),
    [
        ("ro modprobe.blacklist=ahci quiet", "ro quiet", ("ahci",)),
        ("rd.driver.blacklist=nouveau,vmw-pvscsi", "rd.driver.blacklist=nouveau", ("vmw-pvscsi",)),
        ("rdblacklist=floppy  x", "rdblacklist=floppy  x", ()),
        ("noblacklist=ahci", "noblacklist=ahci", ()),
        ("blacklist=ahci", "", ("ahci",)),
    ],
)
def test_drivers_that_are_needed_may_be_loaded(
    text: str, expected: str, freed: tuple[str, ...]
) -> None:
    assert without_blacklists(text, {"ahci", "vmw_pvscsi"}) == (expected, freed)
    assert without_blacklists(expected, {"ahci", "vmw_pvscsi"}) == (expected, ())


DEFAULTS = """\
# If you change this file, run 'update-grub' afterwards
GRUB_DEFAULT=0
GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_CMDLINE_LINUX="net.ifnames=0 resume=/dev/sda2"
#GRUB_TERMINAL=console
GRUB_DISABLE_LINUX_UUID=true
GRUB_DEVICE=/dev/sda1
"""


def test_grubs_settings_and_what_a_shell_makes_of_them(folder: Path, tmp_path: Path) -> None:
    guest = guest_with(
        folder,
        **{"etc/default/grub": DEFAULTS, "boot/grub/grub.cfg": "", "boot/grub/device.map": "(hd0)\t/dev/sda\n"},
    )  # fmt: skip
    plan_loaders(guest)
    plan_grub(guest)
    text = guest.draft.text("/etc/default/grub")
    assert text == DEFAULTS.replace("resume=/dev/sda2", f"{SWAP_UUID} {CONSOLES}").replace(
        "_UUID=true", "_UUID=false"
    ).replace("DEVICE=/dev/sda1", f"DEVICE=/dev/disk/by-uuid/{ROOT}")
    assert not guest.draft.exists("/boot/grub/device.map")
    (tmp_path / "grub").write_text(text)
    shown = run("sh", "-c", f'. {tmp_path}/grub; echo "$GRUB_CMDLINE_LINUX"').strip()
    assert shown == f"net.ifnames=0 {SWAP_UUID} {CONSOLES}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GRUB_CMDLINE_LINUX=quiet\n", f'GRUB_CMDLINE_LINUX="quiet {CONSOLES}"\n'),
        ("GRUB_CMDLINE_LINUX=''\n", f"GRUB_CMDLINE_LINUX='{CONSOLES}'\n"),
        ("GRUB_TIMEOUT=1", f'GRUB_TIMEOUT=1\nGRUB_CMDLINE_LINUX="{CONSOLES}"\n'),
        (
            'GRUB_CMDLINE_LINUX_DEFAULT="console=ttyS1"\n',
            'GRUB_CMDLINE_LINUX_DEFAULT="console=ttyS1"\n',
        ),
    ],
)
def test_consoles_in_grubs_settings(folder: Path, text: str, expected: str) -> None:
    guest = guest_with(folder, **{"etc/default/grub": text})
    plan_grub(guest)
    assert guest.draft.text("/etc/default/grub") == expected


def test_an_environment_keeps_its_size(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "grubenv"
    run("grub-editenv", path, "create")
    run(
        "grub-editenv",
        path,
        "set",
        "saved_entry=a-4.18.0",
        "kernelopts=root=/dev/sda1 ro resume=/dev/sda2",
    )
    guest = guest_with(folder, **{"boot/grub2/grubenv": path.read_text()})
    plan_grub(guest)
    (edit,) = guest.draft.edits
    assert edit.content is not None
    assert len(edit.content) == 1024
    path.write_bytes(edit.content)
    assert run("grub-editenv", path, "list").splitlines() == [
        "saved_entry=a-4.18.0", f"kernelopts={BY_UUID} ro {SWAP_UUID} {CONSOLES}",
    ]  # fmt: skip


def test_an_environment_without_room_is_left(folder: Path) -> None:
    head = "# GRUB Environment Block\nkernelopts=root=/dev/sda1 "
    guest = guest_with(folder, **{"boot/grub2/grubenv": head + "x" * (1023 - len(head)) + "\n"})
    plan_grub(guest)
    assert (guest.draft.edits, codes(guest.draft)) == ((), ["KF-862"])


def test_resume_in_the_guest_and_its_initramfs(folder: Path) -> None:
    path = "etc/initramfs-tools/conf.d/resume"
    guest = guest_with(folder, **{path: "RESUME=/dev/sda2\n"})
    plan_resume(guest)
    text = f"RESUME=UUID={SWAP}\n"
    assert guest.draft.text(f"/{path}") == text
    assert guest.draft.early == {"conf/conf.d/resume": text.encode()}
    gone = guest_with(folder, **{path: "RESUME=UUID=0-0\n"})
    plan_resume(gone)
    assert (gone.draft.edits, codes(gone.draft)) == ((), ["KF-860"])


def test_makers_of_other_configurations(folder: Path) -> None:
    files = {
        "etc/update-extlinux.conf": 'default_kernel_opts="quiet"\nroot=UUID=x\n',
        "etc/default/extlinux": 'EXTLINUX_PARAMETERS="ro"\nEXTLINUX_ROOT="root=/dev/sda1"\n',
        "etc/kernel/cmdline": "root=/dev/sda1 ro\n",
        "etc/sysconfig/bootloader": 'DEFAULT_APPEND="resume=/dev/sda2 splash=silent"\nLOADER_TYPE="grub"\n',
        "etc/dracut.conf.d/a.conf": 'kernel_cmdline="root=/dev/sda1 rd.shell=0"\n',
    }
    guest = guest_with(folder, **files)
    plan_loaders(guest)
    draft = guest.draft
    assert draft.text("/etc/update-extlinux.conf").startswith(
        f'default_kernel_opts="quiet {CONSOLES}"\n'
    )
    assert f'EXTLINUX_ROOT="{BY_UUID}"' in draft.text("/etc/default/extlinux")
    assert draft.text("/etc/kernel/cmdline") == f"{BY_UUID} ro {CONSOLES}\n"
    assert f'DEFAULT_APPEND="{SWAP_UUID} splash=silent {CONSOLES}"' in draft.text(
        "/etc/sysconfig/bootloader"
    )
    assert draft.text("/etc/dracut.conf.d/a.conf") == f'kernel_cmdline="{BY_UUID} rd.shell=0"\n'
    assert draft.early == {"etc/cmdline.d/01-default.conf": f"{BY_UUID} rd.shell=0\n".encode()}


def test_kernels_without_a_root_are_named(folder: Path) -> None:
    guest = guest_with(
        folder, **{"boot/extlinux.conf": "label a\n kernel vmlinuz\n append quiet\n"}
    )
    plan_loaders(guest)
    assert codes(guest.draft) == ["KF-863"]


@pytest.mark.parametrize(
    ("name", "env", "default"),
    [
        ("debian12-grub.cfg", "", "Debian GNU/Linux"),
        ("ubuntu2204-grub.cfg", "", "Ubuntu"),
        ("rhel6-grub.conf", "", "Red Hat Enterprise Linux Server (2.6.32-754.el6.x86_64)"),
        ("alpine-extlinux.conf", "", "lts"),
        ("arch-loader-entry.conf", "", "Arch Linux"),
    ],
)
def test_what_is_started_by_default(folder: Path, name: str, env: str, default: str) -> None:
    guest = guest_with(folder, **{PLACES[name][1:]: (CONFIGS / name).read_text()})
    found = started(guest.system.files, guest.draft.text)
    assert [entry.title for entry in found if entry.default] == [default]
    assert all("root=" in entry.arguments for entry in found)


def test_rhel_8_starts_what_its_environment_says(folder: Path) -> None:
    entry = "title RHEL ({v})\nversion {v}\nlinux /boot/vmlinuz-{v}\ninitrd /boot/i-{v}\noptions $kernelopts\n"
    files = {
        f"boot/loader/entries/m-{v}.conf": entry.format(v=v) for v in ("4.18.0-80", "4.18.0-305")
    }
    files["boot/grub2/grubenv"] = "# GRUB Environment Block\nkernelopts=root=/dev/vg/r ro\n"
    guest = guest_with(folder, **files)
    found = started(guest.system.files, guest.draft.text)
    assert [(e.kernel, e.default, e.arguments) for e in found] == [
        ("/boot/vmlinuz-4.18.0-305", True, "root=/dev/vg/r ro"),
        ("/boot/vmlinuz-4.18.0-80", False, "root=/dev/vg/r ro"),
    ]
    files["boot/grub2/grubenv"] += "saved_entry=m-4.18.0-80\n"
    guest = guest_with(folder, **files)
    assert [e.default for e in started(guest.system.files, guest.draft.text)] == [False, True]


SUBMENUS = """\
set default="{}"
function f {{
  x
}}
menuentry 'A' --class os $menuentry_id_option 'id-a' {{
  linux /vmlinuz-1 root=x
}}
submenu 'More' $menuentry_id_option 'id-more' {{
  menuentry 'A' --id=id-b {{
    linux /vmlinuz-2 root=x
  }}
  menuentry 'C' --id "id-c" {{
    linux /vmlinuz-3 root=x
  }}
}}
menuentry 'Memory' {{
  linux16 /memtest86+.bin
}}
menuentry 'D' {{
  linux /vmlinuz-4 root=x
}}
"""


@pytest.mark.parametrize(
    ("default", "kernel"),
    [
        ("0", "1"), ("1>0", "2"), ("More>C", "3"), ("id-more>id-c", "3"), ("id-c", "3"), ("3", "4"),
        ("D", "4"), ("2", ""), ("nothing", "1"), ("99999999999999999999", "1"), ("A", "1"), ("1>A", "2"),
    ],
)  # fmt: skip
def test_defaults_of_grub(folder: Path, default: str, kernel: str) -> None:
    guest = guest_with(folder, **{"boot/grub/grub.cfg": SUBMENUS.format(default)})
    found = [e.kernel for e in started(guest.system.files, guest.draft.text) if e.default]
    assert found == ([f"/vmlinuz-{kernel}"] if kernel else [])


_ARG = st.sampled_from(
    ["root=/dev/sda1", "root=UUID=x", "ro", "quiet", "resume=/dev/sda2", "console=tty0", "console=hvc0",
     "init=/bin/sh", "x=\\'a", "$vt_handoff", "root=/dev/vg/x"]
)  # fmt: skip
_ENTRY = st.builds(
    "menuentry '{}' {{\n\tset root='hd0,gpt1'\n\t{}\t/vmlinuz-{} {}{}\n{}}}\n".format,
    st.sampled_from(["A b", "C (recovery)", "/dev/sda1"]), st.sampled_from(["linux", "linux16", "linuxefi"]),
    st.integers(1, 9), st.lists(_ARG, max_size=6).map(" ".join), st.sampled_from(["", " ", "\t"]),
    st.sampled_from(["", "\tinitrd /initrd\n"]),
)  # fmt: skip


@pytest.fixture(scope="module")
def with_text(folder: Path) -> Callable[[str], LinuxGuest]:
    plain = guest_with(folder, **{"boot/grub/grub.cfg": "#"})

    def make(text: str) -> LinuxGuest:
        guest = LinuxGuest(plain.system, plain.opened, plain.aims, Draft(plain.system.files, "x"))
        guest.draft.write("/boot/grub/grub.cfg", text, "as generated")
        return guest

    return make


@settings(deadline=None, max_examples=30)
@given(st.lists(_ENTRY, max_size=3))
def test_all_but_command_lines_stays(
    with_text: Callable[[str], LinuxGuest], made: list[str]
) -> None:
    text = "# begin\n" + "".join(made) + "# /dev/sda1 stays here\n"
    guest = with_text(text)
    plan_loaders(guest)
    result = guest.draft.text("/boot/grub/grub.cfg")
    before, after = ([*entries(t, GRUB2)] for t in (text, result))

    def rest(text: str, spans: list[tuple[int, int]]) -> str:
        for start, end in reversed(spans):
            text = text[:start] + text[end:]
        return text

    assert rest(text, [s for e in before for s in e.spans]) == rest(
        result, [s for e in after for s in e.spans]
    )
    for old, new in zip(before, after, strict=True):
        (a, b), (c, d) = old.spans[0], new.spans[0]
        words = [w for w in result[c:d].split() if w not in CONSOLES.split()]
        assert len(words) == len([w for w in text[a:b].split() if w not in CONSOLES.split()])
        assert "/dev/sda" not in result[c:d]
    check = subprocess.run(
        [tool("grub-script-check")], input=result, text=True, capture_output=True
    )
    same = subprocess.run([tool("grub-script-check")], input=text, text=True, capture_output=True)
    assert check.returncode == same.returncode
    plan_loaders(guest)
    assert guest.draft.text("/boot/grub/grub.cfg") == result


def changed(folder: Path, name: str, text: str) -> LinuxGuest:
    guest = guest_with(folder, **{name: text})
    plan_loaders(guest)
    return guest


def test_colons_in_a_path_belong_to_the_name(folder: Path) -> None:
    path = "/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:0:0-part"
    text = f"menuentry 'a' {{\n linux /v root={path}1 resume={path}2 ro\n initrd /i\n}}\n"
    guest = changed(folder, "boot/grub/grub.cfg", text)
    assert f"{BY_UUID} {SWAP_UUID} ro {CONSOLES}\n" in guest.draft.text("/boot/grub/grub.cfg")
    assert guest.draft.findings == []


def test_where_a_command_of_grub_ends(folder: Path, tmp_path: Path) -> None:
    text = "menuentry 'a' {\n linux /v root=/dev/sda1; initrd /i\n}\n"
    guest = changed(folder, "boot/grub/grub.cfg", text)
    made = guest.draft.text("/boot/grub/grub.cfg")
    assert made == text.replace("root=/dev/sda1;", f"{BY_UUID} {CONSOLES};")
    (tmp_path / "grub.cfg").write_text(made)
    run("grub-script-check", tmp_path / "grub.cfg")


def test_each_command_line_of_an_entry(folder: Path) -> None:
    """As Ubuntu has them: one with an initramfs, one without."""
    text = (
        "menuentry 'a' {{\n if [ \"$initrdfail\" = 1 ]; then\n  linux /v root={0} ro{1}\n  initrd /i\n"
        " else\n  linux /v root={0} ro panic=-1{1}\n fi\n}}\n"
    )
    guest = changed(folder, "boot/grub/grub.cfg", text.format("/dev/sda1", ""))
    assert guest.draft.text("/boot/grub/grub.cfg") == text.format(f"UUID={ROOT}", f" {CONSOLES}")
    (entry,) = started(guest.system.files, guest.draft.text)
    assert entry.arguments == f"{BY_UUID} ro {CONSOLES}"


def test_devices_in_other_arguments_are_named(folder: Path) -> None:
    words = "rootflags=subvol=@,device=/dev/sdb2 journal=/dev/vda rd.lvm.lv=vg/root x=/dev/null"
    guest = changed(folder, "etc/kernel/cmdline", f"root=UUID={ROOT} {words} console=tty0\n")
    (finding,) = guest.draft.findings
    assert finding.message.endswith(": rootflags=subvol=@,device=/dev/sdb2, journal=/dev/vda")
    assert guest.draft.edits == ()


def test_one_command_line_on_several_lines(folder: Path) -> None:
    guest = changed(folder, "etc/kernel/cmdline", "root=/dev/sda1\n# x\nquiet\n")
    assert guest.draft.text("/etc/kernel/cmdline") == f"{BY_UUID} {CONSOLES}\n# x\nquiet\n"


def test_alpines_root_has_a_variable_of_its_own(folder: Path) -> None:
    text = "default_kernel_opts=quiet\nmodules=sd-mod,usb-storage,ext4\nroot=/dev/sda1\n"
    guest = changed(folder, "etc/update-extlinux.conf", text)
    made = text.replace("root=/dev/sda1", BY_UUID).replace("=quiet", f'="quiet {CONSOLES}"')
    assert guest.draft.text("/etc/update-extlinux.conf") == made


def test_dracuts_command_line_is_of_all_its_files(folder: Path) -> None:
    files = {
        "etc/dracut.conf": 'kernel_cmdline="lost"\n',
        "etc/dracut.conf.d/a.conf": 'kernel_cmdline="rd.luks.uuid=x"\n',
        "etc/dracut.conf.d/b.conf": 'kernel_cmdline+=" root=/dev/sda1 "\n',
        "etc/dracut.conf.d/c.conf": "kernel_cmdline+=' rd.shell=0 '\n",
    }
    guest = guest_with(folder, **files)
    plan_loaders(guest)
    expected = f"rd.luks.uuid=x {BY_UUID} rd.shell=0\n"
    assert guest.draft.early == {"etc/cmdline.d/01-default.conf": expected.encode()}


@pytest.mark.parametrize(
    "text",
    ['GRUB_CMDLINE_LINUX="quiet \\\n splash"\n', 'GRUB_CMDLINE_LINUX="$(echo "quiet" splash)"\n',
     'x=1; GRUB_CMDLINE_LINUX="quiet splash"\n'],
)  # fmt: skip
def test_settings_of_grub_are_added_to(folder: Path, tmp_path: Path, text: str) -> None:
    guest = guest_with(folder, **{"etc/default/grub": text})
    plan_grub(guest)
    (tmp_path / "grub").write_text(guest.draft.text("/etc/default/grub"))
    shown = run("sh", "-c", f". {tmp_path}/grub; echo $GRUB_CMDLINE_LINUX").strip()
    assert shown == f"quiet splash {CONSOLES}"


def test_a_root_that_is_in_a_variable_of_grub(folder: Path) -> None:
    """As Photon has it; its disk by what the kernel itself finds."""
    text = 'set rootpartition={}\nmenuentry "P" {{\n linux /$photon_linux root=$rootpartition $photon_cmdline\n}}\n'
    guest = changed(folder, "boot/grub2/grub.cfg", text.format("/dev/sda1"))
    assert guest.draft.text("/boot/grub2/grub.cfg") == text.format("PARTUUID=c0ffee01-01")
    guest = changed(folder, "boot/grub2/grub.cfg", text.format("/dev/sdb3"))
    assert [(f.code, "rootpartition=/dev/sdb3" in f.message) for f in guest.draft.findings] == [
        ("KF-860", True)
    ]


def test_what_syslinux_says_for_all_labels(folder: Path) -> None:
    text = "DEFAULT a\nAPPEND root=/dev/sda1 ro\nLABEL a\n KERNEL /v\n INITRD /i\nLABEL m\n COM32 m.c32\n APPEND x\n"
    guest = changed(folder, "boot/extlinux/extlinux.conf", text)
    made = text.replace("root=/dev/sda1 ro", f"{BY_UUID} ro {CONSOLES}")
    assert guest.draft.text("/boot/extlinux/extlinux.conf") == made


def test_a_line_of_blanks_takes_no_time() -> None:
    assert list(entries("menuentry 'a' {\n" + " " * (1 << 19), GRUB2)) == []
    (entry,) = entries("menuentry 'a' {\n\tlinux /vmlinuz a; x ;\t initrd /i\n}\n", GRUB2)
    assert entry.initrd
