"""The frame of every screen: the lines at its edges, its verbs, the field for a filter, too small a window."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Size
from textual.screen import Screen
from textual.widgets import Input, Static
from textual.worker import Worker

from toolkit.errors import LifeboatError
from tui import filter as filters
from tui.act import Act, Started
from tui.beside import Beside, Found, Work
from tui.terminal import COLUMNS, LINES
from tui.text import put
from tui.verbs import EVERYWHERE, Verb, bindings
from tui.widgets.edges import header, job_line, keys, tabs
from tui.widgets.rows import Rows

if TYPE_CHECKING:
    from tui.app import LifeboatApp
    from tui.screens.form import Choice


class Frame(Screen[None]):
    """A screen of the UI. A subclass names its `MODE`, its `VERBS` with a `do_NAME` each, and composes its `body`.

    `facts` is called when the jobs or the health file said something new, and when the screen comes up again.
    """

    MODE: ClassVar[str] = ""
    TITLE_LINE: ClassVar[str] = ""
    VERBS: ClassVar[tuple[Verb, ...]] = ()
    BINDINGS = bindings("all", EVERYWHERE)
    AUTO_FOCUS = "Rows"

    _drawn_at: Size | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        """Bind the verbs that the class names."""
        if "VERBS" in cls.__dict__:
            cls.BINDINGS = bindings(cls.screen_name(), cls.VERBS)
        super().__init_subclass__(**options)

    @classmethod
    def screen_name(cls) -> str:
        """Return what the ids of its verbs begin with, for the user's keymap: `health`, `jobs`, `plan` and so on."""
        return cls.MODE or cls.__name__.removesuffix("Screen").lower()

    @property
    def ui(self) -> LifeboatApp:
        """The app, by its own type."""
        return cast("LifeboatApp", self.app)

    @property
    def is_open(self) -> bool:
        """Whether it was not closed; one that lies below another, or on another digit, is open."""
        return self.ui.has(self)

    # ---- what others do for it

    def beside(
        self,
        work: Work[Found],
        then: Callable[[Found], object],
        failed: Callable[[LifeboatError], object] | None = None,
        *,
        group: str = "beside",
    ) -> None:
        """Do `work` in a thread beside the UI; then `then` takes what it returned, or `failed` the error, in the UI's.

        Nothing is taken once this screen is closed, nor from work that was begun before in the same `group`: what
        that finds is older, whichever ends first. The work is told to stop then.
        """

        async def ask() -> None:
            try:
                await Beside[Found]().run(work, then, lambda: self.is_open)
            except LifeboatError as error:
                if failed is None:
                    raise
                failed(error)

        _: Worker[None] = self.run_worker(ask, group=group, exclusive=True)

    def start(
        self,
        act: Act,
        then: Callable[[Started], None] | None = None,
        failed: Callable[[LifeboatError], None] | None = None,
    ) -> None:
        """Start `act`, as `LifeboatApp.start` does; no answer comes once this screen is closed."""
        self.ui.start(act, then, failed, wanted=lambda: self.is_open)

    # ---- what a screen says

    def body(self) -> ComposeResult:
        """Compose what is between the edges."""
        yield Static()

    def facts(self) -> None:
        """Show what is known now: `self.ui.seen` (health) and `self.ui.jobs`."""

    def against(self, verb: Verb) -> str:
        """Return why `verb` cannot be used now, in words; empty when it can."""
        return self.ui.against(verb)

    def commands(self) -> Iterator[Act]:
        """Yield the acts of this screen as it stands; the first is the one that `y` copies."""
        yield from ()

    # ---- the frame

    def compose(self) -> ComposeResult:
        """Compose the edges around the body."""
        yield Static(id="where")
        yield Static(id="tabs")
        with Vertical(id="body"):
            yield from self.body()
        yield Input(id="filter", select_on_focus=False, placeholder="filter: text  !not  state:bad  age>7d")
        yield Static(id="now")
        yield Static(id="keys")
        yield Static(id="small")

    def on_mount(self) -> None:
        """Draw the edges and the body for the first time."""
        self.query_one("#filter", Input).cursor_blink = False
        self.on_resize(events.Resize(self.size, self.size))
        self.facts()

    def on_screen_resume(self) -> None:
        """Catch up with what happened while another screen was up."""
        self.edges()
        self.facts()

    def on_resize(self, event: events.Resize) -> None:
        """Fit the edges to the window, or say that it is too small."""
        size = event.size
        small = size.width < COLUMNS or size.height < LINES
        self.set_class(small, "-small")
        if small:
            said = f"needs {COLUMNS}x{LINES}, now {size.width}x{size.height}; q leaves; every command works without"
            self.query_one("#small", Static).update(put(said))
        self.set_class(size.height >= 34, "-tall")
        self.edges(size.width)
        before, self._drawn_at = self._drawn_at, size
        if before is not None and before != size:
            self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        """Say all again: it was broken into lines for the old width, and takes as many lines as it did there."""
        self.facts()
        for one in self.query(Static):
            one.refresh(layout=True)

    def edges(self, width: int = 0) -> None:
        """Draw the four lines at the edges again."""
        if not self.is_mounted:
            return
        width = width or self.size.width
        ui, now = self.ui, self.ui.session.now()
        self.put("#where", header(ui.host, ui.seen, now, width, read_only=ui.read_only))
        self.put("#tabs", tabs(self.MODE or ui.current_mode, ui.jobs, width))
        self.put("#now", job_line(ui.jobs, now, width))
        self.put("#keys", keys([(verb, not self.against(verb)) for verb in self.verbs()], width))

    def put(self, where: str, content: Content) -> None:
        """Show `content` in the `Static` at `where`; what is there already is not sent again."""
        widget = self.query_one(where, Static)
        before = widget.content
        if not isinstance(before, Content) or not before.is_same(content):
            heights = str(before).count("\n") != content.plain.count("\n") or not str(before)
            widget.update(content, layout=heights)

    def verbs(self) -> tuple[Verb, ...]:
        """Return the verbs of this screen, its own first."""
        own = {verb.name for verb in self.VERBS}
        return (*self.VERBS, *(verb for verb in EVERYWHERE if verb.name not in own))

    # ---- keys

    async def action_verb(self, name: str) -> None:
        """Do the verb `name`, or say why that is not possible now."""
        verb = next(one for one in self.verbs() if one.name == name)
        reason = self.against(verb)
        if reason:
            self.ui.say(reason, severity="warning")
            return
        done = getattr(self, f"do_{name}")()
        if inspect.isawaitable(done):
            await done
        if self.is_current:
            self.edges()

    def do_filter(self) -> None:
        """Open the field for the filter."""
        if not self.query(Rows):
            self.ui.say("there is no list here to filter", severity="warning")
            return
        field = self.query_one("#filter", Input)
        field.value = self.query_one(Rows).filter_text
        field.add_class("-open")
        field.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Narrow the list while the filter is typed."""
        if event.input.id == "filter" and event.input.has_class("-open"):
            self._narrow(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter and go back to the list."""
        if event.input.id == "filter":
            self._narrow(event.value)
            self._close_filter()

    def _narrow(self, text: str) -> None:
        rows = self.query_one(Rows)
        columns = frozenset(column.name for column in rows.columns)
        try:
            rows.narrow(text.strip(), filters.parse(text, columns | self.more_columns()))
        except LifeboatError as error:
            self.put("#now", put((f" {error.message}; {error.hint or ''}", "$text-warning")))

    def more_columns(self) -> frozenset[str]:
        """Return names that filters may use besides those of the columns."""
        return frozenset()

    def _close_filter(self) -> None:
        self.query_one("#filter", Input).remove_class("-open")
        self.query_one(Rows).focus()
        self.edges()

    def do_back(self) -> None:
        """Go one step back: out of the field, out of the filter, off this screen, and at the top out of the UI."""
        field = self.query_one("#filter", Input)
        if field.has_class("-open"):
            self._narrow("")
            self._close_filter()
        elif self.query(Rows) and self.query_one(Rows).filter:
            self._narrow("")
        else:
            self.ui.back()

    def do_help(self) -> None:
        """Show the help of this screen."""
        from tui.screens.help import HelpScreen

        self.ui.push_screen(HelpScreen(self))

    def do_copy(self) -> None:
        """Copy the command line of what is shown."""
        act = next(self.commands(), None)
        if act is None:
            self.ui.say("there is no command to copy here", severity="warning")
        else:
            self.ui.copy(self.ui.line(act))

    async def do_log(self) -> None:
        """Open the jobs on the one that runs."""
        await self.ui.go("jobs")

    def do_shell(self) -> None:
        """Open a shell where the data is."""
        self.ui.shell(self.folder())

    def folder(self) -> str:
        """Return where a shell opens."""
        return "/"

    def do_menu(self) -> None:
        """Offer every verb of this screen, with what it does or why it cannot be done now."""
        from tui.screens.form import Choose, choice

        def offered(verb: Verb) -> Choice:
            reason = self.against(verb)
            title = verb.label or verb.name.capitalize()
            return choice(verb.name, title, f"not now: {reason}" if reason else verb.help, tone="dim" if reason else "")

        async def chosen(name: str | None) -> None:
            if name is not None:
                await self.action_verb(name)

        found = [offered(verb) for verb in self.verbs() if verb.name not in ("menu", "palette", "stop")]
        self.ui.push_screen(Choose("What shall be done?", found, wide=10), chosen)

    def on_key(self, event: events.Key) -> None:
        """Say how to go on without letters, where the keyboard sends those of another script."""
        letter = event.character or ""
        if letter.isalpha() and not letter.isascii():
            self.ui.say(f"no key here is {letter}: 9 is a menu of all that can be done, with arrows and Enter")

    def do_palette(self) -> None:
        """Open the palette of all commands."""
        self.ui.action_command_palette()

    def do_stop(self) -> None:
        """Say how to cancel and how to leave."""
        self.ui.say("nothing was ended: q leaves the screens, jobs go on; 7 then c cancels a job")
