from __future__ import annotations

from kensho.proof.watch.result import BootResult, Verdict
from oracles import Check
from page import write_page
from results import Boot, Outcome, Target
from table import print_table

RESULT = {
    "plan": {"source_kind": "ova"},
    "files": [{"name": "a.xml", "bytes": 1024}, {"name": "a.qcow2", "bytes": 1 << 20}],
    "seconds": 1.25,
    "findings": [{"severity": "note"}, {"severity": "warning"}, {"severity": "note"}],
    "check": "ok",
}
GOOD = (Check("qemu-img check", "a.qcow2", ok=True),)
BAD = (*GOOD, Check("same content", "<script>alert(1)</script>", ok=False))


def outcome(tmp_path, checks=GOOD) -> Outcome:
    report = str(tmp_path / "kvm" / "a b.html")
    return Outcome("a.ova", Target("kvm"), result=RESULT | {"report": report}, checks=checks)


def boot(tmp_path, verdict=Verdict.LOGIN, *, must_login=True) -> Boot:
    log = tmp_path / "serial.log"
    log.write_bytes(b"[\x1b[0;32m  OK  \x1b[0m] <up>\r\nguest login: ")
    result = BootResult(
        verdict=verdict, reason="why", seconds=30.0, milestones={"kernel": 7.0}, log=str(log)
    )
    return Boot(must_login=must_login, result=result)


def test_what_counts_as_success(tmp_path):
    assert outcome(tmp_path).ok
    assert outcome(tmp_path, (Check("bash", "not installed", ok=None),)).ok
    assert not outcome(tmp_path, BAD).ok
    assert not Outcome("a.ova", Target("kvm"), error="no").ok
    assert boot(tmp_path).ok
    assert not boot(tmp_path, Verdict.TIMEOUT).ok
    assert boot(tmp_path, Verdict.TIMEOUT, must_login=False).ok
    assert boot(tmp_path, Verdict.TIMEOUT, must_login=False).title == "not shown: why"
    assert not Boot(must_login=True, error="no QEMU").ok
    assert Boot(must_login=False, error="no QEMU").ok


def test_the_page(tmp_path):
    failed = Outcome("a.ova", Target("vmware", "vmx"), error="KE-1 <b>")
    path = write_page(tmp_path / "index.html", [outcome(tmp_path, BAD), failed], boot(tmp_path))
    html = path.read_text()
    assert 'href="kvm/a b.html"' in html
    assert "1.0 MiB" in html
    assert "2 notes, 1 warning" in html
    assert "[  OK  ] &lt;up&gt;" in html
    assert "<script>" not in html
    assert "KE-1 &lt;b&gt;" in html
    assert "1 of 2 FAILED" in html


def test_the_table(tmp_path, capsys):
    print_table([outcome(tmp_path, BAD), outcome(tmp_path)], boot(tmp_path))
    text = capsys.readouterr().out
    assert "same content: FAILED: <script>" in text
    assert "1 of 1 ok" in text
    assert "boot: login prompt after 30.0 s" in text
