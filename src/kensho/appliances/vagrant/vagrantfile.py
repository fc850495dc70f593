"""What a Vagrantfile says in so many words. It is Ruby, and nothing of it is ever run.

Source: https://developer.hashicorp.com/vagrant/docs/vagrantfile; settings of a provider are in its
``config.vm.provider NAME do |variable|`` block. Only assignments of literals count; whatever is
computed stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kensho.appliances.vagrant.ruby import read_literal

MAX_VAGRANTFILE = 256 * 1024
_PROVIDER = re.compile(r"\w+\.vm\.provider[\s(]+[:\"'](\w+)[\"']?\s*\)?\s*(?:do|\{)\s*\|\s*(\w+)")
_ASSIGNED = re.compile(r"(\w+)((?:\.\w+)+)\s*=\s*(?!=)(.+)", re.DOTALL)
_NUMBER = re.compile(r"[0-9][0-9_]{0,17}", re.ASCII)
_COMMENT = re.compile(r"((?:[^#'\"]|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")*)#.*")
_FIRMWARE = re.compile(r"--firmware['\"]\s*,\s*['\"]efi", re.IGNORECASE)
#: A method of vagrant-libvirt, kept as the setting ``cores``.
_CORES = re.compile(
    r"\w+\.cputopology\b.*\bcores['\"]?\s*(?:=>|:)\s*['\"]?([0-9]{1,4})\b", re.ASCII
)
_MOST_LINE = 4096


@dataclass(frozen=True, slots=True)
class Vagrantfile:
    """Literal settings: ``config`` by name (``vm.base_mac``), ``providers`` by provider and name."""

    text: str = ""
    config: Mapping[str, str] = field(default_factory=dict)
    providers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    efi: bool = False  #: VirtualBox is told to give the machine UEFI

    def provider(self, name: str) -> Mapping[str, str]:
        """Return a provider's settings."""
        return self.providers.get(name, {})


def read_vagrantfile(data: bytes) -> Vagrantfile:
    """Return what a Vagrantfile assigns; the last assignment of a name counts."""
    text = data.decode("utf-8", "replace")
    config: dict[str, str] = {}
    providers: dict[str, dict[str, str]] = {}
    current: tuple[str, str] | None = None  # the provider's name and its variable
    efi = False
    for line in _code_lines(text):
        code = _without_comment(line.strip())
        if begun := _PROVIDER.match(code):
            current = (begun[1], begun[2])
            continue
        efi = efi or (current is not None and bool(_FIRMWARE.search(code)))
        if current is not None and (cores := _CORES.match(code)):
            providers.setdefault(current[0], {})["cores"] = cores[1]
        match = _ASSIGNED.fullmatch(code)
        value = None if match is None else _value(match[3].strip())
        if match is None or value is None:
            continue
        name = match[2][1:]
        if current is not None and match[1] == current[1]:
            providers.setdefault(current[0], {})[name] = value
        else:
            config[name] = value
    return Vagrantfile(text, config, providers, efi)


def _code_lines(text: str) -> Iterator[str]:
    """Yield the lines that are neither in a block comment nor behind the end, nor absurdly long."""
    in_comment = False
    for line in text.splitlines():
        if line.rstrip() == "__END__":
            return
        if line.startswith(("=begin", "=end")):
            in_comment = line.startswith("=begin")
        elif not in_comment and len(line) <= _MOST_LINE:
            yield line


def _without_comment(code: str) -> str:
    match = _COMMENT.fullmatch(code) if "#" in code else None
    return code if match is None else match[1].strip()


def _value(source: str) -> str | None:
    if _NUMBER.fullmatch(source):
        return source.replace("_", "")
    return source if source in {"true", "false"} else read_literal(source)
