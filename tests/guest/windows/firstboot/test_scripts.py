"""Scripts for the first start: their names and bytes, how values get into them."""

from __future__ import annotations

import base64
import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho.guest.windows.firstboot.plan import FirstBootScript
from kensho.guest.windows.firstboot.quoting import cmd_quoted, powershell_command
from kensho.guest.windows.firstboot.scheduler import FIRSTBOOT_CMD, batch, check_file, named
from kensho.guest.windows.firstboot.scripts import (
    disks_online_script,
    drivers_script,
    install_msi_script,
    remove_tools_script,
)
from kensho.guest.windows.version import WindowsVersion
from kensho.model.errors import KenshoError, LimitError, UsageError
from kensho.model.powershell import literal
from tests.appliances.powershell import literals, parsed
from tests.guest.windows.firstboot.conftest import Wine

XP = WindowsVersion(5, 1, 2600, architecture="x86")
SEVEN = WindowsVersion(6, 1, 7601, architecture="amd64")
TEN = WindowsVersion(10, 0, 19045, architecture="amd64")
OLD_TEN = WindowsVersion(10, 0, 10240, architecture="amd64")
INF = r"%SystemRoot%\Drivers\kensho\viostor\viostor.inf"


def expanded(quoted: str) -> str:
    """Return what a batch script makes of a quoted word without variables: ``cmd /?``."""
    assert quoted[0] == quoted[-1] == '"'
    inner = quoted[1:-1]
    assert '"' not in inner
    assert not re.search(r"(?<!%)(%%)*%(?!%)", inner)  # no percent sign stands alone
    return inner.replace("%%", "%")


@given(st.text(alphabet=string.printable[:95].replace('"', "")))
def test_any_value_is_quoted(value: str) -> None:
    back = expanded(cmd_quoted(value))
    assert back == (value + "\\" if value.endswith("\\") else value)


@pytest.mark.parametrize(
    "value", ['a"b', "a\nb", "a\rb", "\0", "ä", "\u201c", "x\x1ay", "x" * 9000]
)
def test_values_that_no_batch_script_can_say(value: str) -> None:
    with pytest.raises(KenshoError):
        cmd_quoted(value)


@given(st.text(max_size=300))
def test_powershell_gets_any_value(value: str) -> None:
    value = value.replace("\0", "")
    try:
        line = powershell_command(f"Write-Output {literal(value)}")
    except (LimitError, UnicodeEncodeError):
        return
    assert batch(line)
    script = base64.b64decode(line.rpartition(" ")[2]).decode("utf-16-le")
    if value.isascii() and value.isprintable():
        assert literals(script) == [value]


def test_too_long_for_a_command() -> None:
    with pytest.raises(LimitError):
        powershell_command("x" * 4000)


def test_names_and_order() -> None:
    scripts = [
        FirstBootScript(3000, "b", "two"),
        FirstBootScript(200, "z", "first"),
        FirstBootScript(3000, "a", "one"),
    ]
    assert list(named(scripts)) == ["0200-z.cmd", "3000-a.cmd", "3000-b.cmd"]
    assert list(named([scripts[0], scripts[0]])) == ["3000-b.cmd"]
    with pytest.raises(UsageError, match="two scripts"):
        named([*scripts, FirstBootScript(200, "z", "other")])
    for odd in (FirstBootScript(10000, "a", ""), FirstBootScript(-1, "a", ""),
                FirstBootScript(1, "..", ""), FirstBootScript(1, "a b", ""), FirstBootScript(1, "", "")):  # fmt: skip
        with pytest.raises(UsageError):
            named([odd])
    for name in ("", "..", "a/b", "a b.msi", "c:x", "a" * 99):
        with pytest.raises(UsageError):
            check_file(name)


def test_bytes() -> None:
    assert batch("a\nb\r\n") == b"a\r\nb\r\n"
    for text in ("ä", "a\x1ab", "\0"):
        with pytest.raises(UsageError):
            batch(text)


def every_script() -> list[FirstBootScript]:
    found = [
        drivers_script(TEN, [INF]), drivers_script(SEVEN, [INF]), disks_online_script(TEN),
        disks_online_script(SEVEN), install_msi_script("agent", "qemu-ga.msi"),
        remove_tools_script(["vmware", "virtualbox", "xenserver", "parallels", "rhev"]),
    ]  # fmt: skip
    return [script for script in found if script is not None]


@pytest.mark.parametrize("script", every_script(), ids=lambda s: s.name)
def test_every_script_is_a_batch_script(script: FirstBootScript) -> None:
    data = batch(script.text)
    named([script])
    assert script.text.startswith("@echo off\nsetlocal EnableExtensions DisableDelayedExpansion\n")
    labels = set(re.findall(r"^:(\w+)", script.text, re.MULTILINE))
    assert set(re.findall(r"(?:goto |call :)(\w+)", script.text)) <= labels
    for line in data.decode().split("\r\n"):
        assert len(line) < 8191
        assert line.count('"') % 2 == 0 or "COMMAND:" in line
    code = re.search(r"-EncodedCommand (\S+)", script.text)
    if code is not None:
        parsed(base64.b64decode(code[1]).decode("utf-16-le"))


def test_labels_of_the_scheduler() -> None:
    labels = set(re.findall(r"^:(\w+)", FIRSTBOOT_CMD, re.MULTILINE))
    assert set(re.findall(r"(?:goto |call :)(\w+)", FIRSTBOOT_CMD)) == labels
    assert len(batch(FIRSTBOOT_CMD)) < 4096


def test_pnputil_by_version() -> None:
    assert drivers_script(XP, [INF]) is None
    assert drivers_script(TEN, []) is None
    new, old, older = (drivers_script(w, [INF]) for w in (TEN, OLD_TEN, SEVEN))
    assert new is not None
    assert old is not None
    assert f'/add-driver "{INF}" /install' in new.text
    assert f'-i -a "{INF}"' in old.text
    assert old == older
    for odd in (r"C:\x.inf", r'%SystemRoot%\a" & calc.inf', r"%SystemRoot%\..\%PATH%.inf"):
        with pytest.raises(UsageError):
            drivers_script(TEN, [odd])


def test_disks_and_tools() -> None:
    assert disks_online_script(XP) is None
    assert remove_tools_script(["rhev"]) is None
    tools = remove_tools_script(["vmware"])
    assert tools is not None
    assert '/c:"VMware Tools"' in tools.text
    assert "Xen" not in tools.text
    # not where the disk may hang on the tools' own driver
    assert tools.text.index("SystemManufacturer") < tools.text.index("msiexec")


def test_quoting_in_a_cmd(tmp_path: Path, wine: Wine) -> None:
    """By wine's cmd: what ``set`` keeps of hostile values."""
    values = [
        "a b",
        "100%",
        "%PATH%",
        "%%x%%",
        "a&calc",
        "a|b>c<d^e",
        "!x!",
        "(a)",
        "a,b;c=d",
        "'x'",
        "^",
    ]
    lines = ["@echo off", "setlocal EnableExtensions DisableDelayedExpansion"]
    for number, value in enumerate(values):
        lines += [f'set "V{number}={cmd_quoted(value)[1:-1]}"']
    (tmp_path / "t.cmd").write_bytes(batch("\n".join([*lines, "set V", ""])))
    said = wine("cmd", "/d", "/c", tmp_path / "t.cmd").stdout.decode()
    found = dict(re.findall(r"^V(\d+)=(.*?)\r?$", said, re.MULTILINE))
    assert found == {str(number): value for number, value in enumerate(values)}
