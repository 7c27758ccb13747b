"""Back up now: what, why, how much of it, where to, with which note. The cursor is on the start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from toolkit.retention import Kind, Scope
from tui.act import Act
from tui.screens.form import AskLine
from tui.screens.frame import Frame
from tui.text import lines, put
from tui.verbs import Verb
from tui.widgets.rows import Cell, Column, Listed, Row, Rows

BY_PROFILE = "as its profile says"
HERE = "here only"
_KINDS = tuple(kind.value for kind in Kind if kind not in (Kind.SAFETY, Kind.IMPORTED))


class NewBackup(Frame):
    """The choices for one backup; `profile` is the one that was under the cursor."""

    TITLE_LINE = "what to back up now, and how"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="change", key="enter", label="Start", help="start it, or change what the cursor is on"),
        Verb(name="copy", key="y", label="Copy cmd", help="copy the command line that does the same"),
    )

    def __init__(self, profile: str) -> None:
        super().__init__()
        self._first = profile
        self._chosen: dict[str, str] = {}
        self._choices: dict[str, tuple[str, ...]] = {}

    def body(self) -> ComposeResult:
        """Compose the list of choices."""
        config = self.ui.session.config
        names = tuple(profile.name for profile in config.profiles)
        if self._first and self._first not in names:
            names = (self._first, *names)
        self._choices = {
            "target": names,
            "kind": ("manual", *(kind for kind in _KINDS if kind != "manual")),
            "scope": (BY_PROFILE, *(scope.value for scope in Scope)),
            "destination": (BY_PROFILE, HERE, *(place.name for place in config.destinations)),
        }
        self._chosen = {name: values[0] if values else "" for name, values in self._choices.items()}
        self._chosen |= {"target": self._first or self._chosen["target"], "note": ""}
        yield Static(put((" Back up now", "bold"), "   the application can go on meanwhile"))
        yield Static(Content(""))
        yield Rows(
            (Column(name="what", title="WHAT", width=14), Column(name="value", title="CHOSEN")),
            Listed(self._rows(), self.ui.session.now),
        )
        yield Static(id="text")

    def facts(self) -> None:
        """Show what is chosen, and the command."""
        self.query_one(Rows).styles.height = 9
        self.query_one(Rows).show(Listed(self._rows(), self.ui.session.now))
        told = [Content(""), put("  Same as  ", self.ui.line(self._act))]
        told += [Content(""), put("  Enter on the first line starts it; on the others it takes the next choice.")]
        self.put("#text", lines(told))

    def _rows(self) -> list[Row]:
        target = self._chosen["target"] or "(a path)"
        found = [Row(key="start", cells=(Cell("START", "ok"), f"back up {target} now"))]
        for name in ("target", "kind", "scope", "destination", "note"):
            many = len(self._choices.get(name, ())) > 1
            value = self._chosen[name] or ("none" if name == "note" else "type a path")
            found.append(Row(key=name, cells=(name, Cell(value, "" if many or name == "note" else "dim"))))
        return found

    @property
    def _act(self) -> Act:
        chosen = self._chosen
        words = ["backup", *([chosen["target"]] if chosen["target"] else [])]
        if chosen["kind"] != "manual":
            words += ["--kind", chosen["kind"]]
        if chosen["scope"] != BY_PROFILE:
            words += ["--scope", chosen["scope"]]
        if chosen["destination"] == HERE:
            words.append("--no-upload")
        elif chosen["destination"] != BY_PROFILE:
            words += ["--to", chosen["destination"]]
        if chosen["note"]:
            words += ["--note", chosen["note"]]
        target = chosen["target"]
        return Act(words=tuple(words), title=f"backup of {target}", operation="backup", targets=(target,))

    def commands(self) -> Iterator[Act]:
        """Yield the command."""
        yield self._act

    def against(self, verb: Verb) -> str:
        """Say why it cannot be started."""
        row = self.query_one(Rows).current
        if verb.name == "change" and row is not None and row.key == "start":
            if self.ui.read_only:
                return "these screens only show (--read-only)"
            if not self._chosen["target"]:
                return "say what to back up first: the line below"
        return super().against(verb)

    def do_change(self) -> None:
        """Start, or change what the cursor is on."""
        row = self.query_one(Rows).current
        if row is None:
            return
        if row.key == "start":
            self.ui.start(self._act)
            self.ui.back()
        elif row.key == "note" or not self._choices[row.key]:
            self._ask(row.key)
        else:
            values = self._choices[row.key]
            at = values.index(self._chosen[row.key]) if self._chosen[row.key] in values else -1
            self._chosen[row.key] = values[(at + 1) % len(values)]
            self.facts()

    def _ask(self, name: str) -> None:
        def typed(text: str | None) -> None:
            if text is not None:
                self._chosen[name] = text.strip()
                self.facts()

        question = "A note to keep with it" if name == "note" else "Which path? (/srv/app)"
        self.ui.push_screen(AskLine(question, value=self._chosen[name], empty="means none"), typed)
