"""No verb makes a good package of a damaged one, however its manifest is spelled and called."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Kensho
from tests.images import MIB, manifest, ovf, raw_disk, tar

VERBS = {
    "manifest": (),
    "fix": ("--for", "esxi-8"),
    "edit": ("--set", "cpus=2"),
    "edit --sha": ("--set", "cpus=2", "--sha", "512"),
    "pack": (),
    "encrypt": ("--passphrase-file", "word"),
    "merge": (),
    "split": ("--form", "ova"),
}


def line(name: str, data: bytes, algorithm: str = "SHA256") -> bytes:
    return f"{algorithm}({name})= {hashlib.new(algorithm, data).hexdigest()}\n".encode()


@pytest.fixture
def disk(tmp_path: Path) -> bytes:
    return raw_disk(tmp_path / "disk.raw", size=MIB, pieces=3).read_bytes()


MANIFESTS = {
    "plain": ("a.img", "web.mf", lambda good, bad: line("a.img", good)),
    "dot and slash": ("a.img", "web.mf", lambda good, bad: line("./a.img", good)),
    "two slashes": ("sub//a.img", "web.mf", lambda good, bad: line("sub//a.img", good)),
    "percent": ("my%20a.img", "web.mf", lambda good, bad: line("my%20a.img", good)),
    "another name": ("a.img", "package.mf", lambda good, bad: line("a.img", good)),
    "capitals": ("a.img", "WEB.MF", lambda good, bad: line("a.img", good)),
    "SHA-1": ("a.img", "web.mf", lambda good, bad: line("a.img", good, "SHA1")),
    "one of two": ("a.img", "web.mf", lambda good, bad: line("a.img", good) + line("a.img", bad)),
    "one of two kinds": (
        "a.img", "web.mf", lambda good, bad: line("a.img", good, "SHA1") + line("a.img", bad),
    ),
}  # fmt: skip


@pytest.mark.parametrize("spelling", MANIFESTS)
@pytest.mark.parametrize("verb", VERBS)
def test_a_damaged_package_does_not_become_a_good_one(
    kensho: Kensho,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    disk: bytes,
    verb: str,
    spelling: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("word").write_text("secret\n")
    href, name, lines = MANIFESTS[spelling]
    stored = href.replace("//", "/").replace("%20", " ")
    bad = disk[:-1] + b"x"
    text = ovf({href: MIB}, machine="out").encode()
    data: Any = line("web.ovf", text) + lines(disk, bad)
    tar(Path("in.ova"), {"web.ovf": text, name: data, stored: bad})
    assert kensho("verify", "in.ova")[0] == 11
    word, *_ = verb.split()
    more = ("in.ova",) if word == "merge" else ()
    target = "." if word == "split" else "out.ova"
    code, _, err = kensho(word, "in.ova", *more, *VERBS[verb], "-o", target)
    if code != 11:
        assert Path("out.ova").exists(), err
        assert kensho("verify", "out.ova")[0] == 11


@pytest.mark.parametrize("verb", VERBS)
def test_a_changed_descriptor_is_not_vouched_for(
    kensho: Kensho, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: bytes, verb: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("word").write_text("secret\n")
    text = ovf({"a.img": MIB}, machine="out").encode()
    data = line("web.ovf", text + b" ") + line("a.img", disk)
    tar(Path("in.ova"), {"web.ovf": text, "web.mf": data, "a.img": disk})
    word, *_ = verb.split()
    more = ("in.ova",) if word == "merge" else ()
    target = "." if word == "split" else "out.ova"
    code, _, err = kensho(word, "in.ova", *more, *VERBS[verb], "-o", target)
    assert code == 11
    assert "manifest --changed" in err
    assert sorted(path.name for path in Path().iterdir()) == ["disk.raw", "in.ova", "word"]
    assert kensho("manifest", "in.ova", "--changed", "-o", "mine.ova")[0] == 0
    assert kensho("edit", "mine.ova", "--set", "cpus=2", "-o", "out.ova")[0] == 0


@pytest.mark.parametrize("verb", ["edit", "pack", "merge", "split"])
def test_an_archive_without_its_disk_is_not_written(
    kensho: Kensho, tmp_path: Path, verb: str
) -> None:
    source = tar(tmp_path / "in.ova", {"web.ovf": ovf({"a.img": MIB}, machine="out").encode()})
    more = (source,) if verb == "merge" else VERBS[verb]
    target = tmp_path if verb == "split" else tmp_path / "out.ova"
    code, _, err = kensho(verb, source, *more, "-o", target)
    assert code == 1
    assert "'a.img' is missing" in err
    assert [path.name for path in tmp_path.iterdir()] == ["in.ova"]


@pytest.mark.parametrize("href", ["./a.img", "sub//a.img", "my%20a.img"])
@pytest.mark.parametrize("verb", ["edit", "pack", "merge", "split", "fix", "encrypt", "manifest"])
def test_odd_names_are_followed(
    kensho: Kensho,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    disk: bytes,
    verb: str,
    href: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("word").write_text("secret\n")
    stored = href.replace("./", "").replace("//", "/").replace("%20", " ")
    text = ovf({href: MIB}, machine="out").encode()
    tar(Path("in.ova"), {"web.ovf": text, "web.mf": manifest({href: disk}), stored: disk})
    more = ("in.ova",) if verb == "merge" else ()
    target = "." if verb == "split" else "out.ova"
    code, _, err = kensho(verb, "in.ova", *more, *VERBS[verb], "-o", target)
    assert code == 0 or verb == "fix", err  # fix says what is left
    assert kensho("validate", "out.ova", "--mode", "lax")[0] == 0
    code, out, _ = kensho("verify", "out.ova")
    assert code == 0
    assert "KF-201" not in out
    assert "KF-212" not in out
