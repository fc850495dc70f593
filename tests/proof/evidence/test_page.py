"""The page of a proof in a real browser: what it loads, what it shows, what hostile guests do to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kensho.guest.adapt.changes import FileChange, FileState
from kensho.model.finding import Finding, Severity
from kensho.proof.causes.likely import Cause
from kensho.proof.evidence.page import render_page
from kensho.proof.evidence.portability import Host, Signers
from kensho.proof.probes import ProbeResult
from kensho.proof.qemu.agent import AgentSeen, Interface
from tests.proof.evidence.browser import Page, browsing, needs_browser
from tests.proof.evidence.made_up import booted, evidence, judged

HOSTILE = (
    "</pre></script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "<img src=http://192.0.2.1/x><link rel=stylesheet href=//192.0.2.1/y><a href=javascript:alert(1)>x</a>"
    "\u202edetrevni\u2066 \x1b[2J\x00\x07 &lt;&#60; \ud7ff\ufffe"
)


def page(folder: Path, *, hostile: str = "") -> Path:
    """Write the page of a dozen trials; ``hostile`` is all that the guest and the appliance say."""
    folder.mkdir(parents=True, exist_ok=True)
    cause = Cause(
        "KF-960", "the root was not found: no driver for pvscsi is there in time", "kensho adapt"
    )
    log = hostile * 3 + "\n" + "\n".join(f"[{n:9.4f}] usb {n}: new device" for n in range(80))
    log += (
        "\r\n[\x1b[0;32m  OK  \x1b[0m] Reached \x1b[0;1;39mnetwork.target\x1b[0m.\r\nweb01 login: "
        + hostile
    )
    trials = [booted(folder, f"vmware-{n}", log) for n in range(6)]
    trials += [booted(folder, f"xenserver-{n}", log, cause=cause) for n in range(3)]
    trials[0] = msgspec.structs.replace(
        trials[0], agent=AgentSeen(hostile or "7.2", hostile, (Interface(hostile, "a", (hostile,)),)),
        probes=(ProbeResult(f"agent:{hostile or 'true'}", ok=False, seen=hostile or "exit code 1",
                            seconds=9, output=hostile * 9),),
        notes=(Cause("KF-975", "it stays on", hostile or "cut its power"),),
    )  # fmt: skip
    told = evidence(folder, *trials, *(judged(f"hyperv-{n}") for n in range(3)),
                    source=hostile or "web01.ova")  # fmt: skip
    told = msgspec.structs.replace(
        told, targets=("vmware",), host=Host("x86_64", 2, "Linux 6.1"), signers=Signers("ab" * 32),
        plan=("start on vmware-ide", hostile),
        findings=(Finding("KF-900", Severity.WARNING, hostile or "initramfs is rebuilt", "disk1"),),
        changes=tuple(
            FileChange("web01", "disk1p1", f"/etc/initramfs-tools/{hostile}{n}", "drivers",
                       FileState("file", 10), FileState("file", 20)) for n in range(5)
        ),
    )  # fmt: skip
    path = folder / "index.html"
    path.write_text(render_page(told, folder), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browsing(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture
def tab(browser: Page) -> Page:
    browser.asked.clear()
    browser.said.clear()
    return browser


@needs_browser
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("hostile", ["", HOSTILE], ids=["plain", "hostile"])
def test_it_is_whole_by_itself_and_fits(
    width: int, hostile: str, tab: Page, tmp_path: Path
) -> None:
    path = page(tmp_path / "proof", hostile=hostile)
    tab.open(path, width)
    assert tab.said == []
    loaded = [address for address in tab.asked if not address.startswith("data:")]
    assert loaded == [path.as_uri()]
    pictures = tab.value("Promise.all([...document.images].map(i => i.decode()"
                             ".then(() => i.naturalWidth, () => 0)))")  # fmt: skip
    assert pictures == [320] * 18
    assert tab.value("document.scripts.length") == 0
    # nothing is wider than the screen but what scrolls in itself, and text is large enough to read
    assert tab.value("document.documentElement.scrollWidth") <= width
    assert tab.value("Math.min(...[...document.querySelectorAll('td, p, li')].map("
                         "e => parseFloat(getComputedStyle(e).fontSize)))") >= 12  # fmt: skip
    assert tab.value("document.querySelectorAll('.matrix tbody tr').length") == 12
    links = tab.value("[...document.links].every(a => document.getElementById("
                          "decodeURIComponent(a.hash.slice(1))))")  # fmt: skip
    assert links
    told = tab.value("document.body.innerText")
    assert "6 of 9 profiles passed under QEMU" in told
    assert "What this does not show" in told
    assert "no driver for pvscsi is there in time" in told
    assert (
        "[  OK  ] Reached network.target.\nweb01 login:" in told
    )  # of one that failed: its log is open
    if hostile:
        assert tab.value("document.title").startswith("</pre></script>")
        assert tab.value("[...document.querySelectorAll('a')].every(a => a.hash)")
        assert not set(told) & set("\u202e\u2066\x1b\x07\x00")


@needs_browser
def test_a_log_of_one_endless_line_stays_small(tab: Page, tmp_path: Path) -> None:
    path = page(tmp_path / "proof", hostile="x" * (2 << 20))
    assert path.stat().st_size < 1 << 20
    tab.open(path, 375)
    assert tab.value("document.documentElement.scrollWidth") <= 375
    assert tab.said == []


def test_the_policy_allows_nothing_but_its_own(tmp_path: Path) -> None:
    text = page(tmp_path / "proof", hostile=HOSTILE).read_text()
    assert "default-src 'none'" in text.replace("&#x27;", "'")
    assert "<script" not in text
