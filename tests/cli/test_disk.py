"""The disk verbs against qemu-img, and what they print."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kensho.disks import FORMATS
from tests.cli.conftest import Kensho
from tests.images import MIB, raw_disk, tar

AsJson = Callable[..., Any]
WRITERS = [(d.name, sub) for d in FORMATS for sub in (*d.writers, *d.folder_writers)]
QEMU = {"vhd": "vpc"}
needs_qemu = pytest.mark.skipif(not shutil.which("qemu-img"), reason="qemu-img is not installed")


def qemu(*arguments: object, code: int = 0) -> str:
    folder = Path(str(arguments[-1])).parent  # QEMU looks for a data file from where it runs
    command = ["qemu-img", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout


def piped(data: bytes, *arguments: object) -> tuple[int, bytes, str]:
    """Run the command line as a process of its own, with a pipe on both sides."""
    done = subprocess.run(
        [sys.executable, "-m", "kensho", "disk", *map(str, arguments)],
        input=data,
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.decode()


@pytest.mark.parametrize(("fmt", "sub"), WRITERS)
def test_convert_compare_and_measure_agree_for_every_writer(
    kensho: Kensho, as_json: AsJson, disk: Path, tmp_path: Path, fmt: str, sub: str
) -> None:
    out = tmp_path / f"disk.{fmt}"  # descriptors name files, and measure does not know ours
    made = as_json("disk", "convert", disk, out, "--to", fmt, "--subformat", sub, "--verify")
    assert (made["format"], made["subformat"], made["verified"]) == (fmt, sub, True)
    assert made["file_size"] == sum((tmp_path / n).stat().st_size for n in made["files"])
    assert kensho("disk", "compare", disk, out, "--format-b", fmt, "-q")[0] == 0
    about = as_json("disk", "measure", disk, "--to", fmt, "--subformat", sub)
    if about["estimated"]:
        assert about["file_size"] == pytest.approx(made["file_size"], rel=0.1, abs=200_000)
    else:
        assert about["file_size"] == made["file_size"]
    assert [p for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    if shutil.which("qemu-img") and "4kn" not in sub:  # which QEMU does not read
        qemu("compare", "-f", "raw", "-F", QEMU.get(fmt, fmt), disk, out)


def test_the_suffix_says_the_format_and_vmdk_is_stream_optimized(
    as_json: AsJson, disk: Path, tmp_path: Path
) -> None:
    made = as_json("disk", "convert", disk, tmp_path / "a.vmdk")
    assert (made["format"], made["subformat"]) == ("vmdk", "streamOptimized")
    assert as_json("disk", "convert", disk, tmp_path / "b.img")["format"] == "raw"
    made = as_json("disk", "convert", disk, tmp_path / "c.qcow2", "--compression", "small")
    assert made["subformat"] == "compressed"


def test_a_name_without_a_format_is_refused(kensho: Kensho, disk: Path, tmp_path: Path) -> None:
    code, _, err = kensho("disk", "convert", disk, tmp_path / "out")
    assert code == 2
    assert "--to" in err


def test_the_same_run_makes_the_same_bytes(as_json: AsJson, disk: Path, tmp_path: Path) -> None:
    digests = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        as_json("disk", "convert", disk, tmp_path / name / "out.vhdx")
        digests.add(hashlib.sha256((tmp_path / name / "out.vhdx").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_source_and_target_must_differ_and_results_are_kept(
    kensho: Kensho, disk: Path, tmp_path: Path
) -> None:
    before = disk.read_bytes()
    link = tmp_path / "link.raw"
    os.link(disk, link)
    for target in (disk, link):
        code, _, err = kensho("disk", "convert", disk, target, "--to", "raw", "--overwrite")
        assert code == 2
        assert "same file" in err
    there = tmp_path / "there.vdi"
    there.write_bytes(b"mine")
    assert kensho("disk", "convert", disk, there)[0] == 2
    assert there.read_bytes() == b"mine"
    assert kensho("disk", "convert", disk, there, "--overwrite")[0] == 0
    assert kensho("disk", "convert", disk, "/dev/null", "--to", "raw", "--overwrite")[0] == 2
    assert disk.read_bytes() == before


def test_dry_run_writes_nothing(
    as_json: AsJson, kensho: Kensho, disk: Path, tmp_path: Path
) -> None:
    plan = as_json("disk", "convert", disk, tmp_path / "a.vhdx", "--dry-run")
    assert (plan["source_format"], plan["format"]) == ("raw", "vhdx")
    assert "→" in kensho("disk", "convert", disk, tmp_path / "a.vhdx", "--dry-run")[1]
    assert list(tmp_path.glob("*.vhdx")) == []


def test_events_are_lines_of_json(kensho: Kensho, disk: Path, tmp_path: Path) -> None:
    code, out, _ = kensho("disk", "convert", disk, tmp_path / "a.vmdk", "--events", "--hash")
    assert code == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines[0] == {"event": "step", "phase": "copy", "subject": "a.vmdk"}
    assert lines[-1]["event"] == "result"
    assert len(lines[-1]["result"]["root"]) == 64
    progress = [line["progress"] for line in lines if line["event"] == "progress"]
    assert progress[-1]["done"] == progress[-1]["total"] == 8 * MIB


def test_info_for_people_and_programs(kensho: Kensho, as_json: AsJson, tmp_path: Path) -> None:
    disk = raw_disk(tmp_path / "a.raw")
    as_json("disk", "convert", disk, tmp_path / "a.vdi")
    facts = as_json("disk", "info", tmp_path / "a.vdi")
    assert (facts["format"], facts["virtual_size"]) == ("vdi", 8 * MIB)
    assert facts["chain"] == []
    assert facts["findings"] == []
    code, out, _ = kensho("disk", "info", tmp_path / "a.vdi")
    assert code == 0
    assert "8 MiB (8388608 bytes)" in out


@needs_qemu
def test_info_map_and_flatten_of_a_chain(kensho: Kensho, as_json: AsJson, tmp_path: Path) -> None:
    base, top = tmp_path / "base.qcow2", tmp_path / "top.qcow2"
    qemu("convert", "-O", "qcow2", raw_disk(tmp_path / "a.raw"), base)
    qemu("create", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", top)
    subprocess.run(
        ["qemu-io", "-c", "write -P 7 1M 64k", "-c", "write -z 2M 64k", str(top)],
        check=True,
        capture_output=True,
    )
    assert [(b["name"], b["format"]) for b in as_json("disk", "info", top)["chain"]] == [
        ("base.qcow2", "qcow2")
    ]
    same_facts(
        as_json("disk", "map", top), json.loads(qemu("map", "--output=json", top)), depth=True
    )
    flat = tmp_path / "flat.qcow2"
    assert kensho("disk", "flatten", top, flat, "--verify")[0] == 0
    assert as_json("disk", "info", flat)["chain"] == []
    qemu("compare", top, flat)
    assert kensho("disk", "flatten", top, tmp_path / "flat")[0] == 0
    assert as_json("disk", "info", tmp_path / "flat")["format"] == "qcow2"


@needs_qemu
@pytest.mark.parametrize("fmt", ["raw", "qcow2", "vmdk", "vdi", "vpc", "vhdx"])
def test_map_says_what_qemu_says(as_json: AsJson, tmp_path: Path, fmt: str) -> None:
    source = raw_disk(tmp_path / "a.raw")
    out = tmp_path / "out.img"
    qemu("convert", "-f", "raw", "-O", fmt, source, out)
    theirs = json.loads(qemu("map", "-f", fmt, "--output=json", out))
    kind = ("-f", {"vpc": "vhd"}.get(fmt, fmt))
    same_facts(as_json("disk", "map", out, *kind), theirs, content=source.read_bytes())


def same_facts(
    ours: list[Any], theirs: list[Any], *, depth: bool = False, content: bytes | None = None
) -> None:
    """Both agree for every byte on what is data, what is zero and where the data lie.

    Each may see a hole in the file below where the other one sees data; with ``content`` it
    is made sure that what we call zero is.
    """
    ends = sorted({m["start"] + m["length"] for m in (*ours, *theirs)})
    size = min(max(m["start"] + m["length"] for m in each) for each in (ours, theirs))
    at = 0
    for end in ends:
        if end > size:
            break
        a, b = (next(m for m in each if m["start"] <= at < m["start"] + m["length"])
                for each in (ours, theirs))  # fmt: skip
        sees_hole = b["data"] and b["zero"]
        if a["zero"] and content is not None:
            assert not any(content[at:end])
            sees_hole = sees_hole or b["data"]
        if not sees_hole:
            assert (a["data"], a["zero"]) == (b["data"], b["zero"]), (at, a, b)
        if a["data"] and "offset" in b:
            assert a["offset"] - a["start"] == b["offset"] - b["start"], (at, a, b)
        if depth and a["present"]:
            assert a["depth"] == b["depth"], (at, a, b)
        at = end


def test_map_for_people(kensho: Kensho, disk: Path) -> None:
    code, out, _ = kensho("disk", "map", disk)
    assert code == 0
    assert "data" in out
    assert "zero" not in out
    assert "zero" in kensho("disk", "map", disk, "--all")[1]


def test_compare_says_where(kensho: Kensho, as_json: AsJson, disk: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.raw"
    data = bytearray(disk.read_bytes())
    other.write_bytes(data + bytes(512))
    assert kensho("disk", "compare", disk, other)[:2] == (
        0,
        "identical; the sizes differ (8388608 and 8389120 bytes), the rest is zero\n",
    )
    assert kensho("disk", "compare", disk, other, "--strict")[0] == 1
    data[3_000_001] ^= 1
    other.write_bytes(data)
    code, out, _ = kensho("disk", "compare", disk, other)
    assert code == 1
    assert "3000001" in out
    code, out, _ = kensho("disk", "compare", disk, other, "--json")
    assert code == 1
    assert json.loads(out)["first_difference"] == 3_000_001
    assert kensho("disk", "compare", disk, tmp_path / "none")[0] == 2


def test_a_disk_in_an_ova_is_read_in_place(
    kensho: Kensho, as_json: AsJson, disk: Path, tmp_path: Path
) -> None:
    as_json("disk", "convert", disk, tmp_path / "d.vmdk")
    ova = tar(tmp_path / "a.ova", {"a.ovf": b"<x/>", "d.vmdk": (tmp_path / "d.vmdk").read_bytes()})
    as_json("disk", "convert", f"{ova}#d.vmdk", tmp_path / "out.qcow2")
    assert kensho("disk", "compare", disk, tmp_path / "out.qcow2", "-q")[0] == 0
    code, _, err = kensho("disk", "info", ova)
    assert code == 12
    assert "a.ova#d.vmdk" in err
    assert kensho("disk", "info", f"{ova}#none.vmdk")[0] == 1


def test_streams_through_pipes(disk: Path, tmp_path: Path, kensho: Kensho) -> None:
    content = disk.read_bytes()
    code, stream, err = piped(content, "convert", "-", "-", "--size", "8M", "--to", "vmdk")
    assert code == 0, err
    (tmp_path / "s.vmdk").write_bytes(stream)
    assert kensho("disk", "compare", disk, tmp_path / "s.vmdk", "-q", "--strict")[0] == 0
    code, raw, err = piped(stream, "convert", "-", "-", "--to", "raw")
    assert code == 0, err
    assert raw == content
    code, _, err = piped(stream, "convert", "-", tmp_path / "p.vhdx", "--verify")
    assert code == 0, err
    assert kensho("disk", "compare", disk, tmp_path / "p.vhdx", "-q", "--strict")[0] == 0
    code, vhd, err = piped(content, "convert", "-", "-", "--size", "8M", "--to", "vhd",
                           "--subformat", "fixed")  # fmt: skip
    assert code == 0, err
    assert vhd[: 8 * MIB] == content
    assert vhd[8 * MIB :].startswith(b"conectix")


def test_pipes_that_cannot_be(disk: Path, tmp_path: Path, as_json: AsJson) -> None:
    as_json("disk", "convert", disk, tmp_path / "a.qcow2")
    as_json("disk", "convert", disk, tmp_path / "a.vmdk")
    qcow2, stream = ((tmp_path / n).read_bytes() for n in ("a.qcow2", "a.vmdk"))
    out = tmp_path / "out.vdi"
    assert piped(qcow2, "convert", "-", out)[0] == 12
    assert piped(bytes(4096), "convert", "-", out)[0] == 2  # raw without a size
    assert piped(bytes(4096), "convert", "-", out, "--size", "8K")[0] == 1  # too short
    assert piped(bytes(4096), "convert", "-", out, "--size", "1K")[0] == 1  # too long
    assert piped(stream[:-3000], "convert", "-", out)[0] == 1  # the footer is missing
    assert piped(stream, "info", "-")[0] == 12
    assert piped(b"", "convert", disk, "-", "--to", "qcow2")[0] == 2
    assert piped(b"", "convert", disk, "-")[0] == 2
    assert not out.exists()


def test_azure_takes_a_fixed_vhd_of_whole_mib(
    as_json: AsJson, kensho: Kensho, tmp_path: Path
) -> None:
    disk = raw_disk(tmp_path / "a.raw", size=30 * MIB + 512)
    made = as_json("disk", "convert", disk, tmp_path / "a.vhd", "--for", "azure", "--verify")
    assert (made["subformat"], made["virtual_size"]) == ("fixed", 31 * MIB)
    assert (tmp_path / "a.vhd").stat().st_size == 31 * MIB + 512
    assert kensho("disk", "convert", disk, tmp_path / "b.vhdx", "--for", "azure")[0] == 2
    if shutil.which("qemu-img"):
        facts = json.loads(qemu("info", "-f", "vpc", "--output=json", tmp_path / "a.vhd"))
        assert facts["virtual-size"] == 31 * MIB


def test_what_google_gets_of_an_odd_size_reads_back(as_json: AsJson, tmp_path: Path) -> None:
    disk = raw_disk(tmp_path / "a.raw", size=5 * MIB + 1536)
    as_json("disk", "convert", disk, tmp_path / "a.tar.gz", "--for", "gcp", "--verify")
    assert as_json("disk", "compare", disk, tmp_path / "a.tar.gz#disk.raw")["identical"]


def test_gcp_takes_a_tar_gz_with_disk_raw(as_json: AsJson, disk: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.tar.gz"
    as_json("disk", "convert", disk, out, "--for", "gcp", "--verify")
    with tarfile.open(out) as archive:
        member = archive.next()
        assert member is not None
        assert (member.name, member.size) == ("disk.raw", 1 << 30)
        data = archive.extractfile(member)
        assert data is not None
        assert data.read(8 * MIB) == disk.read_bytes()
    # the whole stream, checksum and length too, by an outside program
    assert (
        subprocess.run(["gzip", "-t", str(out)], capture_output=True, check=False).returncode == 0
    )


def test_aws_takes_what_it_imports(
    as_json: AsJson, kensho: Kensho, disk: Path, tmp_path: Path
) -> None:
    assert as_json("disk", "convert", disk, tmp_path / "a.vmdk", "--for", "aws")["format"] == "vmdk"
    code, _, err = kensho("disk", "convert", disk, tmp_path / "a.qcow2", "--for", "aws")
    assert code == 2
    assert "streamOptimized" in err


@pytest.mark.parametrize("verb", ["info", "map"])
def test_what_is_no_disk_is_said_to_be_none(kensho: Kensho, tmp_path: Path, verb: str) -> None:
    text = tmp_path / "a.ovf"
    text.write_text("<Envelope/>")
    code, out, err = kensho("disk", verb, text, "--json")
    assert code == 12
    assert "XML" in err
    assert json.loads(out)["code"] == "KE-104"
    (tmp_path / "a.gz").write_bytes(b"\x1f\x8b" + bytes(600))
    assert kensho("disk", verb, tmp_path / "a.gz")[0] == 12
    assert kensho("disk", verb, "--bogus")[0] == 2


def test_check_has_an_exit_code_for_each_grade(
    kensho: Kensho, as_json: AsJson, disk: Path, tmp_path: Path
) -> None:
    good = tmp_path / "a.vhd"
    as_json("disk", "convert", disk, good)
    before = good.read_bytes()
    code, out, _ = kensho("disk", "check", good, "--data")
    assert (code, "no faults" in out) == (0, True)
    assert as_json("disk", "check", good)["result"] == "sound"
    spare = tmp_path / "b.vhd"
    spare.write_bytes(before[:-512] + bytes(512))
    code, out, _ = kensho("disk", "check", spare, "--json")
    assert (code, json.loads(out)["result"]) == (3, "harmless")
    cut = tmp_path / "c.vhd"
    cut.write_bytes(before[: len(before) // 2])
    code, out, _ = kensho("disk", "check", cut)
    assert code == 1
    assert "corrupt" in out
    assert kensho("disk", "check", cut, "-q")[:2] == (1, "")
    assert good.read_bytes() == before


def test_a_killed_conversion_is_gone_on_with(
    kensho: Kensho, as_json: AsJson, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kensho.disks import copy_kernel, resume, transfer
    from kensho.model.errors import InterruptedRunError

    monkeypatch.setattr(resume, "EVERY", 1 << 16)
    monkeypatch.setattr(copy_kernel, "WINDOW", 1 << 20)
    whole, cut = tmp_path / "a" / "out.qcow2", tmp_path / "out.qcow2"
    whole.parent.mkdir()
    as_json("disk", "convert", disk, whole)
    real = transfer.copy_disk
    calls = []

    def killed(*arguments: Any, **options: Any) -> Any:
        # cancelled in the middle, after some checkpoints
        return real(*arguments, **options, cancelled=lambda: calls.append(1) or len(calls) > 9)

    monkeypatch.setattr(transfer, "copy_disk", killed)
    assert kensho("disk", "convert", disk, cut)[0] == InterruptedRunError.exit_code
    assert not cut.exists()
    monkeypatch.setattr(transfer, "copy_disk", real)
    code, out, err = kensho("disk", "convert", disk, cut, "--verify", "--hash")
    assert code == 0, err
    assert "resuming" in err
    assert cut.read_bytes() == whole.read_bytes()
    assert as_json("disk", "convert", disk, tmp_path / "b.vdi", "--hash")["root"] in out
    assert [p for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_source_that_changes_before_it_is_hashed_gives_no_result(
    kensho: Kensho, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resumed run reads the source again for the hashes: they must be those of the disk."""
    from kensho.disks import copy_kernel, resume, transfer

    monkeypatch.setattr(resume, "EVERY", 1 << 16)
    monkeypatch.setattr(copy_kernel, "WINDOW", 1 << 20)
    out = tmp_path / "out.qcow2"
    copy, root = transfer.copy_disk, transfer.content_root
    calls: list[int] = []

    def killed(*arguments: Any, **options: Any) -> Any:
        return copy(*arguments, **options, cancelled=lambda: calls.append(1) or len(calls) > 9)

    def touched(*arguments: Any, **options: Any) -> str:
        with disk.open("r+b") as file:
            file.write(b"changed")
        return root(*arguments, **options)

    monkeypatch.setattr(transfer, "copy_disk", killed)
    kensho("disk", "convert", disk, out)
    monkeypatch.setattr(transfer, "copy_disk", copy)
    monkeypatch.setattr(transfer, "content_root", touched)
    code, _, err = kensho("disk", "convert", disk, out, "--hash")
    assert (code, "changed while" in err, "resuming" in err) == (1, True, True)
    assert not out.exists()
    assert not out.with_name("out.qcow2.kensho-hashes").exists()


