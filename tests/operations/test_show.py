"""`show`: the manifest as plain values, pages of files, and the stock command that really opens the archive."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import msgspec
import pytest

from tests.makers.applications import Shop, configured, shop
from toolkit.errors import BackupNotFoundError, PassphraseError
from toolkit.operations import show
from toolkit.operations.show import ShowRequest
from toolkit.retention import Scope


@pytest.fixture
def made(tmp_path: Path) -> Shop:
    return shop(tmp_path, orders=20)


def test_the_manifest_with_every_key(made: Shop) -> None:
    row = made.back_up(note="hello", tags=("x",))
    report = show.run(made.session(), ShowRequest(backup="latest"))
    backup = report.document()["backup"]
    assert backup["id"] == row.id
    assert (backup["note"], backup["tags"], backup["pin"], backup["rating"]) == ("hello", ["x"], False, None)
    assert backup["databases"][0]["tables"]["orders"] == 20
    assert backup["databases"][0]["layers"] == [[row.id, f"databases{made.database}"]]
    assert (backup["good"], backup["size"]) == (True, row.size)
    assert msgspec.json.decode(msgspec.json.encode(backup)) == backup
    assert report.archive == (row.archive,)
    assert report.missing == ()
    assert report.files is None


def test_pages_of_files(made: Shop) -> None:
    made.back_up()

    def page(**request: object) -> tuple[list[str], int | None]:
        report = show.run(made.session(), ShowRequest(backup="latest", files=True, **request))  # type: ignore[arg-type]
        return [Path(one.path).name for one in report.files or []], report.matching

    everything, total = page(limit=None)
    assert total == len(everything) == 5
    assert page(limit=2, offset=1) == (everything[1:3], 5)
    assert page(only="*.txt") == (["report.txt"], 1)
    assert page(only=f"{made.uploads}/*") == (["logo.png", "report.txt"], 2)


def test_hostile_names_come_out_whole(made: Shop) -> None:
    for name in (b"a[\x1b]b.txt", b"line\nbreak.txt", b"\xff\xfe.txt"):
        with open(bytes(made.uploads) + b"/" + name, "wb") as file:
            file.write(b"x")
    made.back_up()
    report = show.run(made.session(), ShowRequest(backup="latest", files=True, limit=None))
    assert len(report.files or []) == 8
    assert msgspec.json.encode(report.document())
    only = show.run(made.session(), ShowRequest(backup="latest", files=True, only="a[\x1b]b.txt"))
    assert only.matching == 1


@pytest.mark.parametrize(
    ("form", "split"),
    [
        ("tar.zst", None),
        ("tar.zst", 65536),
        ("tar.gz", None),
        ("tar.gz", 65536),
        ("tar.bz2", None),
        ("tar.xz", 65536),
        ("zip", None),
        ("zip", 65536),
        ("7z", None),
        ("7z", 65536),
    ],
)
def test_the_stock_command_opens_it(made: Shop, tmp_path: Path, form: str, split: int | None) -> None:
    (made.uploads / "noise").write_bytes(random.randbytes(200_000))
    row = made.back_up(format=form, split=split)
    assert len(list(Path(row.archive).parent.glob(f"{Path(row.archive).name}*"))) > (split is not None)
    command = show.run(made.session(), ShowRequest(backup="latest")).command
    target = tmp_path / "out"
    target.mkdir()
    subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=target, check=True, stdout=subprocess.DEVNULL)
    assert (target / f"files{made.uploads}" / "report.txt").read_text() == "one"


def test_an_archive_without_its_vault(made: Shop, tmp_path: Path) -> None:
    row = made.back_up(scope=Scope.FILES)
    lonely = tmp_path / "elsewhere" / Path(row.archive).name
    lonely.parent.mkdir()
    lonely.write_bytes(Path(row.archive).read_bytes())
    report = show.run(made.session(), ShowRequest(backup=str(lonely), files=True))
    assert report.backup.id == row.id
    assert report.matching == 5


def test_a_missing_archive_is_said(made: Shop) -> None:
    row = made.back_up()
    Path(row.archive).unlink()
    report = show.run(made.session(), ShowRequest(backup=row.id))
    assert report.missing == (row.archive,)
    assert [one.code for one in report.warnings] == ["archive-missing"]
    with pytest.raises(BackupNotFoundError):
        show.run(made.session(), ShowRequest(backup="zzzzzzzz"))


def test_an_encrypted_backup_is_shown_and_opens_with_stock_tools(made: Shop, tmp_path: Path) -> None:
    secret = made.root.parent / "passphrase"
    secret.write_text("correct horse")
    secret.chmod(0o600)
    configured(made, f"files: [{made.uploads}]\narchive: {{encrypt: {{passphrase_file: {secret}}}}}")
    row = made.back_up()
    assert show.run(made.session(), ShowRequest(backup=row.id, files=True)).matching == 3
    made.config = None
    report = show.run(made.session(), ShowRequest(backup=row.id))
    assert report.backup.encrypted
    with pytest.raises(PassphraseError):
        show.run(made.session(), ShowRequest(backup=row.id, files=True))
    target = tmp_path / "out"
    target.mkdir()
    typed = report.command.replace("7z x", "7z x '-pcorrect horse'")  # what 7z asks for at a terminal
    subprocess.run(["bash", "-o", "pipefail", "-c", typed], cwd=target, check=True, stdout=subprocess.DEVNULL)
    assert (target / f"files{made.uploads}" / "report.txt").read_text() == "one"
