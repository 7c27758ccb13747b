"""Opening and hashing small files ahead of the writer, in two threads, in order and with bounded memory."""

from __future__ import annotations

import functools
import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import msgspec

from toolkit import durable
from toolkit.errors import CancelledError, LifeboatError
from toolkit.filelist import Content, FileEntry, Item

THREADS = 2
BATCH_ITEMS = 64
BATCH_BYTES = 2 * 1024 * 1024
BATCHES_AHEAD = 4


@dataclass(slots=True)
class Loaded:
    """An item whose content was opened: `digest` is there when all of it was read, `error` when it failed.

    `load` is there for hard links that need no content as long as the first of them is in the archive.
    """

    entry: FileEntry
    content: Content | None = None
    digest: str = ""
    error: LifeboatError | None = None
    load: Callable[[], Content] | None = None


def _load(item: Item, *, keeps_links: bool) -> Loaded:
    if item.load is None:
        return Loaded(item.entry)
    if item.entry.link_to and keeps_links:
        return Loaded(item.entry, load=item.load)
    return open_content(item)


def open_content(item: Item) -> Loaded:
    """Return `item` with its content open, or with the error that its loader raised."""
    if item.load is None:
        return Loaded(item.entry)
    try:
        content = item.load()
    except CancelledError:
        raise
    except LifeboatError as error:
        return Loaded(item.entry, error=error)
    except OSError as error:
        return Loaded(item.entry, error=durable.translate(error, subject=item.entry.path))
    digest = ""
    if content.data is not None and not content.entry.holes:
        digest = hashlib.sha256(content.data).hexdigest()
    return Loaded(content.entry, content, digest)


def _load_batch(items: list[Item], keeps_links: bool) -> list[Loaded]:  # noqa: FBT001 - called by the pool only
    return [_load(item, keeps_links=keeps_links) for item in items]


def _load_again(entry: FileEntry, load: Callable[[], Content]) -> Content:
    content = load()
    content.entry = msgspec.structs.replace(content.entry, path=entry.path, link_to=entry.link_to)
    return content


def _with_content(items: Iterable[Item]) -> Iterator[Item]:
    """Yield `items`; a hard link that comes without a loader gets the one of the first name of its inode."""
    firsts: dict[tuple[str, int], Callable[[], Content]] = {}
    for item in items:
        entry = item.entry
        key = (entry.section, entry.link_group)
        if entry.link_to and item.load is None and key in firsts:
            yield Item(entry, functools.partial(_load_again, entry, firsts[key]))
            continue
        if entry.link_group and item.load is not None:
            firsts[key] = item.load
        yield item


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size = 0
    for item in items:
        batch.append(item)
        size += item.entry.size if item.load is not None else 0
        if len(batch) >= BATCH_ITEMS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def loaded(items: Iterable[Item], *, keeps_links: bool) -> Generator[Loaded, None, None]:
    """Yield what `items` hold, in their order; at most `BATCHES_AHEAD` batches are open ahead.

    Content that nobody took is closed when the iterator is.
    """
    pool = ThreadPoolExecutor(THREADS, "read")
    waiting: deque[Future[list[Loaded]]] = deque()
    ready: deque[Loaded] = deque()
    source = _batches(items if keeps_links else _with_content(items))
    try:
        exhausted = False
        while True:
            while not exhausted and len(waiting) < BATCHES_AHEAD:
                batch = next(source, None)
                if batch is None:
                    exhausted = True
                else:
                    waiting.append(pool.submit(_load_batch, batch, keeps_links))
            if not waiting:
                return
            ready.extend(waiting.popleft().result())
            while ready:
                yield ready.popleft()
    finally:
        pool.shutdown(cancel_futures=True)
        for future in waiting:
            if not future.cancelled() and future.exception() is None:
                ready.extend(future.result())
        for item in ready:
            _close(item.content)


def _close(content: Content | None) -> None:
    close = getattr(content.pieces, "close", None) if content is not None else None
    if close is not None:
        close()
