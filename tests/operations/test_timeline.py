"""`timeline`: how a database went over the backups, and in which of them a row came or went."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.makers import databases
from tests.makers.applications import Shop, configured, names_below, shop
from toolkit.errors import BackupNotFoundError, NotFoundError, UsageError
from toolkit.operations import status, timeline, timeline_search
from toolkit.operations.report import Ending
from toolkit.operations.timeline import TimelineReport, TimelineRequest
from toolkit.operations.timeline_search import FindRequest


@pytest.fixture
def made(tmp_path: Path) -> Shop:
    return shop(tmp_path, orders=400)


def look(made: Shop, target: str | None = None, **request: object) -> TimelineReport:
    return timeline.run(made.session(), TimelineRequest(target=target or str(made.database), **request))  # type: ignore[arg-type]


def find(made: Shop, condition: str, **request: object) -> TimelineReport:
    wanted = TimelineRequest(target=str(request.pop("target", made.database)))
    asked = FindRequest(timeline=wanted, condition=condition, **request)  # type: ignore[arg-type]
    return made.job("timeline", lambda session, job: timeline_search.run(session, asked, job))


def test_the_course_of_a_database(made: Shop) -> None:
    first = made.back_up().id
    made.execute("DELETE FROM orders WHERE id > 12")
    second = made.back_up().id
    made.execute("ALTER TABLE users ADD COLUMN colour TEXT")
    made.execute("DROP TABLE audit")
    third = made.back_up().id
    (history,) = look(made).databases
    assert [point.id for point in history.points] == [first, second, third]
    assert [point.tables["orders"] for point in history.points] == [400, 12, 12]
    assert history.points[0].free_pages == 0
    assert (history.points[1].free_pages or 0) > 0
    assert history.points[0].schema == history.points[1].schema != history.points[2].schema
    assert history.points[0].rows == sum(count or 0 for count in history.points[0].tables.values())
    assert set(history.points[0].tables) == {"users", "products", "orders", "notes", "audit"}
    assert [(jump.what, jump.table, jump.text) for jump in history.jumps] == [
        ("rows-fell", "orders", "orders fell from 400 to 12 between 03:00 and 04:00"),
        ("table-gone", "audit", "audit is gone with its 400 rows between 04:00 and 05:00"),
        ("schema", None, "the schema changed between 04:00 and 05:00"),
    ]
    assert history.jumps[0].first == second


def test_times_on_other_days_have_their_date(made: Shop) -> None:
    made.back_up()
    made.execute("DELETE FROM orders WHERE id > 12")
    made.back_up()
    made.clock.move(days=2)
    assert look(made).databases[0].jumps[0].text == "orders fell from 400 to 12 between 20 Nov 03:00 and 04:00"
    made.execute("INSERT INTO orders(user_id) SELECT 1 FROM users, users, users LIMIT 500")
    made.back_up()
    made.clock.move(days=1)
    text = look(made).databases[0].jumps[-1].text
    assert text == "orders rose from 12 to 512 between 20 Nov 04:00 and 22 Nov 05:00"


def test_small_changes_are_no_jumps_and_the_profile_says_what_is_small(made: Shop) -> None:
    configured(made, f"databases: [{made.database}]\nalarms: {{shrink: 5%}}")
    made.back_up()
    made.execute("DELETE FROM orders WHERE id > 360")
    made.back_up()
    assert [jump.table for jump in look(made, "shop").databases[0].jumps] == ["orders"]
    made.config = None
    assert look(made, "shop").databases[0].jumps == []


def test_whose_timeline(made: Shop) -> None:
    with pytest.raises(NotFoundError):
        look(made)
    databases.shop(made.uploads / "other.db", orders=3)
    made.back_up()
    both = look(made, str(made.root))
    assert [one.name for one in both.databases] == ["shop.db", "other.db"]
    assert [one.name for one in look(made, "shop", name="other.db").databases] == ["other.db"]
    for wrong in ("nobody", str(made.root / "none.db")):
        with pytest.raises(BackupNotFoundError):
            look(made, wrong)


def test_damaged_copies_have_the_counts_that_can_be_had(made: Shop) -> None:
    made.back_up()
    made.execute("DELETE FROM audit")
    databases.flip_page(made.database, databases.root_page(made.database, "orders"))
    made.back_up()
    sound, damaged = look(made).databases[0].points
    assert (sound.damaged, damaged.damaged) == (False, True)
    assert damaged.tables == {**sound.tables, "orders": None, "audit": 0}
    assert damaged.schema == sound.schema
    assert [jump.text.split(" between")[0] for jump in look(made).databases[0].jumps] == ["audit fell from 400 to 0"]


def test_a_copy_whose_schema_is_lost_is_a_point_without_counts(made: Shop) -> None:
    made.back_up()
    with made.database.open("r+b") as file:
        file.seek(100)  # behind the header, by which it is known as a database
        file.write(bytes(3000))
    made.back_up()
    points = look(made).databases[0].points
    assert [(point.damaged, point.rows is None) for point in points] == [(False, False), (True, True)]
    assert look(made).databases[0].jumps == []


def days(made: Shop, count: int, *, until: int) -> list[str]:
    """Make `count` backups; the user 7 is deleted before the one with the number `until`."""
    made_ones = []
    for number in range(count):
        if number == until:
            made.execute("DELETE FROM users WHERE id = 7")
        made_ones.append(made.back_up().id)
    return made_ones


def test_bisecting_finds_the_backup_that_lacks_the_row_first(made: Shop) -> None:
    backups = days(made, 9, until=6)
    before = names_below(made.vault)
    report = find(made, "email = 'user7@example0.org'")
    assert names_below(made.vault) == before
    assert report.search is not None
    (turn,) = report.search.turns
    assert (turn.last.id, turn.first.id, turn.appeared) == (backups[5], backups[6], False)
    assert turn.text == f"{backups[6]} is the first that lacks such a row; it went between 08:00 and 09:00"
    assert report.search.table == "users"
    assert len(report.search.looked) <= 5
    assert report.ending is Ending.DONE
    assert any("--every" in note for note in report.notes)
    assert any(f"restore {backups[5]}" in note for note in report.notes)


def test_a_row_that_came(made: Shop) -> None:
    made.back_up()
    made.execute("INSERT INTO users(id, name) VALUES (900, 'fresh')")
    second = made.back_up().id
    report = find(made, "id = 900", table="users")
    assert report.search is not None
    assert [(turn.first.id, turn.appeared) for turn in report.search.turns] == [(second, True)]


def test_every_looks_at_all_and_finds_what_bisecting_cannot(made: Shop) -> None:
    backups = days(made, 3, until=1)
    made.execute("INSERT INTO users(id, name, email) VALUES (7, 'again', 'seven')")
    backups.append(made.back_up().id)
    report = find(made, "id = 7", table="users")
    assert report.search is not None
    assert (report.search.turns, report.ending) == ([], Ending.NOTHING)
    assert any("oldest and the newest" in note for note in report.notes)
    report = find(made, "id = 7", table="users", every=True)
    assert report.search is not None
    assert [turn.first.id for turn in report.search.turns] == [backups[1], backups[3]]
    assert len(report.search.looked) == 4


def test_an_older_schema_lacks_the_row(made: Shop) -> None:
    made.back_up()
    made.execute("ALTER TABLE users ADD COLUMN colour TEXT DEFAULT 'red'")
    second = made.back_up().id
    report = find(made, "colour = 'red'")
    assert report.search is not None
    assert report.search.turns[0].first.id == second
    assert report.search.looked[0].why_not == "no such column: colour"


def test_what_cannot_be_asked(made: Shop) -> None:
    databases.shop(made.uploads / "other.db", orders=3)
    made.back_up()
    with pytest.raises(UsageError, match="no table"):
        find(made, "nonsense = 1")
    with pytest.raises(UsageError, match="several databases"):
        find(made, "id = 1", target=str(made.root))


def test_damaged_copies_that_do_not_answer_are_passed_over(made: Shop) -> None:
    made.back_up()
    made.execute("DELETE FROM users WHERE id = 7")
    made.back_up()
    databases.flip_page(made.database, databases.root_page(made.database, "orders"))
    damaged = made.back_up().id
    report = find(made, "id = 7", table="orders")
    assert report.search is not None
    assert report.search.backups == 2
    assert report.search.turns == []
    assert [(one.code, one.subject) for one in report.warnings] == [("not-asked", damaged)]


def test_a_damaged_copy_is_asked_of_the_tables_that_can_be_read(made: Shop) -> None:
    made.back_up()
    made.back_up()
    made.execute("DELETE FROM users WHERE id = 7")
    databases.flip_page(made.database, databases.root_page(made.database, "orders"))
    damaged = made.back_up().id
    report = find(made, "id = 7", table="users")
    assert report.search is not None
    assert [turn.first.id for turn in report.search.turns] == [damaged]
    assert not report.warnings
    assert f"{damaged} is damaged: what it lacks may only be unreadable" in report.notes


def warned(made: Shop) -> list[tuple[str, str]]:
    from toolkit.operations import backup
    from toolkit.operations.targets import profiles

    def body(session: object, job: object) -> backup.BackupReport:
        request = backup.BackupRequest(profiles=profiles(session, ("shop",)))  # type: ignore[arg-type]
        return backup.run(session, request, job)  # type: ignore[arg-type]

    report = made.job("backup", body)
    made.clock.move(hours=1)
    return [(one.code, one.message) for one in report.warnings]


def test_a_backup_whose_tables_shrank_warns_loudly(made: Shop) -> None:
    configured(made, f"databases: [{made.database}]\nalarms: {{shrink: 50%}}")
    first = made.back_up().id
    made.execute("DELETE FROM orders WHERE id > 250")
    assert warned(made) == []
    made.execute("DELETE FROM orders WHERE id > 12")
    made.execute("DROP TABLE audit")
    before = look(made, "shop").databases[0].points[-1].id
    assert warned(made) == [
        ("rows-shrank", f"audit is gone, orders fell from 250 to 12 rows since backup {before}"),
    ]
    (target,) = status.run(made.session()).targets
    assert (target.state, [reason.code for reason in target.reasons]) == ("warn", ["rows-shrank"])
    assert warned(made) == []
    assert first != before
