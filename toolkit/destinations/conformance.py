"""What `base` promises, as checks that run against any destination: in the tests, and by `lifeboat destination check`.

Each check works with objects of its own (role `probe`, an id of its own run) and removes them, whatever
happens. It raises `PromiseBrokenError` with what was promised and not kept, or the destination's own error.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import msgspec

from toolkit import durable
from toolkit.destinations.base import CHUNK, Destination, MemoryBookmark, Properties, Query, RemoteObject, Role
from toolkit.destinations.fetch import fetch, partial_of
from toolkit.errors import (
    CancelledError,
    LifeboatError,
    ObjectNotFoundError,
    PromiseBrokenError,
    SourceMissingError,
    TransferDamagedError,
)

MIDDLE = 300_000
LARGE = CHUNK + 12_345
"""More than one chunk, and no multiple of any."""


class _CutError(Exception):
    """A transfer that the check itself cuts."""


def _new_id() -> str:
    return "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(8))


@dataclass
class Bench:
    """What a check works with: `open` returns the destination as a new process would, `scratch` is a private folder."""

    open: Callable[[], Destination]
    scratch: Path
    host: str = "check.example"
    run: str = field(default_factory=_new_id)

    def file(self, size: int, seed: str = "") -> Path:
        """Return a file of `size` bytes that are the same for the same `seed`, and unlike those of any other."""
        path = self.scratch / f"source-{size}-{seed}"
        if not path.exists():
            block = hashlib.shake_128(f"{size} {seed}".encode()).digest(64 << 10)
            with durable.create_file(path) as file:
                for _ in range(size // len(block)):
                    file.write(block)
                file.write(block[: size % len(block)])
        return path

    def properties(self, source: Path, name: str = "probe.bin", **changes: str) -> Properties:
        """Return properties for `source`, of this run."""
        made = Properties(
            role=Role.PROBE,
            profile="probe",
            kind="manual",
            host=self.host,
            backup_id=self.run,
            sha256=_sha256(source),
            file_name=name,
        )
        return msgspec.structs.replace(made, **changes)

    def put(self, source: Path, name: str = "probe.bin", **changes: str) -> RemoteObject:
        """Put `source` in one go."""
        with self.open() as destination:
            return destination.put(source, self.properties(source, name, **changes), bookmark=MemoryBookmark())

    def mine(self, *, host: str = "", profile: str = "", file_name: str = "") -> list[RemoteObject]:
        """Return what this run has there, as a new process lists it."""
        query = Query(backup_id=self.run, host=host, profile=profile, file_name=file_name)
        with self.open() as destination:
            return sorted(destination.objects(query), key=lambda one: one.id)

    def clean(self) -> None:
        """Remove what this run has there."""
        with self.open() as destination:
            for found in list(destination.objects(Query(backup_id=self.run, role=Role.PROBE))):
                destination.remove(found.id)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def fail(message: str) -> NoReturn:
    """Raise the error that says which promise was not kept."""
    raise PromiseBrokenError(message)


def require(kept: object, message: str) -> None:
    """Raise `PromiseBrokenError` unless the promise was `kept`."""
    if not kept:
        fail(message)


def _refused(kind: type[LifeboatError], call: Callable[[], object], what: str) -> LifeboatError:
    try:
        call()
    except kind as error:
        return error
    except LifeboatError as error:
        fail(f"{what}: {kind.__name__} was promised, and it was {type(error).__name__}: {error.message}")
    fail(f"{what}: {kind.__name__} was promised, and nothing was raised")


def a_file_comes_back_as_it_was(bench: Bench) -> None:
    """Nothing, one byte, and more than a chunk: size, digest and bytes are the same afterwards."""
    for size in (0, 1, MIDDLE, LARGE):
        source = bench.file(size)
        steps: list[int] = []
        with bench.open() as destination:
            made = destination.put(
                source,
                bench.properties(source),
                bookmark=MemoryBookmark(),
                on_progress=lambda done, _, seen=steps: seen.append(done),  # type: ignore[misc]
            )
        require(made.size == size, f"{size} bytes were put, and the destination says {made.size}")
        require(steps[-1:] == [size], "progress ends with the size of the file")
        require(all(after - before <= CHUNK for before, after in itertools.pairwise(steps)), "progress jumps")
        require(not made.sha256 or made.sha256 == _sha256(source), "the destination's own SHA-256 is another")
        target = bench.scratch / f"back-{size}"
        with bench.open() as destination:
            require(destination.stat(made.id) == made, "stat says something else than put did")
            fetch(destination, made, target)
        require(_sha256(target) == _sha256(source), f"{size} bytes came back as others")


def properties_are_kept_and_found(bench: Bench) -> None:
    """What was said of an object is there in another process, and each of it can be asked for."""
    source = bench.file(MIDDLE)
    one = bench.put(source, "one.bin", host="first.example", profile="shop")
    two = bench.put(source, "it's two.bin", host="second.example", kind="daily")
    asked = bench.properties(source, "one.bin", host="first.example", profile="shop")
    require(one.properties == asked, "the properties are not those that were given")
    require(one.name == "one.bin", "the name is another")
    require(bench.mine() == sorted([one, two], key=lambda found: found.id), "a query by backup finds something else")
    require(bench.mine(host="first.example") == [one], "a query by host finds something else")
    require(bench.mine(profile="probe") == [two], "a query by profile finds something else")
    require(bench.mine(file_name="it's two.bin") == [two], "a query by name finds something else")
    require(bench.mine(host="third.example") == [], "a query for what is not there finds something")


def names_may_be_doubled(bench: Bench) -> None:
    """Two puts of one name are two objects, and each id leads to its own bytes."""
    first, second = bench.file(1000, "first"), bench.file(2000, "second")
    one, two = bench.put(first, "same.bin"), bench.put(second, "same.bin")
    require(one.id != two.id, "both objects have one id")
    require({found.id for found in bench.mine()} == {one.id, two.id}, "not both are listed")
    with bench.open() as destination:
        for found, source in ((one, first), (two, second)):
            require(b"".join(destination.read(found.id)) == source.read_bytes(), "an id leads to the other's bytes")
        destination.remove(one.id)
    require([found.id for found in bench.mine()] == [two.id], "removing one removed the other, or nothing")


def every_object_is_listed(bench: Bench) -> None:
    """A listing in several pages yields each object once."""
    source = bench.file(10)
    made = {bench.put(source, f"number-{number}.bin").id for number in range(7)}
    listed = [found.id for found in bench.mine()]
    require(len(listed) == len(set(listed)), "objects are listed twice")
    require(set(listed) == made, f"{len(made)} objects were put, and {len(listed)} are listed")
    with bench.open() as destination:
        require(made <= {found.id for found in destination.objects()}, "a listing of everything lacks some")


def reading_begins_anywhere(bench: Bench) -> None:
    """A read from an offset yields the rest, and nothing at or behind the end."""
    source = bench.file(LARGE)
    data = source.read_bytes()
    made = bench.put(source)
    with bench.open() as destination:
        for start in (1, CHUNK, LARGE - 1, LARGE, LARGE + 5):
            pieces = list(destination.read(made.id, start=start))
            require(b"".join(pieces) == data[start:], f"a read from byte {start} yields something else")
            require(all(len(piece) <= CHUNK for piece in pieces), "a piece is larger than a chunk")


def what_is_gone_is_not_found(bench: Bench) -> None:
    """An id of nothing is `ObjectNotFoundError` for each call."""
    made = bench.put(bench.file(10))
    with bench.open() as destination:
        destination.remove(made.id)
        _refused(ObjectNotFoundError, lambda: destination.stat(made.id), "stat of a removed object")
        _refused(ObjectNotFoundError, lambda: destination.remove(made.id), "removing it again")
        _refused(ObjectNotFoundError, lambda: list(destination.read(made.id)), "reading it")
    require(bench.mine() == [], "it is still listed")


def a_cancelled_put_leaves_nothing_and_goes_on(bench: Bench) -> None:
    """`should_stop` ends a put; another process finishes it with the bookmark, and there is one object."""
    source, bookmark = bench.file(LARGE), MemoryBookmark()
    moved: list[int] = []
    with bench.open() as destination:
        _refused(
            CancelledError,
            lambda: destination.put(
                source,
                bench.properties(source),
                bookmark=bookmark,
                on_progress=lambda done, _: moved.append(done),
                should_stop=lambda: bool(moved),
            ),
            "a put that should stop",
        )
    require(bench.mine() == [], "a cancelled put left an object")
    with bench.open() as destination:
        destination.put(source, bench.properties(source), bookmark=bookmark)
    require(bookmark.load() == "", "the bookmark is still there after the put")
    _require_one(bench, source)


def _require_one(bench: Bench, source: Path) -> None:
    listed = bench.mine()
    require(len(listed) == 1, f"there are {len(listed)} objects instead of one")
    with bench.open() as destination:
        digest = hashlib.sha256()
        for piece in destination.read(listed[0].id):
            digest.update(piece)
    require(digest.hexdigest() == _sha256(source), "the object has other bytes")


def a_put_that_is_cut_goes_on(bench: Bench) -> None:
    """A put that breaks at each of its reports in turn leaves nothing; with the bookmark one object comes of it."""
    source, bookmark = bench.file(LARGE), MemoryBookmark()
    for cut_at in range(100):
        seen = 0

        def report(_done: int, _total: int | None, limit: int = cut_at) -> None:
            nonlocal seen
            seen += 1
            if seen > limit:
                raise _CutError

        with bench.open() as destination:
            try:
                destination.put(source, bench.properties(source), bookmark=bookmark, on_progress=report)
            except _CutError:
                require(len(bench.mine()) <= 1, "a put that was cut made two objects")
                continue
        break
    _require_one(bench, source)


class _KeptBookmark(MemoryBookmark):
    def clear(self) -> None:
        """Keep it, as a process does that is killed before it can forget."""


def a_lost_answer_makes_no_second_object(bench: Bench) -> None:
    """A put that was finished, and whose process died before it knew, is found again by the bookmark."""
    source, bookmark = bench.file(MIDDLE), _KeptBookmark()
    with bench.open() as destination:
        one = destination.put(source, bench.properties(source), bookmark=bookmark)
    if bookmark.load():
        with bench.open() as destination:
            again = destination.put(source, bench.properties(source), bookmark=MemoryBookmark(bookmark.load()))
        require(again.id == one.id, "the second put made another object")
    _require_one(bench, source)


def a_bookmark_that_fits_no_longer_is_dropped(bench: Bench) -> None:
    """Nonsense, or the bookmark of another file, begins a put again."""
    source, other = bench.file(LARGE), bench.file(LARGE, "other")
    bookmark = MemoryBookmark()
    with bench.open() as destination, contextlib.suppress(_CutError):
        destination.put(other, bench.properties(other), bookmark=bookmark, on_progress=_cut_after(2))
    for text in (bookmark.load(), "nonsense", '{"made": "by a later version"}'):
        with bench.open() as destination:
            made = destination.put(source, bench.properties(source), bookmark=MemoryBookmark(text))
        _require_one(bench, source)
        with bench.open() as destination:
            destination.remove(made.id)
    with bench.open() as destination:  # the other file goes on by its own, so that no part of it stays there
        destination.put(other, bench.properties(other), bookmark=bookmark)
    _require_one(bench, other)


def an_abandoned_put_leaves_nothing(bench: Bench) -> None:
    """A put that nobody goes on with is given up by its bookmark; an object that is whole stays."""
    source, bookmark = bench.file(LARGE), MemoryBookmark()
    with bench.open() as destination, contextlib.suppress(_CutError):
        destination.put(source, bench.properties(source), bookmark=bookmark, on_progress=_cut_after(2))
    cut = bookmark.load()
    with bench.open() as destination:
        destination.abandon(bookmark)
        require(bookmark.load() == "", "the bookmark is still there")
        for text in (cut, "", "nonsense"):
            destination.abandon(MemoryBookmark(text))
    require(bench.mine() == [], "something of it is listed")
    kept = _KeptBookmark()
    with bench.open() as destination:
        destination.put(source, bench.properties(source), bookmark=kept)
        destination.abandon(MemoryBookmark(kept.load()))
    _require_one(bench, source)


def _cut_after(reports: int) -> Callable[[int, int | None], None]:
    seen = 0

    def report(_done: int, _total: int | None) -> None:
        nonlocal seen
        seen += 1
        if seen >= reports:
            raise _CutError

    return report


def a_wrong_digest_is_found(bench: Bench) -> None:
    """Bytes that are not what was announced are `TransferDamagedError`, and nothing of them is listed."""
    source = bench.file(MIDDLE)
    wrong = bench.properties(source, sha256="0" * 64)
    with bench.open() as destination:
        _refused(
            TransferDamagedError,
            lambda: destination.put(source, wrong, bookmark=MemoryBookmark()),
            "a put of other bytes than announced",
        )
    require(bench.mine() == [], "the wrong object is listed")


def a_missing_source_is_said(bench: Bench) -> None:
    """A local file that is not there is no failure of the destination."""
    source = bench.file(10)
    properties = bench.properties(source)
    with bench.open() as destination:
        _refused(
            SourceMissingError,
            lambda: destination.put(bench.scratch / "nothing", properties, bookmark=MemoryBookmark()),
            "a put of nothing",
        )
    require(bench.mine() == [], "an object was made of nothing")


def a_download_that_is_cut_goes_on(bench: Bench) -> None:
    """The part that came is kept and not fetched again; a part that is wrong is found by its digest."""
    source = bench.file(LARGE)
    made = bench.put(source)
    target = bench.scratch / "download"
    with bench.open() as destination, contextlib.suppress(_CutError):
        fetch(destination, made, target, on_progress=_cut_after(2))
    part = partial_of(made, target).stat().st_size
    require(part > 0, "nothing was kept of a download that was cut")
    from_where: list[int] = []
    with bench.open() as destination:
        fetch(destination, made, target, on_progress=lambda done, _: from_where.append(done))
    require(from_where[0] == part, "the download began again")
    require(_sha256(target) == _sha256(source), "the download has other bytes")
    os.rename(target, partial_of(made, target))
    with partial_of(made, target).open("r+b") as file:
        file.write(b"damage")
    with bench.open() as destination:
        _refused(TransferDamagedError, lambda: fetch(destination, made, target), "a part that is wrong")
        require(not target.exists(), "a wrong download took the name")
        fetch(destination, made, target)
    require(_sha256(target) == _sha256(source), "the download has other bytes")


def space_is_told(bench: Bench) -> None:
    """Figures that are known make sense."""
    with bench.open() as destination:
        usage = destination.usage()
    figures = [usage.total, usage.used, usage.free, usage.binned]
    require(all(figure is None or figure >= 0 for figure in figures), "a figure is negative")
    require(usage.total is None or usage.free is None or usage.free <= usage.total, "more is free than there is")


class Check(msgspec.Struct, frozen=True):
    """A promise, and the function that holds a destination to it."""

    name: str
    title: str
    function: Callable[[Bench], None]

    def run(self, bench: Bench) -> None:
        """Hold the destination to it, and clean up; raises `PromiseBrokenError` or what the destination raised."""
        try:
            self.function(bench)
        except BaseException:
            with contextlib.suppress(LifeboatError):
                bench.clean()
            raise
        bench.clean()


def _checks() -> Iterator[Check]:
    for function in (
        a_file_comes_back_as_it_was,
        properties_are_kept_and_found,
        names_may_be_doubled,
        every_object_is_listed,
        reading_begins_anywhere,
        what_is_gone_is_not_found,
        a_cancelled_put_leaves_nothing_and_goes_on,
        a_put_that_is_cut_goes_on,
        a_lost_answer_makes_no_second_object,
        a_bookmark_that_fits_no_longer_is_dropped,
        an_abandoned_put_leaves_nothing,
        a_wrong_digest_is_found,
        a_missing_source_is_said,
        a_download_that_is_cut_goes_on,
        space_is_told,
    ):
        title = (function.__doc__ or "").partition("\n")[0]
        yield Check(function.__name__.replace("_", "-"), title, function)


CHECKS: tuple[Check, ...] = tuple(_checks())
