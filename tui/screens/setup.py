"""Setup: how the screens are drawn, where everything lies, what the configuration says, and what is wrong with it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from toolkit import __version__
from toolkit.errors import LifeboatError
from toolkit.operations import configuration
from toolkit.operations.configuration import ConfigProblem
from tui.act import Act, Started
from tui.configuration import given, read_again
from tui.screens.form import AskLine, Choose, choice
from tui.screens.frame import Frame
from tui.screens.page import Page, wrapped
from tui.text import line, lines, put, rule
from tui.verbs import NAMES, Verb
from tui.widgets.rows import Cell, Column, Listed, Row, Rows

Fact = tuple[str, str, str]
"""A name, a value, and what it means or how it is changed."""


class SetupScreen(Frame):
    """The facts of this run; below, what the one under the cursor means, or what is wrong with the configuration."""

    MODE = "setup"
    TITLE_LINE = "where everything lies, how it is drawn, what is wrong with the configuration"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="show", key="enter", label="Show", help="the configuration in force, defaults filled in"),
        Verb(name="validate", key="v", label="Validate", help="check the configuration: file, line, column, key"),
        Verb(name="edit", key="e", label="Edit", help="open it in your editor, then check it", acts=True),
        Verb(
            name="new", key="n", label="New", help="write a configuration for the folder of an application", acts=True
        ),
        Verb(name="stats", key="s", label="Stats", help="how many backups, how large, how they grow"),
        Verb(name="prove", key="p", label="", help="prove that the private key of encrypted backups exists", acts=True),
        Verb(name="keys", key="K", label="", help="every key with its name for `ui.keymap`"),
        Verb(name="value", key="a", label="Copy", help="copy the value under the cursor, such as a path"),
    )

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[ConfigProblem] = []

    def body(self) -> ComposeResult:
        """Compose the list and what is said below."""
        columns = (Column(name="what", title="WHAT", width=13), Column(name="value", title="VALUE"))
        yield Rows(columns, Listed(self._rows(), self.ui.session.now))
        yield Static(id="rule", classes="rule")
        yield Static(id="text")

    def on_mount(self) -> None:
        """Check the configuration: that reads its files and nothing else."""
        super().on_mount()
        self._check()

    def _check(self) -> None:
        options, environ = self.ui.options, self.ui.session.environ
        self.problems = configuration.problems(given(options, "--config"), environ, vault=given(options, "--vault"))
        self.facts()

    def facts(self) -> None:
        """Show what is known now."""
        self.query_one(Rows).fill(self._rows(), self.ui.session.now, most=max(4, self.size.height - 12))
        self._detail()

    def _facts(self) -> list[Fact]:
        ui, session = self.ui, self.ui.session
        terminal, config = ui.terminal, session.config
        colors = {0: "none (NO_COLOR)", 16: "16", 256: "256"}.get(terminal.colors, "all")
        keys = ", ".join(f"{name}: {key}" for name, key in sorted(config.ui.keymap.items()))
        mouse = "taken (--mouse)" if getattr(ui, "mouse", False) else "left to the terminal: it selects text as usual"
        return [
            ("config", self._file, f"its drop-ins: {', '.join(self._drop_ins) or 'none'}"),
            ("profiles", ", ".join(one.name for one in config.profiles) or "none", "what is looked after"),
            ("vault", str(session.vault_path), "where the backups of this server are; --vault, LIFEBOAT_VAULT"),
            ("state", str(session.state), "journals of jobs, the health file, sign-ins"),
            ("log", str(config.log_file or session.log), "the log and the audit log"),
            ("theme", f"{ui.theme} (configured: {config.ui.theme})", "ui.theme, or :Theme until you leave"),
            ("colours", colors, "from TERM, COLORTERM and NO_COLOR"),
            ("glyphs", "ASCII" if terminal.ascii else "Unicode", "from the locale; --ascii"),
            ("mouse", mouse, "--mouse takes it"),
            ("copy", _copies(session.environ), "and always a file: " + str(session.state / "last-copy.txt")),
            ("keys", keys or "as they come", "ui.keymap: {SCREEN.NAME: KEY}; K shows every name"),
            ("read-only", "yes: nothing can be started" if ui.read_only else "no", "ui.read_only, --read-only"),
            ("line", "over SSH: fewer frames" if terminal.remote else "local", "from SSH_CONNECTION"),
            ("version", _versions(), "lifeboat --version"),
        ]

    @property
    def _file(self) -> str:
        path = configuration.place(given(self.ui.options, "--config"), self.ui.session.environ)
        return str(path) if path.exists() else f"{path} (not there: defaults)"

    @property
    def _drop_ins(self) -> list[str]:
        try:
            found = configuration.files(given(self.ui.options, "--config"), self.ui.session.environ)
        except LifeboatError:
            return []
        return [path.name for path in found[1:]]

    def _rows(self) -> list[Row]:
        return [
            Row(key=name, cells=(Cell(name, "dim"), Cell(value, "bad" if name == "config" and self.problems else "")),
                values={"what": name, "value": value})
            for name, value, _ in self._facts()
        ]  # fmt: skip

    @property
    def fact(self) -> Fact | None:
        """The fact under the cursor."""
        row = self.query_one(Rows).current
        return None if row is None else next((one for one in self._facts() if one[0] == row.key), None)

    def on_rows_moved(self) -> None:
        """Say what the fact under the cursor means."""
        self._detail()
        self.edges()

    def _detail(self) -> None:
        width, fact = self.size.width, self.fact
        self.put("#rule", Content(rule() * width))
        said = list(wrapped(f" {fact[0]}  ", fact[2], width, tone="bold")) if fact is not None else []
        said += problem_lines(self.problems, width, most=3)
        self.query_one("#text", Static).update(lines(said[:8]))

    # ---- verbs

    def against(self, verb: Verb) -> str:
        """Say why a verb cannot be used now."""
        if verb.name == "edit" and not self._editor:
            return "set EDITOR to your editor first, in the shell that starts this"
        if verb.name == "prove" and not self._encrypting:
            return "no profile encrypts for age recipients"
        return super().against(verb)

    @property
    def _encrypting(self) -> list[str]:
        found = self.ui.session.config.profiles
        return [one.name for one in found if one.archive.encrypt is not None and one.archive.encrypt.recipients]

    @property
    def _editor(self) -> list[str]:
        environ = self.ui.session.environ
        return shlex.split(environ.get("VISUAL") or environ.get("EDITOR") or "")

    def commands(self) -> Iterator[Act]:
        """Yield the commands of the configuration."""
        yield Act(words=("config", "show"), title="the configuration")
        yield Act(words=("config", "validate"), title="validate")

    def folder(self) -> str:
        """Return the folder of the configuration."""
        return str(configuration.place(given(self.ui.options, "--config"), self.ui.session.environ).parent)

    def do_show(self) -> None:
        """Show the configuration in force."""
        options, environ = self.ui.options, self.ui.session.environ

        def load() -> list[Content]:
            shown = configuration.shown(given(options, "--config"), environ, vault=given(options, "--vault"))
            return [
                *(put(f" {note}") for note in shown.notes),
                *(put(f" {x}") for x in (shown.text or "").splitlines()),
            ]

        self.ui.push_screen(Page("The configuration in force", load, next(self.commands())))

    def do_validate(self) -> None:
        """Check it, and show everything that is wrong."""
        self._check()
        if not self.problems:
            self.ui.say("the configuration is in order")
            return
        said = list(problem_lines(self.problems, self.size.width, most=200))
        act = Act(words=("config", "validate"), title="validate")
        self.ui.push_screen(Page("What is wrong with the configuration", lambda: said, act))

    def do_edit(self) -> None:
        """Open the configuration in the user's editor, with the terminal to itself; then check it."""
        path = configuration.place(given(self.ui.options, "--config"), self.ui.session.environ)
        with self.ui.suspend():
            subprocess.run([*self._editor, str(path)], check=False)
        self.ui.refresh(layout=True)
        self._taken()

    def _taken(self) -> None:
        wrong = read_again(self.ui.session, self.ui.options)
        self._check()
        if wrong:
            self.ui.say("the configuration is wrong; the one before stays in force: v shows it", severity="warning")
        else:
            self.ui.say("the configuration is in force")

    def do_new(self) -> None:
        """Ask for the folder of an application, and write a configuration for it."""

        def act(text: str) -> Act:
            return Act(words=("config", "init", text or "FOLDER"), title="a configuration", job=False)

        def shows(text: str) -> tuple[str, str]:
            wrong = "" if text.startswith("/") else "a folder that begins with /"
            wrong = wrong or ("" if os.path.isdir(text) else "there is no such folder")
            return self.ui.line(act(text)), wrong

        def answered(text: str | None) -> None:
            if text is not None:
                self.ui.start(act(text), self._written)

        more = ("Databases are found by their content. Nothing in the folder is changed.",)
        self.ui.push_screen(AskLine("Which folder shall be looked after?", shows, more=more), answered)

    def _written(self, started: Started) -> None:
        if started.reply is not None and not started.reply.exit:
            self._taken()

    def do_stats(self) -> None:
        """Show the figures."""
        from tui.screens.schedule_stats import stats_page

        self.ui.push_screen(stats_page(self.ui))

    def do_prove(self) -> None:
        """Choose the profile, then show how its key is proven."""
        from tui.screens.setup_key import KeyScreen

        found = [choice(name, name) for name in self._encrypting]

        def chosen(name: str | None) -> None:
            if name is not None:
                self.ui.push_screen(KeyScreen(name))

        if len(found) == 1:
            chosen(found[0].key)
        else:
            self.ui.push_screen(Choose("Whose key shall be proven?", found), chosen)

    def do_keys(self) -> None:
        """Show the names of all keys."""
        self.ui.push_screen(Page("Keys, and their names for `ui.keymap`", lambda: list(key_lines())))

    def do_value(self) -> None:
        """Copy the value under the cursor."""
        if self.fact is not None:
            self.ui.copy(self.fact[1])


