"""Rich's console with one difference: every text that it prints goes through `terminal.harmless`."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment

from tunesmith.cli.terminal import harmless


def console() -> Console:
    """A console on standard output that no printed text can steer."""
    made = Console()
    made.push_render_hook(_Hook())
    return made


class _Hook(RenderHook):
    """Rich gives it whatever is about to be printed."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Plain(each) for each in renderables]


class _Plain:
    """Something printed, its own colours kept, its text made harmless."""

    def __init__(self, inside: ConsoleRenderable) -> None:
        self._inside = inside

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._inside, options):
            is_ours = segment.control is not None
            yield segment if is_ours else Segment(harmless(segment.text), segment.style)
