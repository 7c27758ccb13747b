"""Where Ansible finds the collection `lifeboat.toolkit`: in the wheel, or in the repository."""

from __future__ import annotations

import os
from pathlib import Path

from toolkit import durable
from toolkit.errors import NotFoundError

NAME = "lifeboat.toolkit"
INSIDE = Path("ansible_collections", "lifeboat", "toolkit")


def where(cache: Path, beside: Path | None = None) -> Path:
    """Return the folder to put on `ANSIBLE_COLLECTIONS_PATH`, so that the playbooks are those of this very Lifeboat.

    The wheel carries the collection `beside` the package (found by default). In a checkout the repository itself is
    it, and a folder below `cache` leads there by a link. Raises `NotFoundError` where there is neither, as in the
    single file, and `StorageError`.
    """
    beside = beside or Path(__file__).resolve().parents[2]
    if (beside / INSIDE / "galaxy.yml").is_file():
        return beside
    if not (beside / "galaxy.yml").is_file():
        raise NotFoundError(
            "this installation has no playbooks", subject=beside, hint="in a checkout: pipx install '.[fleet]'"
        )
    folder = cache / "collections"
    link = folder / INSIDE
    with durable.translated(link):
        if not link.is_symlink() or os.readlink(link) != str(beside):
            durable.make_directory(link.parent)
            _point(link, beside)
    return folder


def _point(link: Path, target: Path) -> None:
    """Make `link` lead to `target` in one step, for another run may be using it."""
    fresh = durable.sibling(link)
    os.symlink(target, fresh)
    os.replace(fresh, link)
