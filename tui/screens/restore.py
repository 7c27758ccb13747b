"""The restore wizard, steps 1 and 2: what of the backup, and where to. Nothing is changed before the last step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import msgspec
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from toolkit.errors import LifeboatError
from toolkit.filelist import Section
from toolkit.operations import browsing
from toolkit.operations.browsing import Manifest
from toolkit.operations.restoring import choices as restore_choices
from toolkit.operations.restoring.choices import Wish, only_this
from toolkit.wording import count_text, size_text, time_text
from tui.act import Act
from tui.screens.form import AskLine
from tui.screens.frame import Frame
from tui.text import cut, ends, lines, put
from tui.verbs import Verb
from tui.widgets.edges import base
from tui.widgets.rows import Cell, Column, Listed, Row, Rows

STEPS = ("what", "where", "clashes", "plan")
PLACED = (Section.FILES, Section.CONFIG, Section.LOGS)


class Step(Frame):
    """One step: a list of choices, and what is said of the one under the cursor."""

    NUMBER: ClassVar[int] = 1
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="choose", key="enter", label="Next", help="take this choice and go on"),
        Verb(name="copy", key="y", label="Copy cmd", help="copy the command line, as far as it is chosen"),
        Verb(name="back", key="q,escape", label="Step back", shown="q", help="one step back; nothing was changed"),
    )

    def __init__(self, backup: str, wish: Wish) -> None:
        super().__init__()
        self.backup, self.wish = backup, wish
        self.problem = ""
        self.manifest: Manifest | None = None

    def body(self) -> ComposeResult:
        """Compose the headline, the choices, and the text below."""
        try:
            self.manifest = browsing.facts_of(self.ui.session, self.backup, reasons=False).manifest
        except LifeboatError as error:
            self.problem = f"{error.message}; {error.hint or 'q goes back'}"
        yield Static(id="headline")
        yield Static(Content(""))
        yield Rows(
            (Column(name="choice", title="CHOICE", width=22), Column(name="what", title="")),
            Listed(self.choices(), self.ui.session.now),
        )
        yield Static(id="text")

    def choices(self) -> list[Row]:
        """Return the choices, the usual one first."""
        return []

    def facts(self) -> None:
        """Show the step, and what is said below."""
        rows = self.query_one(Rows)
        rows.styles.height = max(2, min(rows.count + 2, self.size.height - 14))
        width = self.size.width
        now = self.ui.session.now()
        what = f" Restore from {self.backup}"
        if self.manifest is not None:
            when = self.manifest.started
            what = f" Restore {self.manifest.profile} from {self.backup}, {time_text(when, now)}"
        left = put((what, "bold"), f"   step {self.NUMBER}/4 {STEPS[self.NUMBER - 1]}")
        self.put("#headline", ends(left, put(("nothing changed yet ", "$text-success")), width))
        told = [put((f" {self.problem}", "bold $text-error"))] if self.problem else list(self.said())
        self.query_one("#text", Static).update(lines(cut(one, width) for one in told))

    def said(self) -> Iterator[Content]:
        """Yield what is said of the choice under the cursor."""
        yield Content("")

    def on_rows_moved(self) -> None:
        """Say what the choice under the cursor means."""
        self.facts()
        self.edges()

    def commands(self) -> Iterator[Act]:
        """Yield the command, as far as it is chosen."""
        yield Act(words=self.wish.words, title="restore")

    def against(self, verb: Verb) -> str:
        """Say why it cannot go on."""
        if verb.name == "choose" and self.problem:
            return self.problem
        return super().against(verb)

    @property
    def chosen(self) -> str:
        """The key of the choice under the cursor."""
        row = self.query_one(Rows).current
        return row.key if row is not None else ""


class RestoreWhat(Step):
    """Step 1: the whole backup, a database, a folder, a file. `wish` is what was chosen already, in the tree say."""

    NUMBER = 1
    TITLE_LINE = "restore: what of the backup"

    def __init__(self, backup: str, wish: Wish | None = None) -> None:
        super().__init__(backup, wish or Wish(backup=backup))
        self._given = wish

    def choices(self) -> list[Row]:
        """Return everything, each database, each folder, and the ways to a single file."""
        found = []
        given = self._given
        if given is not None:
            names = [_unescaped(one) for one in (*given.databases, *given.only)]
            found.append(_row("given", "Only this", ", ".join(names)))
        manifest = self.manifest
        if manifest is not None:
            files = f"{count_text(manifest.files.files, 'file')}, {size_text(manifest.files.bytes)}"
            count = len(manifest.databases)
            databases = f"; {count_text(count, 'database')}" if count else ""
            found.append(_row("all", "Everything", files + databases))
            found += [
                _row(f"database\n{one.path}", f"Database {base(one.path)}", f"{size_text(one.size)}  {one.path}")
                for one in manifest.databases
            ]
            databases_at = {one.path for one in manifest.databases}
            found += [
                _row(f"folder\n{one.path}", f"Files {base(one.path)}", one.path)
                for one in manifest.sources
                if one.section in PLACED and one.path not in databases_at
            ]
        found.append(_row("tree", "A folder or file ...", "choose it in the tree of this backup"))
        found.append(_row("find", "A file by its name ...", "every version of it, over all backups"))
        return found

    def said(self) -> Iterator[Content]:
        """Say what the steps are."""
        yield Content("")
        yield put("  1 what   2 where   3 clashes, file by file   4 plan: steps, loss, space, undo")
        yield put("  Four times Enter: everything beside the live data, which stays as it is.")

    def do_choose(self) -> None:
        """Go on with the choice."""
        kind, _, path = self.chosen.partition("\n")
        ident = self.backup
        if kind in ("tree", "find"):
            self._elsewhere(kind)
            return
        wishes = {
            "given": self._given or Wish(backup=ident),
            "all": Wish(backup=ident),
            "database": Wish(backup=ident, databases=(path,)),
            "folder": Wish(backup=ident, only=(only_this(path),)),
        }
        if kind in wishes:
            self.wish = wishes[kind]
            self.ui.push_screen(RestoreWhere(ident, self.wish))

    def _elsewhere(self, kind: str) -> None:
        if kind == "find":
            from tui.screens.contents_find import FindScreen

            def named(name: str | None) -> None:
                if name:
                    self.ui.push_screen(FindScreen(name.strip()))

            self.ui.push_screen(AskLine("Find a file over all backups", more=("a part of its name, or *.txt",)), named)
            return
        from tui.screens.contents import ContentsScreen

        source = browsing.BackupList(self.ui.session)
        place = source.arrange([browsing.Condition(column="id", op="=", text=self.backup)], "", reverse=False)[0]
        if place:
            self.ui.push_screen(ContentsScreen(source.rows(0, 1)[0].backup))


class RestoreWhere(Step):
    """Step 2: beside the live data, in a new folder, or over the live data."""

    NUMBER = 2
    TITLE_LINE = "restore: where to"

    def __init__(self, backup: str, wish: Wish) -> None:
        super().__init__(backup, wish)
        self._folder = ""

    @property
    def _beside(self) -> str:
        return str(restore_choices.beside(self.manifest)) if self.manifest is not None else ""

    def choices(self) -> list[Row]:
        """Return the three places, the harmless one first."""
        found = [_row("beside", "Beside the live data", self._beside)]
        found.append(_row("folder", "In a new folder ...", self._folder or "type its path"))
        imported = self.manifest is not None and self.manifest.kind == "imported"
        if not imported:
            found.append(_row("place", "Over the live data", "where it came from; what is replaced can be put back"))
        return found

    def said(self) -> Iterator[Content]:
        """Say how much room there is, and what the choice does."""
        manifest = self.manifest
        if manifest is None:
            return
        place = self._place(self.chosen)
        where = place or (manifest.sources[0].path if manifest.sources else "/")
        free = restore_choices.room(where)
        size = manifest.files.bytes + sum(one.size for one in manifest.databases)
        part = bool(self.wish.only or self.wish.databases)
        needs = f"{'less than' if part else 'up to'} {size_text(size)}"
        room = "?" if free is None else size_text(free)
        yield Content("")
        yield put(("  Space    ", "bold"), f"needs {needs}, free {room}")
        told = {
            "beside": ("The live data stays as it is; the old paths are kept below the new folder.",),
            "folder": ("The old paths are kept below it. What is there already: step 3 asks for each clash.",),
            "place": (
                "Files and databases take their places again. Services of the profile are stopped meanwhile.",
                "What is replaced goes into a safety backup first: lifeboat undo, or z, puts it back.",
            ),
        }
        for text in told.get(self.chosen, ()):
            yield put("  " + text)

    def _place(self, kind: str) -> str:
        return {"beside": self._beside, "folder": self._folder}.get(kind, "")

    def do_choose(self) -> None:
        """Go on with the place; a new folder is asked for first."""
        if self.chosen == "folder":
            self.ui.push_screen(
                AskLine("Restore into which folder?", value=self._folder, more=("a whole path",)), self._typed
            )
        elif self.chosen:
            self._go(self._place(self.chosen))

    def _typed(self, text: str | None) -> None:
        if text is None:
            return
        if not text.strip().startswith("/"):
            self.ui.say("a whole path begins with /; nothing was done", severity="warning")
            return
        self._folder = text.strip()
        self.query_one(Rows).show(Listed(self.choices(), self.ui.session.now))
        self._go(self._folder)

    def _go(self, to: str) -> None:
        from tui.screens.restore_clashes import RestoreClashes

        self.wish = msgspec.structs.replace(self.wish, to=to)
        profile = self.manifest.profile if self.manifest is not None else ""
        self.ui.push_screen(RestoreClashes(self.wish, profile))


def _row(key: str, choice: str, what: str) -> Row:
    return Row(key=key, cells=(Cell(choice), what), values={"choice": choice, "what": what})


def _unescaped(glob: str) -> str:
    found, plain = [], False
    for char in glob:
        if char == "\\" and not plain:
            plain = True
            continue
        found.append(char)
        plain = False
    return "".join(found)
