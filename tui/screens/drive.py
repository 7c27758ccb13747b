"""Drive, and the other destinations: who is signed in, what is there, what waits, the last error.

Shown from what is known here; nobody is asked over the network before the user says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from toolkit.errors import LifeboatError
from toolkit.operations.offsite.standing import Standing, standing
from toolkit.profile.units import parse_duration, parse_rate
from toolkit.wording import age_text, rate_text, size_text, time_text
from tui.act import Act, Started
from tui.configuration import read_again
from tui.screens.dialog import Confirm
from tui.screens.drive_list import DriveRows
from tui.screens.drive_text import EMPTY, STATES, TONES, said_lines
from tui.screens.form import AskLine
from tui.screens.frame import Frame
from tui.text import lines, put, rule
from tui.verbs import Verb
from tui.widgets.rows import Cell, Column, Listed, Row, Rows

NO_RATE = ("", "none", "-")


class DriveScreen(Frame):
    """The destinations; below, the one under the cursor, with its queue."""

    MODE = "drive"
    TITLE_LINE = "copies elsewhere: what is there, what waits, what is wrong"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="open", key="enter", label="There", help="list what is there; asks over the network"),
        Verb(
            name="connect", key="c", label="Connect", help="sign in at Google Drive with a code on a phone", acts=True
        ),
        Verb(name="send", key="u", label="Send", help="send the latest backup now, or what waits", acts=True),
        Verb(name="get", key="g", label="Get", help="choose one that is there and bring it back"),
        Verb(name="pause", key="p", label="Pause", help="let nothing be sent for a while; again: go on", acts=True),
        Verb(name="limit", key="l", label="", help="how fast transfers may be", acts=True),
        Verb(name="retry", key="w", label="Retry", help="try now what waits or was given up", acts=True),
        Verb(name="test", key="t", label="", help="what will go wrong at the next upload; asks over the network"),
        Verb(name="space", key="R", label="", help="ask how much room is there; over the network"),
    )

    def __init__(self) -> None:
        super().__init__()
        self._known: list[Standing] = []
        self._problem = ""
        self._asked: dict[str, str] = {}
        self._stamp: object = None

    def body(self) -> ComposeResult:
        """Compose the list and what is said of the destination under the cursor."""
        yield DriveRows(
            (
                Column(name="state", title="STATE", width=9),
                Column(name="name", title="DESTINATION", width=14),
                Column(name="type", title="TYPE", width=12),
                Column(name="there", title="THERE", width=14),
                Column(name="waits", title="WAITS", width=5, right=True),
                Column(name="last", title="LAST COPY"),
            ),
            Listed([], self.ui.session.now),
        )
        yield Static(id="rule", classes="rule")
        yield Static(id="text")

    def more_columns(self) -> frozenset[str]:
        """Filters can also ask for the profile and the error."""
        return frozenset({"profile", "error", "age"})

    @property
    def place(self) -> Standing | None:
        """The destination under the cursor."""
        row = self.query_one(Rows).current
        return None if row is None else next((one for one in self._known if one.name == row.key), None)

    def facts(self) -> None:
        """Read how things stand here, again only where a job ended meanwhile."""
        stamp = tuple((job.id, job.state) for job in self.ui.jobs[:20])
        if stamp != self._stamp or not self._known:
            self._stamp = stamp
            self._read()
        self._show()

    def _read(self) -> None:
        try:
            self._known, self._problem = standing(self.ui.session), ""
        except LifeboatError as error:
            self._problem = error.message

    def _show(self) -> None:
        now = self.ui.session.now()
        found = [self._row(one, now) for one in self._known]
        self.query_one(Rows).fill(found, self.ui.session.now, most=max(4, self.size.height // 3))
        self._detail()

    def _row(self, one: Standing, now: datetime) -> Row:
        state = self.state_of(one)
        there = f"{one.copies:,}, {size_text(one.size)}" if one.copies else "nothing yet"
        return Row(
            key=one.name,
            cells=(
                Cell(STATES[state], TONES[state]),
                one.name,
                one.type,
                Cell(there, "" if one.copies else "dim"),
                Cell(str(len(one.waiting)) if one.waiting else "-", "warn" if one.waiting else "dim"),
                age_text(one.newest, now) if one.newest is not None else "-",
            ),
            values={
                "state": STATES[state].lower(),
                "name": one.name,
                "type": one.type,
                "there": one.copies,
                "waits": len(one.waiting),
                "last": one.newest,
                "age": one.newest,
                "profile": one.profiles,
                "error": one.error,
            },
        )

    def state_of(self, one: Standing) -> str:
        """Return how a destination stands, in a word: the worst that is known."""
        if one.sign_in is not None and one.sign_in.state != "ready":
            return one.sign_in.state
        if one.pause is not None:
            return "paused"
        if any(row.state == "gave-up" for row in one.waiting):
            return "gave-up"
        if one.error:
            return "error"
        return "waits" if one.waiting else "ready" if one.copies else "unused"

    def on_rows_moved(self) -> None:
        """Say what is known of the destination under the cursor."""
        self._detail()
        self.edges()

    def _detail(self) -> None:
        width, now = self.size.width, self.ui.session.now()
        self.put("#rule", Content(rule() * width))
        place = self.place
        if self._problem:
            said = [put((f" {self._problem}", "bold $text-error"))]
        elif place is None:
            said = [put(text) for text in EMPTY]
        else:
            said = list(said_lines(place, self.state_of(place), now, width, asked=self._asked.get(place.name, "")))
        self.query_one("#text", Static).update(lines(said))

    # ---- verbs

    def against(self, verb: Verb) -> str:
        """Say why a verb cannot be used on the destination under the cursor."""
        place = self.place
        own = {one.name for one in self.VERBS}
        if verb.name in own and place is None:
            return "no destination is configured" if not self._known else "no destination is under the cursor"
        if place is None:
            return super().against(verb)
        google = place.type == "google-drive"
        if verb.name == "connect" and not google:
            return f"nobody signs in at a {place.type}: its rights are in the configuration"
        if verb.name == "connect" and place.sign_in is not None and place.sign_in.service:
            return "a service account needs no sign-in"
        if verb.name == "pause" and not google:
            return f"a {place.type} cannot be paused: c in Jobs ends a transfer, which goes on later where it stopped"
        if verb.name == "send" and not google and not place.waiting:
            return "nothing waits for it: b on Health makes a backup, and its copy"
        if verb.name == "retry" and not place.waiting:
            return "nothing waits for it"
        return super().against(verb)

    def commands(self) -> Iterator[Act]:
        """Yield the command that lists what is there, then the others."""
        place = self.place
        if place is None:
            return
        yield Act(words=("list", "--remote", "--from", place.name), title=f"what is at {place.name}")
        yield self._send(place)
        yield self._retry(place)
        yield self._test(place)
        if place.type == "google-drive":
            yield self._connect(place)

    def _send(self, place: Standing) -> Act:
        if place.type == "google-drive" and not place.waiting:
            words: tuple[str, ...] = ("drive", "upload", "latest", "--destination", place.name)
            return Act(words=words, title=f"send to {place.name}", operation="drive upload", targets=(place.name,))
        return self._retry(place, "--now", f"send what waits for {place.name}")

    def _retry(self, place: Standing, how: str = "--retry", title: str = "") -> Act:
        words = ("sync", "--to", place.name, how)
        return Act(words=words, title=title or f"try again for {place.name}", operation="sync", targets=(place.name,))

    def _connect(self, place: Standing) -> Act:
        words = ("drive", "login", "--destination", place.name)
        return Act(words=words, title=f"sign in at {place.name}", operation="drive login", targets=(place.name,))

    def _test(self, place: Standing) -> Act:
        if place.type == "google-drive":
            return Act(words=("drive", "doctor", "--destination", place.name), title=f"test of {place.name}")
        words = ("destination", "check", place.name)
        return Act(words=words, title=f"test of {place.name}", operation="check", targets=(place.name,))

    def do_open(self) -> None:
        """List what is there."""
        if self.place is not None:
            from tui.screens.drive_remote import RemoteScreen

            self.ui.push_screen(RemoteScreen(self.place.name, self.place.type))

    def do_get(self) -> None:
        """The same list: what is brought back is chosen there."""
        self.do_open()

    def do_connect(self) -> None:
        """Sign in with a code."""
        if self.place is not None:
            from tui.screens.drive_login import LoginScreen

            self.ui.push_screen(LoginScreen(self._connect(self.place)))

    def do_send(self) -> None:
        """Send the latest backup, or what waits."""
        if self.place is not None:
            self.ui.start(self._send(self.place))

    def do_retry(self) -> None:
        """Try now what waits, and begin again with what was given up."""
        if self.place is not None:
            self.ui.start(self._retry(self.place))

    def do_pause(self) -> None:
        """Ask for how long nothing shall be sent, or let it go on."""
        place = self.place
        if place is None:
            return
        if place.pause is not None:
            self.ui.start(self._pause(place, "resume"), self._changed)
            return

        def words(text: str) -> tuple[str, ...]:
            return ("--for", text) if text else ()

        def shows(text: str) -> tuple[str, str]:
            return self.ui.line(self._pause(place, "pause", *words(text))), _wrong_time(text)

        def answered(text: str | None) -> None:
            if text is not None:
                self.ui.start(self._pause(place, "pause", *words(text)), self._changed)

        more = ("Such as 3h; nothing: until p is pressed again. Backups go on, their copies wait.",)
        self.ui.push_screen(AskLine(f"For how long shall nothing be sent to {place.name}?", shows, more=more), answered)

    def _pause(self, place: Standing, verb: str, *more: str) -> Act:
        words = ("drive", verb, "--destination", place.name, *more)
        return Act(words=words, title=f"{verb} uploads to {place.name}", job=False)

    def do_limit(self) -> None:
        """Ask how fast transfers may be, and set it."""
        place = self.place
        if place is None:
            return

        def shows(text: str) -> tuple[str, str]:
            return self.ui.line(self._limit(place, text or "none")), _wrong_rate(text)

        def answered(text: str | None) -> None:
            if text is not None:
                self.ui.start(self._limit(place, text or "none"), self._changed)

        now = rate_text(place.limit) if place.limit is not None else "none"
        more = (f"Now: {now}. Such as 2MB/s; nothing or `none` takes the limit away.",)
        self.ui.push_screen(AskLine(f"How fast may transfers to {place.name} be?", shows, more=more), answered)

    def _limit(self, place: Standing, rate: str) -> Act:
        words = ("destination", "limit", place.name, rate)
        return Act(words=words, title=f"limit of {place.name}", job=False)

    def _changed(self, started: Started) -> None:
        if started.reply is None or started.reply.exit:
            return
        self.ui.say(f"done: {started.act.title}")
        read_again(self.ui.session, self.ui.options)
        self._read()
        self._show()

    def do_test(self) -> None:
        """Ask the other side what will go wrong; the promises of other destinations are tried by a job."""
        place = self.place
        if place is None:
            return
        act = self._test(place)
        if place.type == "google-drive":
            from tui.screens.drive_text import doctor_lines
            from tui.screens.page import Page

            width, whole = self.size.width, act.with_options(self.ui.options)
            load = lambda: doctor_lines(self.ui.session, whole.words, width)  # noqa: E731
            self.ui.push_screen(Page(f"What will go wrong at {place.name}", load, act))
            return
        question = f"Hold {place.name} to its promises with small files that are removed again?"

        def answered(yes: bool | None) -> None:  # noqa: FBT001 - Textual passes it by place
            if yes and not self.ui.read_only:
                self.ui.start(act)

        self.ui.push_screen(Confirm(question, self.ui.line(act)), answered)

    def do_space(self) -> None:
        """Ask each destination for its room."""
        from toolkit.operations import launch

        words = Act(words=("destination", "list", "--ask"), title="room").with_options(self.ui.options).words

        session = self.ui.session
        self._told(dict.fromkeys(self._names, "asking …"))
        self.beside(lambda _: launch.document(session, words), self._answered, self._not_answered)

    @property
    def _names(self) -> list[str]:
        return [one.name for one in self._known]

    def _answered(self, document: dict[str, Any]) -> None:
        now = self.ui.session.now()
        self._told({str(one["name"]): _room(one, now) for one in document.get("destinations", ())})

    def _not_answered(self, error: LifeboatError) -> None:
        self._told(dict.fromkeys(self._names, f"not asked: {error.message}"))

    def _told(self, said: dict[str, str]) -> None:
        self._asked = said
        self._detail()


def _wrong_rate(text: str) -> str:
    if text in NO_RATE:
        return ""
    try:
        parse_rate(text)
    except ValueError as error:
        return f"this {error}"
    return ""


def _wrong_time(text: str) -> str:
    try:
        return "" if not text or parse_duration(text) else "no time at all"
    except ValueError as error:
        return f"this {error}"


def _room(one: dict[str, object], now: datetime) -> str:
    if one.get("error"):
        return f"not reached at {time_text(now, now)}: {one['error']}"
    free, total = one.get("free"), one.get("total")
    if not isinstance(free, int):
        return f"reached at {time_text(now, now)}; it does not say how much room there is"
    of = f" of {size_text(total)}" if isinstance(total, int) else ""
    binned = one.get("binned")
    bin_ = f", {size_text(binned)} in the bin" if isinstance(binned, int) and binned else ""
    return f"{size_text(free)} free{of}{bin_}, asked at {time_text(now, now)}"
