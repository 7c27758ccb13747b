"""A copy that is cut at each call in turn is finished by the next try: each object once, the manifest last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.vault import made
from toolkit.archive.manifest import Manifest
from toolkit.destinations.base import Role
from toolkit.destinations.memory import MemoryDestination, Store
from toolkit.errors import (
    ArchiveDamagedError,
    CancelledError,
    DestinationFullError,
    DestinationTransientError,
    PassphraseError,
    SourceMissingError,
)
from toolkit.retention import Rules
from toolkit.vault import expire, layout, offsite, store
from toolkit.vault.layout import Vault
from toolkit.vault.replicate import outgoing, replicate


def copy(vault: Vault, manifest: Manifest, there: Store, scratch: Path, **options: object) -> object:
    folder = store.locate(vault, manifest.id).parent
    return replicate(
        folder,
        manifest,
        MemoryDestination("there", there),
        scratch,
        now=made.NOW,
        **options,  # type: ignore[arg-type]
    )


def roles(there: Store) -> list[Role]:
    return [found.properties.role for _, found in there.things.values() if found.properties is not None]


def failing_at(number: int) -> tuple[Callable[[str], None], list[str]]:
    seen: list[str] = []

    def on_step(step: str) -> None:
        seen.append(step)
        if len(seen) == number:
            raise DestinationTransientError("cut")

    return on_step, seen


@pytest.mark.parametrize("then", ["same process", "scratch lost"])
def test_cut_at_every_call(vault: Vault, tmp_path: Path, then: str) -> None:
    manifest = made.put(vault, made.manifest("aaaaaaaa"), pieces=3)
    number = 1
    while True:
        there, scratch = Store(chunk=2000), tmp_path / f"scratch-{number}"
        there.on_step, seen = failing_at(number)
        try:
            copy(vault, manifest, there, scratch)
        except DestinationTransientError:
            assert Role.MANIFEST not in roles(there) or seen[-1] in ("answer", "remove")
        else:
            break
        there.on_step = lambda _step: None
        copy(vault, manifest, there, scratch if then == "same process" else tmp_path / f"other-{number}")
        assert roles(there) == [Role.ARCHIVE] * 3 + [Role.FILE_LIST, Role.MANIFEST]
        (one,) = offsite.backups(MemoryDestination("there", there))
        assert offsite.read_manifest(MemoryDestination("there", there), one) == outgoing(manifest)
        number += 1
    assert number > 20


def test_cancelled_it_goes_on(vault: Vault, tmp_path: Path) -> None:
    manifest = made.put(vault, made.manifest("aaaaaaaa"))
    there = Store(chunk=1000)
    moved: list[int] = []
    with pytest.raises(CancelledError):
        copy(
            vault,
            manifest,
            there,
            tmp_path / "scratch",
            on_progress=lambda done, _: moved.append(done),
            should_stop=lambda: len(moved) > 3,
        )
    assert there.things == {}
    again: list[int] = []
    copy(vault, manifest, there, tmp_path / "scratch", on_progress=lambda done, _: again.append(done))
    assert again[0] > 0
    assert again == sorted(again)


def test_a_newer_manifest_takes_the_place_of_the_older(vault: Vault, tmp_path: Path) -> None:
    manifest = made.put(vault, made.manifest("aaaaaaaa"))
    there = Store()
    copy(vault, manifest, there, tmp_path / "scratch")
    copy(vault, replace(manifest, note="later", pin=True), there, tmp_path / "scratch")
    assert roles(there) == [Role.ARCHIVE, Role.FILE_LIST, Role.MANIFEST]
    (one,) = offsite.backups(MemoryDestination("there", there))
    assert offsite.read_manifest(MemoryDestination("there", there), one).note == "later"


def test_what_cannot_be_copied_is_said_before_anything_is_sent(vault: Vault, tmp_path: Path) -> None:
    manifest = made.put(vault, made.manifest("aaaaaaaa"))
    there = Store(quota=100)
    with pytest.raises(DestinationFullError, match="bytes needed"):
        copy(vault, manifest, there, tmp_path / "scratch")
    damaged = replace(manifest, evidence=replace(manifest.evidence, damage=("bad",)))
    with pytest.raises(ArchiveDamagedError):
        copy(vault, damaged, Store(), tmp_path / "scratch")
    with pytest.raises(PassphraseError):
        copy(vault, replace(manifest, encrypted=True), Store(), tmp_path / "scratch")
    next(store.locate(vault, manifest.id).parent.glob("*.tar")).unlink()
    with pytest.raises(SourceMissingError):
        copy(vault, manifest, there, tmp_path / "scratch")
    assert (there.things, there.sessions) == ({}, {})


def test_retention_is_finished_wherever_it_was_cut(vault: Vault, tmp_path: Path) -> None:
    ids = ("aaaaaaaa", "bbbbbbbb", "cccccccc")
    backups = [made.put(vault, made.manifest(one, hours_ago=10 - number)) for number, one in enumerate(ids)]
    number = 1
    while True:
        there, folder = Store(bin=True), tmp_path / f"queue-{number}"
        destination = MemoryDestination("there", there)
        for manifest in backups:
            copy(vault, manifest, there, tmp_path / "scratch")
        decided, going = expire.decide(
            destination,
            host="web-03",
            profile="shop",
            rules=Rules(),
            keep=1,
            known=lambda _: None,
            now=made.NOW,
        )
        assert [verdict.id for verdict in decided.removed] == ["bbbbbbbb", "aaaaaaaa"]
        there.on_step, _ = failing_at(number)
        try:
            assert expire.apply(destination, going, folder)
        except DestinationTransientError:
            assert layout.check_id("cccccccc") in {one.id for one in offsite.complete(offsite.backups(_again(there)))}
        else:
            break
        expire.finish(_again(there), folder)
        assert [one.id for one in offsite.backups(_again(there))] == ["cccccccc"]
        number += 1
    assert number == 7


def _again(there: Store) -> MemoryDestination:
    there.on_step = lambda _step: None
    return MemoryDestination("there", there)
