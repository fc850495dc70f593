"""How ``--help`` looks: all that a verb's docstring says, in lines as wide as the terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cyclopts import App
from cyclopts.help import DefaultFormatter
from rich.text import Text

if TYPE_CHECKING:
    from cyclopts.help import HelpPanel
    from rich.console import Console, ConsoleOptions

HELP = frozenset({"--help", "-h"})
#: Defaults that say no more than that an option is not given.
_NOTHING = frozenset({"False", "()", '""', "0"})
_WRAPPED = re.compile(r"(?<!\n)\n[ \t]*(?!\n)")


class Lines(DefaultFormatter):
    """cyclopts' own panels, whose texts are wrapped once and not where the source has its lines."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print one panel."""
        for entry in panel.entries:
            _unwrap(entry.description)
        said = [e.copy(default=None) if e.default in _NOTHING else e for e in panel.entries]
        super().__call__(console, options, panel.copy(entries=said))

    def render_description(
        self, console: Console, options: ConsoleOptions, description: Any
    ) -> None:
        """Print what the verb is about."""
        _unwrap(description)
        super().render_description(console, options, description)


def explain(app: App, arguments: Sequence[str]) -> None:
    """Let the verb whose help is asked for show its docstring, and not its line in the overview."""
    app.help_formatter = Lines()
    verb = app.parse_commands([word for word in arguments if word not in HELP])[1][-1]
    if verb.default_command is not None:
        verb.help = None


def _unwrap(text: Any) -> None:
    """Join the lines of each paragraph."""
    if isinstance(inner := getattr(text, "primary_renderable", None), Text):
        text.primary_renderable = Text(_WRAPPED.sub(" ", inner.plain), end=inner.end)
