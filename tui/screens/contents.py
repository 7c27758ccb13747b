"""The files of a backup as a tree, from the list beside the archive; what is read by now can be opened already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Static

from toolkit.errors import LifeboatError
from toolkit.filelist import Section
from toolkit.operations import browsing
from toolkit.operations.browsing import FileTree, Node
from toolkit.operations.listing import ListedBackup
from toolkit.operations.restoring.choices import Wish, only_this
from toolkit.wording import count_text, time_text
from tui.act import Act
from tui.beside import Beside
from tui.screens.contents_source import COLUMNS, TreeRows
from tui.screens.frame import Frame
from tui.screens.page import failure_lines
from tui.text import cut, lines, put
from tui.verbs import Verb
from tui.widgets.rows import Listed, Row, Rows

_BATCH, _EVERY = 1000, 20
"""Names in a batch, and batches between two looks while the list is read."""


class ContentsScreen(Frame):
    """The tree of one backup."""

    TITLE_LINE = "the files of one backup"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="open", key="enter,space", label="Open", shown="Enter", help="open or close; of a file: versions"),
        Verb(name="in", key="right", label="", shown="right", help="open the folder, then go into it"),
        Verb(name="out", key="left", label="", shown="left", help="close the folder, then go to the one above"),
        Verb(name="restore", key="r", label="Restore", help="restore this file, or this folder with all in it"),
        Verb(name="versions", key="v", label="Versions", help="this file over all backups"),
        Verb(name="copy", key="y", label="Copy cmd", help="copy the command line that restores this"),
    )  # fmt: skip

    def __init__(self, backup: ListedBackup) -> None:
        super().__init__()
        self._backup = backup
        self._tree: FileTree | None = None
        self._error: LifeboatError | None = None
        self._whole = False

    def body(self) -> ComposeResult:
        """Compose the headline and the tree."""
        yield Static(id="headline")
        yield Rows(COLUMNS, Listed((), self.ui.session.now))

    def more_columns(self) -> frozenset[str]:
        """Filters can ask for what the list tells of each file."""
        return browsing.FILE_COLUMNS

    def on_mount(self) -> None:
        """Begin to read the list."""
        session, ident = self.ui.session, self._backup.id

        def fill(line: Beside[None]) -> None:
            backup, tree = browsing.tree_of(session, ident)
            line.tell(lambda: self._begun(tree))

            def told(count: int) -> None:
                if count <= _BATCH or count // _BATCH % _EVERY == 0:
                    line.tell(self._more)

            browsing.fill(backup, tree, should_stop=line.stopped, told=told)

        self.beside(fill, lambda _: self._ended(), self._failed)

    def on_unmount(self) -> None:
        """Let the index go; who still fills it is told so."""
        if self._tree is not None:
            self._tree.close()

    def _begun(self, tree: FileTree) -> None:
        self._tree = tree
        self.query_one(Rows).show(TreeRows(tree, self.ui.session))

    def _more(self) -> None:
        self._again()
        self.facts()

    def _failed(self, error: LifeboatError) -> None:
        self._error = error
        self._ended()

    def _ended(self) -> None:
        self._whole = True
        source = self._source
        if source is not None and not source.open and source.tree.children(browsing.ROOT) == 1:
            source.toggle(source.tree.page(browsing.ROOT, 0, 1)[0])
        self._again()
        self.facts()

    def facts(self) -> None:
        """Show which backup it is, and how far its list is read."""
        now = self.ui.session.now()
        said = f" Files of {self._backup.id} {self._backup.profile} {time_text(self._backup.started, now)}   "
        count = self._tree.count if self._tree is not None else 0
        if self._error is not None:
            read = put((said, "bold"), f"{count:,} names were read")
            self.put("#headline", lines([read, *failure_lines(self._error, self.size.width)]))
            return
        reading = "" if self._whole else ("reading the list ", "bold $text-warning")
        told = put((said, "bold"), reading, count_text(count, "name"), "   / finds one")
        self.put("#headline", cut(told, self.size.width))

    def _again(self) -> None:
        rows = self.query_one(Rows)
        rows.narrow(rows.filter_text, rows.filter)

    @property
    def _source(self) -> TreeRows | None:
        source = self.query_one(Rows)._source  # noqa: SLF001 - the list was given it here
        return source if isinstance(source, TreeRows) else None

    @property
    def node(self) -> Node | None:
        """The name under the cursor."""
        row: Row | None = self.query_one(Rows).current
        return self._source.seen.get(row.key) if row is not None and self._source is not None else None

    def against(self, verb: Verb) -> str:
        """Say why a verb cannot be used on this name."""
        node = self.node
        if verb.name in ("open", "in", "out", "restore", "versions", "copy") and node is None:
            error = self._error
            return "there is no file here" if error is None else f"{error.message}; {error.hint or 'q goes back'}"
        source = self._source
        if verb.name in ("in", "out") and source is not None and source.flat is not None:
            return "while a filter is on there are no folders to go through; Enter goes to the place of this name"
        if verb.name == "in" and node is not None and not node.folder:
            return "a file has nothing in it; Enter shows its versions"
        if verb.name == "out" and node is not None and source is not None and self._is_top(node, source):
            return "there is nothing above it"
        if verb.name == "versions" and node is not None and node.folder:
            return "a folder has no versions; Enter opens it"
        return super().against(verb)

    def _is_top(self, node: Node, source: TreeRows) -> bool:
        return node.id not in source.open and node.parent == browsing.ROOT

    @property
    def wish(self) -> Wish | None:
        """What a restore of the name under the cursor would be."""
        node, tree = self.node, self._tree
        if node is None or tree is None:
            return None
        path = tree.path(node)
        if node.section is Section.DATABASES:
            return Wish(backup=self._backup.id, databases=(path,))
        return Wish(backup=self._backup.id, only=(only_this(path, folder=node.folder),))

    def commands(self) -> Iterator[Act]:
        """Yield the command that restores this."""
        wish = self.wish
        if wish is not None:
            yield Act(words=wish.words, title="restore")

    def on_rows_moved(self) -> None:
        """Draw the keys again."""
        self.edges()

    def do_open(self) -> None:
        """Open or close the folder; of a file, show its versions."""
        node, source = self.node, self._source
        if node is None or source is None:
            return
        if not node.folder:
            self.do_versions()
        elif source.flat is not None:
            self._reveal(node)
        else:
            source.toggle(node)
            self._again()

    def _reveal(self, node: Node) -> None:
        """Leave the filter and open the folders down to `node`."""
        source = self._source
        if source is None:
            return
        above: Node | None = node
        while above is not None:
            source.open.add(above.id)
            above = source.tree.node(above.parent)
        self._narrow("")
        self.query_one(Rows).go_to(str(node.id))

    def do_in(self) -> None:
        """Open the folder; when it is open, go to its first name."""
        node, source = self.node, self._source
        if node is None or source is None or not node.folder or source.flat is not None:
            return
        if node.id in source.open:
            self.query_one(Rows).action_move(1)
        else:
            self.do_open()

    def do_out(self) -> None:
        """Close the folder; when it is closed, go to the one above."""
        node, source = self.node, self._source
        if node is None or source is None or source.flat is not None:
            return
        if node.id in source.open:
            source.toggle(node)
            self._again()
        elif node.parent != browsing.ROOT:
            self.query_one(Rows).go_to(str(node.parent))

    def do_restore(self) -> None:
        """Open the wizard on this name."""
        from tui.screens.restore import RestoreWhat

        wish = self.wish
        if wish is not None:
            self.ui.push_screen(RestoreWhat(self._backup.id, wish))

    def do_versions(self) -> None:
        """Show the file over all backups."""
        from tui.screens.contents_find import FindScreen

        if self.node is not None and self._tree is not None:
            self.ui.push_screen(FindScreen(self._tree.path(self.node), profile=self._backup.profile))
