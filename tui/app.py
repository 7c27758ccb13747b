"""The application: eight screens by digit, the facts that they show, and the one way to start something."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Literal, cast

from rich.console import RenderableType
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App, ScreenStackError, SuspendNotSupported, SystemCommand
from textual.binding import Binding, BindingType
from textual.command import CommandPalette
from textual.message import Message
from textual.screen import Screen
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.worker import Worker, WorkerFailed

from toolkit.errors import LifeboatError
from toolkit.operations.session import Session
from tui import act as acts
from tui import clipboard
from tui.act import Act, Started
from tui.palette import Commands
from tui.screens.frame import Frame
from tui.screens.leaving import Leaving
from tui.screens.table import SCREENS
from tui.sent import Sent
from tui.terminal import Terminal
from tui.text import Glyphs, line
from tui.verbs import NAMES, Verb
from tui.watching import Watching
from tui.widgets.edges import ACTIVE
from tui.widgets.rows import Rows

Severity = Literal["information", "warning", "error"]


class PlainBar(ScrollBarRender):
    """A scroll bar of whole cells: the eighths of others are missing on many a console."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


class LifeboatApp(App[None]):
    """The screens. `options` go with every command that is started; `watching` False reads only when told to."""

    CSS_PATH = "styles/app.tcss"
    TITLE = "lifeboat"
    MODES: ClassVar[dict[str, str | Callable[[], Screen[None]]]] = dict(SCREENS)
    DEFAULT_MODE = "health"
    COMMANDS = {Commands}  # noqa: RUF012 - as Textual declares it
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(digit), f"go('{name}')", title, show=False, id=f"go.{name}")
            for digit, (name, title) in enumerate(NAMES.items(), 1)
        ),
        Binding("ctrl+q", "quit", "Leave", show=False, id="leave", priority=True),
        Binding("ctrl+l", "redraw", "Draw again", show=False, id="redraw", priority=True),
    ]

    class FactsRead(Message):
        """The jobs or the health file say something new."""

        def can_replace(self, message: Message) -> bool:
            """One is as good as many: each takes what is known then."""
            return isinstance(message, LifeboatApp.FactsRead)

    def __init__(
        self,
        session: Session,
        terminal: Terminal,
        *,
        options: Sequence[str] = (),
        read_only: bool = False,
        watching: bool = True,
    ) -> None:
        super().__init__()
        self.session = session
        self.terminal = terminal
        self.options = tuple(options)
        self.read_only = read_only
        self.host = session.host
        self.failure: Exception | None = None
        self.mine: set[str] = set()
        self.watching = Watching(session, self._something_new)
        self.jobs, self.seen = self.watching.known
        self._watches = watching
        self._beginning: list[Act] = []
        self._leaves = False
        self._sent = Sent()
        Glyphs.ascii = terminal.ascii
        self.set_class(terminal.ascii, "-ascii")
        ScrollBar.renderer = PlainBar
        self.theme = terminal.theme

    # ---- life

    def on_mount(self) -> None:
        """Take the user's keys, hear signals, and begin to watch once the first paint is out."""
        self.app_resume_signal.subscribe(self, lambda _: self.action_redraw())
        self.set_keymap(dict(self.session.config.ui.keymap))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            try:
                loop.add_signal_handler(number, self._end_by, number)
            except (ValueError, RuntimeError, NotImplementedError):  # not in the main thread: tests
                break
        if self._watches:
            self.call_after_refresh(self.watching.begin)

    def _end_by(self, number: int) -> None:
        """Leave the terminal clean on a signal. After SIGHUP it may be gone: then leave all the same."""
        self.exit(return_code=128 + number)
        if number == signal.SIGHUP:
            asyncio.get_running_loop().call_later(2, os._exit, 128 + number)

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Send only what differs of an update: on a slow line the rest is what one waits for."""
        sends = self._running and not (self._closed or self._batch_count or self.is_headless)
        if sends and isinstance(renderable, LayoutUpdate | ChopsUpdate):
            whole = screen._compositor.render_full_update  # noqa: SLF001
            renderable = cast("RenderableType", self._sent.narrowed(renderable, self.size, self.console, whole))
        super()._display(screen, renderable)

    def action_redraw(self) -> None:
        """Send the whole screen again: something else may have written on the terminal."""
        self._sent.forget()
        self.refresh()

    def on_unmount(self) -> None:
        """Stop watching; the jobs go on."""
        self.watching.end()

    def clear_selection(self) -> None:
        """Clear what is selected; from Python 3.12 on the fields of the first screen ask so before it is up."""
        with contextlib.suppress(ScreenStackError):
            super().clear_selection()

    def _fatal_error(self) -> None:
        """Leave at an error that nobody foresaw; it is reported as a bug, without the values of variables."""
        error: BaseException | None = self._exception
        if isinstance(error, WorkerFailed):
            error = error.error  # what happened, in place of where
        self.failure = error if isinstance(error, Exception) else RuntimeError("the screens ended")
        self._close_messages_no_wait()

    def _something_new(self) -> None:
        """Have it taken; called by the thread that watches, which can outlive the screens."""
        with contextlib.suppress(RuntimeError):  # their loop is closed
            self.post_message(self.FactsRead())

    def on_lifeboat_app_facts_read(self) -> None:
        """Take what is known now, say how own jobs ended, and have the screen show it."""
        if self.watching.failed is not None:
            raise self.watching.failed
        self.jobs, self.seen = self.watching.known
        self._say_ended()
        screen = self.screen
        if isinstance(screen, Frame) and screen.is_mounted:  # else it reads by itself, once it is there
            screen.edges()
            screen.facts()
        elif isinstance(screen, Leaving):
            screen.facts()

    def _say_ended(self) -> None:
        """Say how those of the own jobs ended that are over, each once."""
        for row in [row for row in self.jobs if row.id in self.mine and row.state not in ACTIVE]:
            self.mine.discard(row.id)
            severity: Severity = "information" if row.state == "ok" else "warning"
            said = row.error or row.summary
            told = f"{row.operation}: {row.state}" + (f", {said}" if said else "")
            self.say(f"{told}   7 shows it", severity=severity)

    def look(self) -> None:
        """Read jobs and health now, in this thread; for tests, and for screens that cannot wait."""
        self.watching.look()
        self.on_lifeboat_app_facts_read()

    @property
    def is_left(self) -> bool:
        """Whether the UI is being left."""
        return self._exit or not self.is_running

    def has(self, screen: Screen[Any]) -> bool:
        """Say whether `screen` is still among those that are open, and the UI is not being left."""
        return not self.is_left and any(screen in stack for stack in self._screen_stacks.values())

    # ---- moving about

    async def action_go(self, mode: str) -> None:
        """Go to a screen by its digit."""
        await self.go(mode)

    async def go(self, mode: str) -> None:
        """Go to the screen `mode`; what lies over it there, such as a wizard, is still there."""
        if mode != self.current_mode and not self._exit:  # a new stack must not come while all are closed
            self._sent.forget()
            await self.switch_mode(mode)

    async def show_job(self, job: str) -> None:
        """Go to the jobs, with the cursor on `job`."""
        await self.go("jobs")
        self.look()
        for rows in self.screen.query(Rows):
            rows.go_to(job)

    def back(self) -> None:
        """Close what lies over a screen; on Health leave the UI, else go there."""
        if len(self.screen_stack) > 1:
            self.pop_screen()
        elif self.current_mode != self.DEFAULT_MODE:
            self.run_worker(self.go(self.DEFAULT_MODE))
        else:
            self.leave()

    @property
    def _is_beginning(self) -> bool:
        """Whether something is being started whose end somebody would hear of."""
        return any(not one.looks for one in self._beginning)

    def leave(self) -> None:
        """Leave; with own jobs still running, ask first whether they shall go on.

        What is only being started is waited for: whether it runs at all is known a second later.
        """
        self._leaves = self._is_beginning
        if self._leaves:
            self.say("one moment: what you asked for is being started")
            return
        going = [row for row in self.jobs if row.id in self.mine and row.state in ACTIVE]
        if not going:
            self.exit()
            return
        self.push_screen(Leaving(going), self._left)

    def _left(self, answer: str | None) -> None:
        if answer == "leave":
            self.exit()

    # ---- saying

    def say(self, text: str, *, severity: Severity = "information") -> None:
        """Say something about what the user just did; it goes away by itself, so it is never the only place.

        Said again it takes the place of what was said before: it does not cover the screen line by line.
        """
        for one in [one for one in self._notifications if one.message == line(text)]:
            self._unnotify(one, refresh=False)
        self.notify(line(text), markup=False, severity=severity, timeout=6)

    def keys_of(self, screen: Frame, verb: Verb) -> str:
        """Return the keys of a verb in words: the user's own, where the configuration gives some."""
        names = (f"{screen.screen_name()}.{verb.name}", f"all.{verb.name}")
        own = next((key for name, key in self.session.config.ui.keymap.items() if name in names), None)
        return own or verb.key_text

    def against(self, verb: Verb) -> str:
        """Return why nothing that acts can be done, whatever the screen."""
        return "these screens only show (--read-only)" if self.read_only and verb.acts else ""

    # ---- acts

    def line(self, act: Act) -> str:
        """Return the command line of `act` as it can be typed, with the options of this run."""
        return act.with_options(self.options).line

    def start(
        self,
        act: Act,
        then: Callable[[Started], None] | None = None,
        failed: Callable[[LifeboatError], None] | None = None,
        *,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Start exactly the command of `act`, beside the UI; `then` gets what came of it, in the UI's thread.

        Where it could not be started that is said, and `failed` gets the error. Neither is called when nobody is
        there any more who `wanted` it; that something was started is said all the same. The same act is not started
        twice at once. In a UI that only shows nothing is started, whoever asks, except plans (`--dry-run`).
        """
        whole = act.with_options(self.options)
        if self.read_only and "--dry-run" not in act.words:
            self.say("these screens only show (--read-only); nothing was started", severity="warning")
        elif whole in self._beginning and not act.looks:
            self.say("it is being started already")
        else:
            self._beginning.append(whole)

            async def begin() -> None:
                await self._begin(whole, then, failed, wanted)

            _: Worker[None] = self.run_worker(begin, group="acts")

    async def _begin(
        self,
        act: Act,
        then: Callable[[Started], None] | None,
        failed: Callable[[LifeboatError], None] | None,
        wanted: Callable[[], bool],
    ) -> None:
        try:
            # not `Beside`: who leaves at once has still started it
            started = await asyncio.to_thread(acts.start, self.session, act)
        except LifeboatError as error:
            self._leaves = False
            hint = f"; {error.hint}" if error.hint else ""
            self.say(f"not started: {error.message}{hint}", severity="error")
            if failed is not None and wanted():
                failed(error)
        else:
            self.watching.wake()
            self._started(started, then if wanted() else None)
        finally:
            self._beginning.remove(act)
        if self._leaves and not self._is_beginning:
            self.leave()

    def _started(self, started: Started, then: Callable[[Started], None] | None) -> None:
        if started.job and not started.act.looks:
            self.mine.add(started.job)
        reply = started.reply
        if started.act.looks:
            pass
        elif reply is not None and (reply.message or reply.exit):
            hint = f"; {reply.hint}" if reply.hint else ""
            self.say(f"{reply.message}{hint}", severity="error" if reply.exit else "information")
        elif then is None:
            self.say(f"started: {started.act.title} (job {started.job}, 7 shows it)")
        if then is not None:
            then(started)
        self._say_ended()  # it can be over by now, and be known to be

    def copy(self, text: str) -> None:
        """Copy `text`, and say which way was tried."""
        send = self._driver.write if self._driver is not None else lambda _: None
        way = clipboard.copy(text, environ=os.environ, state=self.session.state, send=send)
        self.say(f"{way}: {text}")

    def shell(self, folder: str) -> None:
        """Run the user's shell in `folder` with the terminal to itself, and come back when it ends."""
        program = os.environ.get("SHELL") or "/bin/sh"
        place = folder if os.path.isdir(folder) else "/"
        try:
            with self.suspend():
                print(line(f"a shell in {place}; `exit` comes back"), flush=True)  # noqa: T201 - the terminal is ours
                subprocess.run([program], cwd=place, check=False)
        except SuspendNotSupported:
            self.say("this terminal cannot be lent to a shell", severity="warning")

    def action_command_palette(self) -> None:
        """Open the palette."""
        if not isinstance(self.screen, CommandPalette):
            self.push_screen(CommandPalette(placeholder="what shall be done?", id="--command-palette"))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Return what the palette offers besides the verbs; no themes where there are no colours."""
        del screen
        yield SystemCommand("Leave", "leave; jobs go on", self.leave)
        if self.terminal.colors > 16:
            yield SystemCommand("Theme", "other colours, until you leave", self.action_change_theme)
