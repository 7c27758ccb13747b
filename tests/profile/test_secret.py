"""Promise 8: a secret never shows itself, and one that others can read is refused."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import msgspec
import pytest

from toolkit.errors import ConfigError, ExposedSecretError, LifeboatError
from toolkit.profile.secret import Secret

HUSH = "correct horse"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(f"{HUSH}\n")
    path.chmod(0o600)
    return path


def test_each_source_gives_the_secret(file: Path) -> None:
    assert Secret(HUSH).resolve() == HUSH
    assert Secret(file=file).resolve() == HUSH
    assert Secret(command=("cat", str(file))).resolve() == HUSH


def test_it_never_shows_itself(file: Path) -> None:
    secret = Secret(HUSH)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>40}", f"{secret!r}", "%s" % secret, repr([secret])]  # noqa: UP031
    assert not [text for text in shown if HUSH in text]
    for encode in (json.dumps, msgspec.json.encode, msgspec.to_builtins, pickle.dumps):
        with pytest.raises(TypeError):
            encode(secret)
    assert not hasattr(secret, "__dict__")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o620, 0o610])
def test_a_file_that_others_can_use_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(ExposedSecretError, match=f"{mode:04o}") as caught:
        Secret(file=file).resolve()
    assert caught.value.subject == str(file)
    assert HUSH not in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(file: Path) -> None:
    os.chown(file, 65534, 65534)
    with pytest.raises(ExposedSecretError, match="another user"):
        Secret(file=file).resolve()


def test_a_link_is_judged_by_what_it_points_to(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    assert Secret(file=link).resolve() == HUSH
    file.chmod(0o644)
    with pytest.raises(ExposedSecretError):
        Secret(file=link).resolve()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "empty"), (b"\n", "empty"), (b"\xff\xfe", "UTF-8"), (b"x" * (1024 * 1024 + 1), "larger")],
)
def test_what_is_no_secret_is_refused(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        Secret(file=file).resolve()


def test_an_absent_file_and_a_folder_are_errors_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="missing"):
        Secret(file=tmp_path / "absent").resolve()
    with pytest.raises(LifeboatError):
        Secret(file=tmp_path).resolve()
    with pytest.raises(ConfigError, match="regular file"):
        Secret(file=Path("/dev/null")).resolve()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("sh", "-c", f"echo {HUSH} >&2; exit 7"), "exit code 7"),
        (("/no/such/program",), "cannot be run"),
        (("true",), "empty"),
    ],
)
def test_a_command_that_fails_says_so_without_its_words(command: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Secret(command=command).resolve()
    assert HUSH not in str(caught.value)


def test_only_the_last_newline_is_taken_off(file: Path) -> None:
    file.write_bytes(b" two words \n\r\n")
    assert Secret(file=file).resolve() == " two words \n"


def test_it_comes_from_exactly_one_place(file: Path) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        Secret()
    with pytest.raises(ValueError, match="exactly one"):
        Secret(HUSH, file=file)
    assert Secret(HUSH) == Secret(HUSH) != Secret(file=file)
    assert len({Secret(HUSH), Secret(HUSH)}) == 1
