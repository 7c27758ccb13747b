"""A manifest beside an encrypted archive shows only what it may, and opens with the passphrase and nothing else."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from tests.vault import made
from toolkit.archive import manifest as format_
from toolkit.archive.key import Key, Lock
from toolkit.archive.manifest import LeftOut, Manifest
from toolkit.archive.seal import seal, unseal
from toolkit.errors import ArchiveDamagedError, FormatError, PassphraseError

STEM = "shop_daily_20261120T020000Z_aaaaaaaa"
LOCK = Lock("correct horse")
KEY = Key("correct horse")


@pytest.fixture
def manifest() -> Manifest:
    return made.manifest(
        "aaaaaaaa",
        encrypted=True,
        note="secret note",
        tags=("secret-tag",),
        left_out=(LeftOut("/srv/secret/file", "no"),),
        changed=("/srv/secret/changed",),
        user="secret-user",
        extra={"later": "secret-extra"},
    )


def test_only_what_design_says_can_be_read(manifest: Manifest) -> None:
    text = format_.encode(seal(manifest, LOCK, stem=STEM)).decode()
    assert set(json.loads(text)) == {
        "manifest", "id", "profile", "kind", "scope", "format", "host", "tool", "started", "finished", "status",
        "encrypted", "files", "evidence", "sealed", "checksum",
    }  # fmt: skip
    for word in ("secret", "/srv", "orders", "shop.db", "job1"):
        assert word not in text


def test_the_passphrase_brings_all_of_it_back(manifest: Manifest) -> None:
    carried = format_.decode(format_.encode(seal(manifest, LOCK, stem=STEM)))
    assert unseal(carried, KEY, stem=STEM) == manifest


def test_the_same_manifest_is_sealed_the_same_and_another_is_not(manifest: Manifest) -> None:
    once, again = seal(manifest, LOCK, stem=STEM), seal(manifest, LOCK, stem=STEM)
    assert once == again
    other = seal(replace(manifest, note="another"), LOCK, stem=STEM)
    assert other.sealed[:60] != once.sealed[:60]


@pytest.mark.parametrize("passphrase", ["wrong", "", None])
def test_nothing_else_opens_it(manifest: Manifest, passphrase: str | None) -> None:
    with pytest.raises(PassphraseError):
        unseal(seal(manifest, LOCK, stem=STEM), Key(passphrase), stem=STEM)


def test_what_was_changed_is_refused(manifest: Manifest) -> None:
    sealed = seal(manifest, LOCK, stem=STEM)
    with pytest.raises(PassphraseError):
        unseal(sealed, KEY, stem=STEM.replace("aaaaaaaa", "bbbbbbbb"))
    with pytest.raises(PassphraseError):
        unseal(replace(sealed, sealed=sealed.sealed[:-8] + "AAAAAAA="), KEY, stem=STEM)
    with pytest.raises(ArchiveDamagedError):
        unseal(replace(sealed, id="bbbbbbbb"), KEY, stem=STEM)
    with pytest.raises(ArchiveDamagedError):
        unseal(replace(sealed, sealed="AQID"), KEY, stem=STEM)
    with pytest.raises(FormatError):
        unseal(replace(sealed, sealed="Ag" + sealed.sealed[2:]), KEY, stem=STEM)


def test_what_is_not_sealed_stays_as_it_is(manifest: Manifest) -> None:
    assert unseal(manifest, None, stem=STEM) is manifest
