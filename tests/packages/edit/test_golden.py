"""Command line → the difference it makes in the descriptor, word for word.

KENSHO_GOLDEN=write writes the files anew; look at `git diff` then.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from tests.packages.edit.conftest import HERE, assert_valid

from kensho.packages.edit.apply import apply_edits
from kensho.packages.edit.textual import unified
from kensho.packages.source import opened_ovf

CASES = {
    "cpus": "--set cpus=4",
    "cpus-of-one": "--set cpus=4 --configuration small",
    "cpus-of-large": "--set cpus=8 --configuration large",
    "cores": "--set cpus=4 --set cores-per-socket=2",
    "memory": "--set memory=8GiB",
    "memory-of-large": "--set memory=8GiB --configuration large",
    "system-type": "--set 'system-type=vmx-13 vmx-19'",
    "firmware": "--set firmware=uefi --set secure-boot=true",
    "config": "--set config.nestedHVEnabled=true --set extra.guestinfo.mode=a",
    "controllers": "--set scsi-subtypes=VirtualSCSI,lsilogic --set ide-subtypes=PIIX4 "
    "--add-controller sata --add-controller scsi",
    "serial": "--set serial-ports=2 --set serial-connectivity=telnet://h:9101,telnet://h:9102",
    "nics": "--set nics=3 --set nic-types=vmxnet3 --set 'nic-names=mgmt,eth{0}'",
    "nic-networks": "--set nics=3 --set 'nic-networks=net_{10}' "
    "--set 'network-descriptions=Data network {1}' --set nic-macs=00-50-56-00-00-01",
    "nic-add": "--nic add,network=dmz,type=e1000,mac=00:50:56:aa:bb:cc,name=back",
    "nic-of-large": "--nic add,network=dmz --configuration large",
    "nic-remove": "--nic 1,remove --prune-networks",
    "nic-remove-of-large": "--nic 1,remove --configuration large",
    "network-map": "--network 'vm network=lan'",
    "network-add": "--network 'dmz,description=Outside\\, with care' --remove-network dmz "
    "--network lan",
    "configurations": "--add-configuration huge,label=Huge --set default-configuration=huge "
    "--set cpus=16 --configuration huge --remove-configuration small",
    "only-large": "--configuration large --remove-other-configurations",
    "properties": "--property hostname=db --property port=8080 --property mail=a@b+string "
    "--set property.mail.label=Mail --set property.mail.description=Of\\ the\\ admin "
    "--set property.mail.category=Contact --set property.mail.user-configurable=yes "
    "--set property.mail.qualifiers=MinLen\\(3\\) --set property.port.password=true "
    "--set transports=iso,vmware",
    "property-of-large": "--property port=8080 --configuration large",
    "property-remove": "--remove-property hostname --set user-configurable=true",
    "config-file": "--config-file router.cfg,prefix=ios-config",
    "product": "--set product.version=2 --set product.full-version=2.0.1 "
    "--set product.vendor=Acme --set product.url=https://example.org --set product.class=org.x",
    "eula": "--eula licence.txt",
    "eula-add": "--add-eula licence.txt",
    "eula-remove": "--remove-eulas",
    "texts": "--set annotation=Handle\\ with\\ care --set name=Web\\ server --set id=web01 "
    "--set os.id=101 --set os.vmw=debian12_64Guest",
    "disk-add": "--add-disk disk.img --add-disk size=20GiB,controller=scsi1",
    "disk-add-cd": "--add-disk seed.iso",
    "disk-add-nvme": "--add-disk size=1GiB,controller=nvme0,id=fast,name=Fast,description=Scratch "
    "--add-disk size=2GiB,controller=scsi1,subtype=VirtualSCSI,unit=3",
    "disk-add-cd-into": "--add-disk seed.iso,controller=ide0,unit=0,file-id=seed",
    "property-type": "--property token+string",
    "disk-remove": "--remove-disk vmdisk1",
    "disk-replace": "--replace-disk vmdisk1=disk.img",
    "disk-capacity": "--set disk.vmdisk1.capacity=16MiB",
    "inject": "--inject router.cfg,name=iosxe_config.txt --inject licence.txt",
    "ovf-version": "--ovf-version 2 --set cpus=4",
    "file-add": "--add-file licence.txt,id=terms",
    "file-remove": "--remove-file readme.txt",
    "file-replace": "--replace-file file2=licence.txt",
}


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    (tmp_path / "licence.txt").write_text("You may not.\nReally.\n")
    (tmp_path / "router.cfg").write_text("! comment\nhostname r1\n\ninterface e0\n")
    (tmp_path / "seed.iso").write_bytes(bytes(2048))
    # No holes: how many there are is up to the file system.
    (tmp_path / "disk.img").write_bytes(bytes(range(256)) * 4096)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def with_empty_drive(base, request):
    """An empty CD drive on ide0:0 for the one case that fills it."""
    if "disk-add-cd-into" in request.node.name:
        _, after = difference(base, "--add-disk '',type=cdrom")
        base.write_bytes(after)
    return base


def difference(base: Path, arguments: str) -> tuple[str, bytes]:
    from cyclopts import App

    from kensho.cli.edit import Changes, edit

    app = App(result_action="return_value")
    app.default(edit)
    _, bound, _ = app.parse_args([str(base), *shlex.split(arguments), "--dry-run"])
    changes: Changes = bound.arguments["changes"]
    edits, folder = changes.edits()
    with opened_ovf(base) as package:
        edited = apply_edits(package, edits, folder)
        return unified(edited.before, edited.after, package.name), edited.after


@pytest.mark.parametrize("name", CASES)
def test_golden(name, base, with_empty_drive):
    text, after = difference(base, CASES[name])
    version = "2" if b"envelope/2" in base.read_bytes() else "1"
    path = HERE / "golden" / f"{name}.{version}.diff"
    if os.environ.get("KENSHO_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
    assert text, "the command changed nothing"
    assert_valid(after)