@needs_qemu
def test_another_snapshot_of_the_same_file_is_begun_again(
    kensho: Kensho, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kensho.disks import copy_kernel, resume, transfer
    from kensho.model.errors import InterruptedRunError

    source, out = tmp_path / "s.qcow2", tmp_path / "out.raw"
    qemu("convert", "-f", "raw", "-O", "qcow2", disk, source)
    qemu("snapshot", "-c", "one", source)
    subprocess.run(["qemu-io", "-c", "write -P 7 0 8M", str(source)], check=True)
    monkeypatch.setattr(resume, "EVERY", 1 << 16)
    monkeypatch.setattr(copy_kernel, "WINDOW", 1 << 20)
    real = transfer.copy_disk
    calls: list[int] = []

    def killed(*arguments: Any, **options: Any) -> Any:
        return real(*arguments, **options, cancelled=lambda: calls.append(1) or len(calls) > 9)

    monkeypatch.setattr(transfer, "copy_disk", killed)
    interrupted = kensho("disk", "convert", source, out, "--snapshot", "one")
    assert interrupted[0] == InterruptedRunError.exit_code
    monkeypatch.setattr(transfer, "copy_disk", real)
    code, _, err = kensho("disk", "convert", source, out)
    assert (code, "resuming" in err) == (0, False)
    assert out.read_bytes() == b"\7" * (8 * MIB)


def test_what_does_not_verify_is_not_put_in_place(
    kensho: Kensho, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kensho.disks import transfer

    monkeypatch.setattr(transfer, "compare", lambda *_, **__: 4096)
    for target in ("out.qcow2", "out.vmdk"):
        code, _, err = kensho("disk", "convert", disk, tmp_path / target, "--verify")
        assert code == 11
        assert "4096" in err
    assert sorted(p.name for p in tmp_path.iterdir()) == [disk.name]


def test_a_source_that_changes_meanwhile_gives_no_result(disk: Path, tmp_path: Path) -> None:
    from kensho.disks import open_disk, transfer
    from kensho.model.errors import CorruptError
    from kensho.storage import FileSource

    with FileSource(disk) as source:
        reader = open_disk(source, format="raw")
        target = transfer.target_for("a.vdi", None, None, reader.virtual_size)
        with pytest.raises(CorruptError, match="changed"):
            transfer.write_disk(
                reader,
                tmp_path / "a.vdi",
                target,
                transfer.How(),
                on_copy=lambda done, total: os.utime(disk, ns=(1, done)),
            )
    assert sorted(p.name for p in tmp_path.iterdir()) == [disk.name]
