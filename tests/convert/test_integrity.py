"""What a whole conversion records about its disks, and what it keeps when it is interrupted."""

import itertools
from pathlib import Path

import msgspec
import pytest

from kensho.convert.plan import Request, make_plan
from kensho.convert.run import Options, run_plan
from kensho.disks import content_root, open_disk
from kensho.disks.resume import JournaledWriter
from kensho.storage import FileSource
from tests.images import MIB, ovf, raw_disk


def two_disks(folder: Path, size: int = 4 * MIB) -> Path:
    folder.mkdir(exist_ok=True)
    raw_disk(folder / "a.img", seed=1, size=size)
    raw_disk(folder / "b.img", seed=2, size=size)
    source = folder / "web01.ovf"
    source.write_text(ovf({"a.img": size, "b.img": size}))
    return source


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("target", ["kvm", "ova", "xenserver"])
def test_every_disk_has_its_content_root_in_both_reports(
    tmp_path: Path, target: str, verify: bool
) -> None:
    plan = make_plan(Request(source=str(two_disks(tmp_path / "src")), target=target))
    result = run_plan(plan, tmp_path / "out", options=Options(verify=verify))
    expected = []
    for name in ("a.img", "b.img"):
        with FileSource(tmp_path / "src" / name) as source:
            expected.append(content_root(open_disk(source, format="raw")))
    assert [d.content_root for d in result.disks] == expected
    html = Path(result.report)
    json = msgspec.json.decode(html.with_suffix(".json").read_bytes())
    assert [d["content_root"] for d in json["disks"]] == expected
    assert all(root in html.read_text() for root in expected)


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("target", ["kvm", "hyperv"])
def test_a_run_that_was_cut_off_goes_on_in_the_middle_of_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, verify: bool
) -> None:
    plan = make_plan(Request(source=str(two_disks(tmp_path / "src")), target=target))
    options = Options(verify=verify)
    whole = run_plan(plan, tmp_path / "whole", options=options)
    monkeypatch.setattr("kensho.disks.resume.EVERY", 64 << 10)
    place, calls = JournaledWriter.place, itertools.count()

    def cutting(self: JournaledWriter, offset: int, length: int) -> list[tuple[int, int]]:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return place(self, offset, length)

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(JournaledWriter, "place", cutting)
        with pytest.raises(KeyboardInterrupt):
            run_plan(plan, out, options=options)
    assert [p for p in out.iterdir() if not p.name.startswith(".")] == []
    messages: list[str] = []
    result = run_plan(
        plan, out, options=options, listener=lambda e: messages.append(getattr(e, "text", ""))
    )
    assert any("goes on at" in m for m in messages)
    for ours, theirs in zip(result.disks, whole.disks, strict=True):
        assert ours == theirs
        made = (out / ours.filename).read_bytes()
        assert made == (tmp_path / "whole" / ours.filename).read_bytes()
    assert [p for p in out.iterdir() if p.name.startswith(".")] == []
