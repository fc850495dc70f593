"""The configuration of boot loaders, as far as kernels and their command lines go.

Each loader's language is a row of patterns; a text is cut into entries by them, and the places of the
command lines in it are told, so that a word there can be changed and everything else stays.

Sources: GNU GRUB 2 manual (linux, initrd, menuentry); GRUB legacy manual; UAPI Boot Loader
Specification, type 1; SYSLINUX wiki (Config); Debian's update-grub (``# kopt=``); kernel-command-line(7).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_REST = r"(?P<args>(?:[^\n\\]|\\[^\n]|\\\n)*)"
#: The same in GRUB 2's language, in which ``;`` ends a command where it is not quoted.
_WORDS = r"""(?P<args>(?:[^\n\\;"']|\\[^\n]|\\\n|"(?:[^"\\\n]|\\[^\n])*"|'[^'\n]*')*)"""
_MOST_ENTRIES = 2000
_MOST_ARGUMENTS = (
    16384  #: bytes; COMMAND_LINE_SIZE is 4096 at most, escapes and line ends come on top
)
_NO_KERNEL = re.compile(r"memtest|(^|/)xen[^/]*$|\.(c32|com|efi|bin)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Syntax:
    """A language: ``begin`` starts an entry (group ``title``, or none), ``kernel`` names its file.

    ``args`` is found in ``kernel`` or in ``options``. ``loose`` are command lines outside of entries.
    """

    begin: re.Pattern[str] | None
    kernel: re.Pattern[str] | None
    options: re.Pattern[str] | None
    initrd: re.Pattern[str] | None
    loose: re.Pattern[str] | None = None


def _line(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"^[ \t]*{pattern}", re.MULTILINE | re.IGNORECASE)


#: Shell variables that hold command lines, quoted or not; the value is group ``args``.
def _variables(names: str) -> re.Pattern[str]:
    return re.compile(
        rf"^[ \t]*(?:set[ \t]+|export[ \t]+)?(?P<title>{names})\+?=(?:"
        r'"(?P<args>(?:[^"\\]|\\[\s\S])*)"'
        r"|'(?P<args_single>[^'\n]*)'"
        r"|(?P<args_bare>[^\s\"'#;]+))",
        re.MULTILINE,
    )


GRUB2 = Syntax(
    begin=_line(r"menuentry[ \t]+(?P<quote>['\"])(?P<title>.*?)(?P=quote)"),
    kernel=_line(r"(?:linux(?:16|efi)?|(?P<module>module2?))[ \t]+(?P<kernel>[^\s\\;]+)" + _WORDS),
    options=None,
    initrd=re.compile(  # no two parts of it match the same blanks: a line of many would take for ever
        r"^(?:[^\n#]*;)?[ \t]*"
        r"(?:initrd(?:16|efi)?[ \t]+\S|module2?[ \t]+(?:--nounzip[ \t]+)?\S*init)",
        re.MULTILINE | re.IGNORECASE,
    ),
    loose=_variables("kernelopts|default_kernelopts"),
)
LEGACY = Syntax(
    begin=_line(r"title[ \t]+(?P<title>[^\n]*)"),
    kernel=_line(
        r"(?:kernel|(?P<module>module))[ \t]+(?:--\S+[ \t]+)*(?P<kernel>[^\s\\]+)" + _REST
    ),
    options=None,
    initrd=_line(r"(?:initrd|module)[ \t]+\S*init"),
    loose=re.compile(r"^# kopt(?:_\w+)?=(?P<args>[^\n]*)", re.MULTILINE),
)
BLS = Syntax(
    begin=None,
    kernel=_line(r"linux[ \t]+(?P<kernel>\S+)"),
    options=_line(r"options[ \t]+(?P<args>[^\n]*)"),
    initrd=_line(r"initrd[ \t]+\S"),
)
SYSLINUX = Syntax(
    begin=_line(r"label[ \t]+(?P<title>\S+)"),
    kernel=_line(r"(?:kernel|linux)[ \t]+(?P<kernel>\S+)"),
    options=_line(r"append[ \t]+(?P<args>[^\n]*)"),
    initrd=_line(r"(?:initrd[ \t]+\S|append[^\n]*\binitrd=)"),
)
#: What makers of those configurations read.
SHELL = Syntax(
    None, None, None, None,
    _variables(
        r"GRUB_CMDLINE_LINUX\w*|EXTLINUX_PARAMETERS|EXTLINUX_ROOT|(?:DEFAULT|FAILSAFE|XEN_KERNEL)_APPEND"
        r"|default_kernel_opts|kernel_cmdline"
    ),
)  # fmt: skip
#: Alpine's update-extlinux.conf(5): the root has a variable of its own.
UPDATE_EXTLINUX = Syntax(
    None, None, None, None,
    re.compile(rf"{_variables('default_kernel_opts').pattern}|^(?P<args_root>root=[^\s#]+)", re.MULTILINE),
)  # fmt: skip
#: One command line, on as many lines as there are.
PLAIN = Syntax(None, None, re.compile(r"^(?!#)(?P<args>[^\n]+)", re.MULTILINE), None)


@dataclass(slots=True)
class Entry:
    """A kernel that a loader can start; ``spans`` are the places of its command line in the text.

    GRUB may have several command lines for it, one of which is taken by a condition.

    An entry without a ``kernel`` is a command line outside of entries, ``title`` its variable's name.
    """

    title: str = ""
    kernel: str = ""
    initrd: bool = False
    spans: list[tuple[int, int]] = field(default_factory=list)

    @property
    def starts_linux(self) -> bool:
        """Tell whether it is Linux: no tester of memory, no hypervisor, no part of the loader."""
        return bool(self.kernel) and not _NO_KERNEL.search(self.kernel)


def entries(text: str, syntax: Syntax) -> Iterator[Entry]:
    """Yield the entries of a configuration in its order, then command lines outside of them.

    No more of either than a sane one has; a command line longer than any kernel takes is none.
    """
    for entry in itertools.islice(_all(text, syntax), _MOST_ENTRIES):
        entry.spans = [(start, end) for start, end in entry.spans if end - start <= _MOST_ARGUMENTS]
        yield entry


def _all(text: str, syntax: Syntax) -> Iterator[Entry]:
    if syntax.kernel is not None or syntax.options is not None:
        yield from _entries(text, syntax)
    if syntax.loose is not None:
        for match in syntax.loose.finditer(text):
            groups = [g for g in match.groupdict() if g.startswith("args") and match[g] is not None]
            title = match.groupdict().get("title") or ""
            yield Entry(title, spans=[match.span(groups[0])])


def _entries(text: str, syntax: Syntax) -> Iterator[Entry]:
    starts = list(syntax.begin.finditer(text)) if syntax.begin else []
    bounds = [0, *(m.start() for m in starts), len(text)]
    titles = ["", *(m["title"].strip() for m in starts)]
    for title, start, end in zip(titles, bounds, bounds[1:], strict=False):
        entry = Entry(title)
        for pattern in (syntax.kernel, syntax.options):
            for match in pattern.finditer(text, start, end) if pattern else ():
                groups = match.groupdict()
                name = groups.get("kernel") or ""
                if groups.get("module") and (entry.starts_linux or re.search(r"(^|/)init", name)):
                    continue  # a module of a multiboot entry that is its initramfs
                if name and not entry.starts_linux:
                    entry.kernel = name
                    entry.spans.clear()
                if groups.get("args") is not None:
                    entry.spans.append(match.span("args"))
        entry.initrd = bool(syntax.initrd and syntax.initrd.search(text, start, end))
        if entry.kernel or (
            entry.spans and not title
        ):  # SYSLINUX: for all labels without their own
            yield entry
