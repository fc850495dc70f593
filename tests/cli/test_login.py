"""A login in a source's URL: in the plan that is kept to be run, and nowhere else."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

from tests.cli.conftest import Kensho
from tests.cli.small_guest import guest_machine
from tests.storage.web import serving

SECRET = "s3cr3t"
FILES = ("web01.ovf", "boot.img", "root.img")


def test_a_login_is_in_no_report_record_or_json(tmp_path: Path, kensho: Kensho) -> None:
    guest_machine(tmp_path / "in")
    with serving({f"/{name}": (tmp_path / "in" / name).read_bytes() for name in FILES}) as web:
        web.login = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
        url = web.url.replace("://", f"://me:{SECRET}@") + "/web01.ovf"
        wanted = ("--to", "kvm", "--adapt")
        plan = tmp_path / "plan.json"
        said = [kensho("plan", url, *wanted, "-o", plan), kensho("plan", url, *wanted, "--json")]
        said.append(kensho("convert", plan, "-o", tmp_path / "out", "--json"))
        said.append(kensho("convert", url, *wanted, "-o", tmp_path / "two", "--events"))
        said.append(kensho("adapt", url, "-o", tmp_path / "three", "--json"))
    assert [code for code, _, _ in said] == [0] * len(said), said
    assert not [words for words in said if SECRET in f"{words}"]
    made = [path for name in ("out", "two", "three") for path in (tmp_path / name).iterdir()]
    assert {".changes", ".json", ".html"} <= {path.suffix for path in made}
    assert not [path.name for path in made if SECRET.encode() in path.read_bytes()]
    assert SECRET in plan.read_text()
    assert stat.S_IMODE(plan.stat().st_mode) == 0o600
