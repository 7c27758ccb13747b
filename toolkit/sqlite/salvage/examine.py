"""Which pages of a tree that seem sound are none of it, or hold rows that are broken: told by what the rows hold."""

from __future__ import annotations

from toolkit.errors import CancelledError
from toolkit.events import ShouldStop, never_stop
from toolkit.sqlite.pages.record import Value
from toolkit.sqlite.salvage.adopt import leaf_rows
from toolkit.sqlite.salvage.noise import Noise
from toolkit.sqlite.salvage.shape import Shape
from toolkit.sqlite.salvage.survey import Place, Survey, Tree
from toolkit.sqlite.salvage.torn import has_torn
from toolkit.sqlite.salvage.unkeyed import misfits


class Examination:
    """Looks at the trees of a survey: pages of something else leave their tree, pages with broken rows become broken.

    Not `thorough`, it looks at the pages among `suspects` only.
    """

    def __init__(
        self, survey: Survey, suspects: frozenset[int], *, thorough: bool, should_stop: ShouldStop = never_stop
    ) -> None:
        self.survey, self.suspects, self.thorough = survey, suspects, thorough
        self.should_stop = should_stop

    def _check(self) -> None:
        if self.should_stop():
            raise CancelledError("cancelled while repairing a database")

    def table(self, tree: Tree, shape: Shape | None) -> None:
        """Look at the rows of leaves that seem sound: pages of another table go, pages with broken rows are carved."""
        suspects: list[tuple[Place, int, int]] = []
        others = set[int]()
        clean = 0
        image = self.survey.image
        noise = Noise(image.encoding)
        total = wrong = 0
        for place in tree.places:
            if not place.page or place.broken:
                continue
            if place.page in self.survey.broken_chains:
                place.broken, tree.damaged = True, True
                continue
            if self.thorough or place.page in self.suspects:
                self._check()
                rows = list(leaf_rows(image, place.page, 100_000))
                noise.look(place, rows)
                bad = sum(values is None for _, values in rows)
                misfit = 0
                if shape is not None:
                    misfit = sum(
                        values is not None and shape.misfit(values, image.encoding) is not None for _, values in rows
                    )
                total, wrong = total + len(rows), wrong + misfit
                torn = shape is None or not shape.nodes
                if torn and not bad + misfit and rows and has_torn(image, place.page, image.encoding):
                    place.broken, tree.damaged = True, True
                if bad or misfit:
                    suspects.append((place, bad + misfit, len(rows)))
                    others |= {place.page} if _are_anothers(shape, rows, image.encoding) else set()
                clean += bool(rows) and not bad + misfit
        if wrong * 5 > total and wrong > 3:
            # then it is rather the shape that is not known well: all pages are alike, or those of another table are not
            few = len(suspects) < 3
            suspects = [one for one in suspects if one[1] == one[2] and (few or (clean and one[0].page in others))]
        for place in noise.marred():
            place.broken = tree.damaged = True
        for place, bad, rows_seen in suspects:
            tree.damaged = True
            if bad * 10 >= rows_seen * 8 and rows_seen > 1:
                self.survey.drop(tree, place)
            else:
                place.broken = True

    def unkeyed(self, tree: Tree, shape: Shape) -> None:
        """Look at the rows of a table WITHOUT ROWID, on its inner pages too: pages of something else go."""
        counts = self.survey.found.counts
        for place in tree.places:
            if place.page and not place.broken:
                bad = misfits(self.survey, place.page, shape, quick=not self.thorough)
                tree.damaged = tree.damaged or bad > 0
                if bad * 2 > counts[place.page]:
                    self.survey.drop(tree, place)
        for page in list(tree.inner):
            bad = misfits(self.survey, page, shape, quick=not self.thorough)
            tree.damaged = tree.damaged or bad > 0
            if bad * 2 > counts[page]:
                tree.inner.remove(page)
                self.survey.used[page] = 0
                tree.places.append(Place(0))

    def index(self, tree: Tree, width: int) -> None:
        """Give up the pages of an index whose entries have another number of values: they are of something else."""
        for place in [place for place in tree.places if place.page and not place.broken]:
            _, values = next(leaf_rows(self.survey.image, place.page, 1), (0, None))
            if values is not None and len(values) != width:
                self.survey.drop(tree, place)


def _are_anothers(shape: Shape | None, rows: list[tuple[int, list[Value] | None]], encoding: str) -> bool:
    return shape is not None and all(values is not None and shape.is_another(values, encoding) for _, values in rows)
