"""Only what differs is sent, and the terminal shows the same as if all had been."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region, Size
from textual.strip import Strip

from tests.makers.terminals import Display
from tui.sent import Sent

WIDTH, HEIGHT = 24, 5
CONSOLE = Console(color_system="256", force_terminal=True)
LOOKS = (
    "",
    "bold",
    "reverse",
    "underline red",
    "white on blue",
    "#123456 on #654321",
    "dim on blue",
    "default on default",
)
STYLES = [Style.parse(text) for text in LOOKS]
LETTERS = ("a", "b", " ", " ", "é", "─", "数", "据", "a\u0301", "я")

lines = some.lists(
    some.tuples(some.lists(some.sampled_from(LETTERS), min_size=1, max_size=9).map("".join), some.sampled_from(STYLES)),
    min_size=1,
    max_size=5,
)
screens = some.lists(lines, min_size=HEIGHT, max_size=HEIGHT)
spans = some.lists(
    some.tuples(some.integers(0, HEIGHT - 1), some.integers(0, 11), some.integers(13, WIDTH)),
    min_size=1,
    unique_by=lambda span: span[0],
)


def strip(line: list[tuple[str, Style]], width: int = WIDTH) -> Strip:
    return Strip([Segment(text, style) for text, style in line]).adjust_cell_length(width, STYLES[4])


def layout(screen: list[list[tuple[str, Style]]]) -> LayoutUpdate:
    return LayoutUpdate([[strip(line)] for line in screen], Region(0, 0, WIDTH, HEIGHT))


def partly(screen: list[list[tuple[str, Style]]], parts: list[tuple[int, int, int]]) -> ChopsUpdate:
    """Return an update of some parts of some lines, each line in two pieces."""
    chops = [{0: strip(line, 12), 12: strip(line[::-1], WIDTH - 12)} for line in screen]
    return ChopsUpdate(chops, sorted(parts), [[12, WIDTH]] * HEIGHT)


class Both:
    """Two terminals: one gets all, one what differs."""

    def __init__(self) -> None:
        self.all, self.some = Display(WIDTH, HEIGHT), Display(WIDTH, HEIGHT)
        self.sent = Sent()
        self.last = layout([[(" ", STYLES[0])]] * HEIGHT)

    def take(self, update: LayoutUpdate | ChopsUpdate) -> str:
        self.all.feed(update.render_segments(CONSOLE).replace("\n", "\r\n").encode())
        left = self.sent.narrowed(update, Size(WIDTH, HEIGHT), CONSOLE, lambda: self.last)
        said = left.render_segments(CONSOLE) if left is not None else ""
        self.some.feed(said.encode())
        return said


@given(first=screens, parts=spans, second=screens, third=screens)
def test_what_differs_leads_to_the_same_screen(
    first: list[list[tuple[str, Style]]],
    parts: list[tuple[int, int, int]],
    second: list[list[tuple[str, Style]]],
    third: list[list[tuple[str, Style]]],
) -> None:
    both = Both()
    both.last = layout(first)
    for update in (layout(first), partly(second, parts), layout(third), partly(first, parts)):
        both.take(update)
        assert both.some.cells == both.all.cells
    assert both.take(partly(first, parts)) == ""


def test_one_word_costs_one_word() -> None:
    both = Both()
    both.last = layout([[("52% done  ", STYLES[4])]] * HEIGHT)
    both.take(both.last)
    said = both.take(layout([[("52% done  ", STYLES[4])]] * (HEIGHT - 1) + [[("53% done  ", STYLES[4])]]))
    assert said == "\x1b[5;2H\x1b[0;37;44m3\x1b[m"


def test_a_line_whose_characters_can_be_of_any_width_is_sent_whole() -> None:
    both = Both()
    both.last = layout([[("数据 a", STYLES[0])]] * HEIGHT)
    both.take(both.last)
    said = both.take(layout([[("数据 b", STYLES[0])]] + [[("数据 a", STYLES[0])]] * (HEIGHT - 1)))
    assert said.startswith("\x1b[1;1H数据 b")
    assert said.count("H") == 1


def test_after_forgetting_all_is_sent_again_on_a_clear_screen() -> None:
    both = Both()
    both.last = layout([[("here", STYLES[0])]] * HEIGHT)
    both.take(both.last)
    both.some.feed(b"\x1b[1;1HBroadcast message from root")
    both.sent.forget()
    said = both.take(partly([[("here", STYLES[0])]] * HEIGHT, [(0, 0, 2)]))
    assert said.startswith("\x1b[m\x1b[2J")
    assert both.some.text == "\n".join(["here"] * HEIGHT)
