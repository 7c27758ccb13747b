"""What cron gets: plain lines, our own file or our own block, and nothing else touched."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from toolkit.errors import ServiceError
from toolkit.schedule import commands, cron
from toolkit.schedule.entries import Entry
from toolkit.schedule.times import Every, parse_at

DAILY = Entry("shop-daily", "shop", ("backup", "shop", "--kind", "daily"), parse_at("03:00"))
ODD = Entry("shop-odd", "shop", ("backup", "shop", "--note", "100% sure"), Every(timedelta(hours=7)))
CALLER = cron.Caller(("/usr/bin/lifeboat", "--config", "/etc/my lifeboat.yaml"), "root")


class Crontab:
    """A user's crontab as crontab(1) keeps it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def run(self, command: Sequence[str], text: str) -> str:
        if list(command) == ["crontab", "-"]:
            self.text = text
            return ""
        assert list(command) == ["crontab", "-l"]
        return self.text


def test_a_line_is_the_plain_command() -> None:
    assert cron.lines([DAILY], CALLER) == [
        "0 3 * * *  root  /usr/bin/lifeboat --config '/etc/my lifeboat.yaml' backup shop --kind daily",
        "*/15 * * * *  root  /usr/bin/lifeboat --config '/etc/my lifeboat.yaml' schedule catch-up --quiet",
        "@reboot  root  /usr/bin/lifeboat --config '/etc/my lifeboat.yaml' schedule catch-up --quiet",
    ]


def test_what_five_fields_cannot_say_is_left_to_catching_up() -> None:
    assert len(cron.lines([DAILY, ODD], CALLER)) == len(cron.lines([DAILY], CALLER))


def test_a_percent_sign_does_not_end_the_command() -> None:
    line = cron.Caller(("lifeboat",)).line("0 3 * * *", ODD.arguments)
    assert line == "0 3 * * *  lifeboat backup shop --note '100\\% sure'"


def test_the_file_is_written_once_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "cron.d" / "lifeboat"
    assert cron.install_file([DAILY], CALLER, path)
    assert not cron.install_file([DAILY], CALLER, path)
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.read_text().endswith("\n")
    assert cron.remove_file(path)
    assert not cron.remove_file(path)


def test_the_block_of_a_user_leaves_the_rest_alone() -> None:
    table = Crontab("MAILTO=me\n0 1 * * * mine\n")
    assert cron.install_block([DAILY], cron.Caller(("lifeboat",)), table.run)
    assert table.text.startswith("MAILTO=me\n0 1 * * * mine\n\n" + cron.BEGIN)
    assert "0 3 * * *  lifeboat backup shop --kind daily\n" in table.text
    assert not cron.install_block([DAILY], cron.Caller(("lifeboat",)), table.run)
    table.text += "5 5 * * * later\n"
    assert cron.install_block((), cron.Caller(("lifeboat",)), table.run)
    assert table.text == "MAILTO=me\n0 1 * * * mine\n\n5 5 * * * later\n"


def test_a_block_without_an_end_is_not_guessed_at() -> None:
    with pytest.raises(ServiceError, match="no end"):
        cron.with_block(f"{cron.BEGIN}\n0 1 * * * mine\n", [])


def test_a_crontab_that_cannot_be_run_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "crontab").write_text("closed to whoever may not run it, as folders of root in PATH after su are")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServiceError, match="not installed"):
        commands.run(["crontab", "-l"], "")
