"""What a whole conversion records about its disks, and what it keeps when it is interrupted."""

from pathlib import Path

import msgspec
import pytest

from kensho.convert.plan import Request, make_plan
from kensho.convert.run import Options, run_plan
from kensho.disks import content_root, open_disk
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
@pytest.mark.parametrize("target", ["kvm", "ova", "xen"])
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
