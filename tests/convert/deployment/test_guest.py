"""A guest of one sector reads the environment from the CD-ROM that a conversion attached."""

from __future__ import annotations

from pathlib import Path

import pytest

from kensho.convert.deployment.settings import read_setting
from kensho.convert.deployment.settle import Deployment
from kensho.convert.plan import Request, make_plan
from kensho.convert.run import run_plan
from kensho.disks import create_disk, open_disk
from kensho.disks.copy import copy_disk
from kensho.proof.watch.boot import boot_domain
from kensho.proof.watch.result import Verdict
from kensho.storage.file import FileSink
from kensho.storage.memory import MemorySource
from tests.convert.deployment.deployable import package

# cld; xor ax,ax; mov ds,ax; mov si,dap; mov dl,0xe0 (SeaBIOS's first CD drive); mov ah,0x42;
# int 0x13; mov si,0x8000; call print; mov si,text; call print; end: hlt; jmp end;
# print: lodsb; test al,al; jz ret; mov dx,0x3f8; out dx,al; jmp print; ret
READ_CD = bytes.fromhex(
    "fc 31c0 8ed8 be297c b2e0 b442 cd13 be0080 e80900 be397c e80300 f4 ebfd"
    "ac 84c0 7406 baf803 ee ebf5 c3"
)
#: One sector of 2048 bytes to 0000:8000, from where the first file of our images lies.
PACKET = bytes.fromhex("1000 0100 0080 0000 1a00000000000000")


@pytest.mark.boot
def test_the_firmware_finds_the_environment_in_the_drive(tmp_path: Path) -> None:
    assert len(READ_CD) == 0x29
    sector = (READ_CD + PACKET + b"\r\ntiny login: \0").ljust(510, b"\0") + b"\x55\xaa"
    sink = FileSink(tmp_path / "disk.vmdk")
    writer = create_disk("vmdk", "streamOptimized", sink, 64 << 20)
    copy_disk(open_disk(MemorySource(sector.ljust(64 << 20, b"\0")), format="raw"), writer)
    sink.close()
    source = package(tmp_path, disk="disk.vmdk")
    settings = tuple(map(read_setting, ("hostname=seen-by-the-guest", "port=1")))
    request = Request(str(source), "kvm", deployment=Deployment(settings=settings))
    run_plan(make_plan(request), tmp_path / "out")
    log = tmp_path / "log"
    result = boot_domain(tmp_path / "out/web.xml", log=log, timeout=300)
    assert result.verdict is Verdict.LOGIN, result
    assert 'oe:value="seen-by-the-guest"' in log.read_text()