def problem_lines(problems: list[ConfigProblem], width: int, *, most: int) -> list[Content]:
    """Return what is wrong, each with its place, and what is in force meanwhile."""
    if not problems:
        return [Content(""), put((" The configuration is in order.", "$text-success"))]
    said = [
        Content(""),
        put(
            (" The configuration is WRONG.", "bold $text-error"),
            " In force is what was read before, or defaults:",
        ),
    ]
    for one in problems[:most]:
        place = one.file + (f", line {one.line}" if one.line else "") + (f", column {one.column}" if one.column else "")
        key = f"{one.key}: " if one.key else ""
        said += [put((f"   {place}", "bold")), *wrapped("     ", f"{key}{one.message}", width)]
    if len(problems) > most:
        said.append(put(f"   and {len(problems) - most} more: ", ("v", "bold"), " shows all"))
    return said


def key_lines() -> Iterator[Content]:
    """Yield every verb of every screen with its name in `ui.keymap`."""
    from tui.screens.table import SCREENS
    from tui.verbs import EVERYWHERE

    yield put("  in the configuration, for example:   ui: {keymap: {health.backup: B}}")
    for mode, title in NAMES.items():
        screen = SCREENS[mode]()
        verbs = screen.VERBS if isinstance(screen, Frame) else ()
        yield Content("")
        yield put((f"  {title}", "bold"))
        yield from (put(f"    {f'{mode}.{verb.name}':22} {line(verb.key_text):10} ", verb.help) for verb in verbs)
    yield Content("")
    yield put(("  Everywhere", "bold"))
    yield from (put(f"    {f'all.{verb.name}':22} {line(verb.key_text):10} ", verb.help) for verb in EVERYWHERE)


def _copies(environ: Mapping[str, str]) -> str:
    return "the buffer of tmux" if environ.get("TMUX") else "by the terminal itself (OSC 52)"


def _versions() -> str:
    from importlib.metadata import version

    python = ".".join(map(str, sys.version_info[:3]))
    return f"lifeboat {__version__}, Python {python}, Textual {version('textual')}"
