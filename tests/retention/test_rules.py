"""What holds for any backups and any rules, and which rules are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import UsageError
from toolkit.retention import Candidate, Kind, Rules, Scope, decide

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
COUNTS = st.none() | st.integers(0, 3)

candidates = st.builds(
    Candidate,
    id=st.uuids().map(str),
    kind=st.sampled_from(Kind),
    scope=st.sampled_from(Scope),
    finished=st.integers(-400, 20_000).map(lambda hours: NOW - timedelta(hours=hours)),
    size=st.integers(0, 1000),
    good=st.booleans(),
    damaged=st.booleans(),
    pin=st.sampled_from([False, False, True]),
    databases=st.frozensets(st.sampled_from(["shop.db", "users.db"])),
    sections=st.frozensets(st.sampled_from(["uploads", "config"])),
    only_damaged_copy=st.sampled_from([False, False, False, True]),
    status=st.sampled_from(["completed", "completed", "completed", "failed", "creating", "uploading"]),
).map(lambda one: msgspec.structs.replace(one, good=one.good and one.status in ("completed", "uploading")))
backups_of_a_profile = st.lists(candidates, max_size=40, unique_by=lambda one: one.id)
some_rules = st.builds(
    Rules,
    **dict.fromkeys(["hourly", "weekly", "monthly", "emergency", "safety", "imported"], COUNTS),
    **dict.fromkeys(["keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly"], COUNTS),
    daily=st.none() | st.integers(1, 3),
    manual=COUNTS,
    max_age=st.none() | st.integers(0, 500).map(lambda days: timedelta(days=days)),
    max_size=st.none() | st.integers(0, 20_000),
)


@given(backups_of_a_profile, some_rules)
def test_the_newest_good_copy_of_everything_survives(backups: list[Candidate], rules: Rules) -> None:
    kept = {verdict.id for verdict in decide(backups, rules, NOW) if verdict.keep}
    for holding in {holding for backup in backups for holding in backup.holdings}:
        good = [backup for backup in backups if backup.good and holding in backup.holdings]
        plain = [backup for backup in good if backup.kind is not Kind.SAFETY] or good
        past = [backup for backup in plain if backup.finished <= NOW]
        for group in (plain, past):
            if group:
                newest = max(backup.finished for backup in group)
                assert {backup.id for backup in group if backup.finished == newest} & kept
        done = [one for one in backups if one.status not in ("failed", "creating") and holding in one.holdings]
        assert not done or kept & {backup.id for backup in done}


@given(backups_of_a_profile, some_rules)
def test_protected_ones_survive_and_each_has_a_reason(backups: list[Candidate], rules: Rules) -> None:
    verdicts = {verdict.id: verdict for verdict in decide(backups, rules, NOW)}
    assert verdicts.keys() == {backup.id for backup in backups}
    assert all(verdict.reason for verdict in verdicts.values())
    for backup in backups:
        if backup.pin or backup.only_damaged_copy or backup.status == "creating":
            assert verdicts[backup.id].keep
        if backup.finished > NOW and backup.status != "failed":
            assert verdicts[backup.id].keep


@given(backups_of_a_profile, some_rules)
def test_deciding_again_drops_nothing(backups: list[Candidate], rules: Rules) -> None:
    kept = {verdict.id for verdict in decide(backups, rules, NOW) if verdict.keep}
    again = decide([backup for backup in backups if backup.id in kept], rules, NOW)
    assert [verdict for verdict in again if not verdict.keep] == []


@given(backups_of_a_profile, some_rules, st.randoms(use_true_random=False))
def test_the_order_given_does_not_matter(backups: list[Candidate], rules: Rules, chance: object) -> None:
    mixed = list(backups)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert decide(mixed, rules, NOW) == decide(backups, rules, NOW)


@given(backups_of_a_profile, some_rules)
def test_bad_backups_push_out_no_good_one(backups: list[Candidate], rules: Rules) -> None:
    rules = msgspec.structs.replace(rules, max_size=None)
    good = [backup for backup in backups if backup.good]
    with_bad = {verdict.id for verdict in decide(backups, rules, NOW) if verdict.keep}
    alone = {verdict.id for verdict in decide(good, rules, NOW) if verdict.keep}
    assert alone <= with_bad


@pytest.mark.parametrize(
    "rules",
    [
        Rules(hourly=0, daily=0, weekly=0, monthly=0, manual=0),
        Rules(hourly=0, daily=0, weekly=0, monthly=0, manual=0, keep_daily=0),
        Rules(daily=-1),
        Rules(keep_last=-1),
        Rules(max_age=timedelta(days=-1)),
        Rules(max_size=-5),
    ],
)
def test_senseless_rules_are_refused(rules: Rules) -> None:
    with pytest.raises(UsageError) as caught:
        decide([], rules, NOW)
    assert caught.value.hint


def test_one_bucket_rule_is_enough_for_a_policy() -> None:
    assert decide([], Rules(hourly=0, daily=0, weekly=0, monthly=0, manual=0, keep_yearly=1), NOW) == ()


def test_buckets_are_those_of_the_given_time_zone() -> None:
    def manual(name: str, hour: int) -> Candidate:
        when = datetime(2026, 11, 19, hour, tzinfo=UTC)
        return Candidate(id=name, kind=Kind.MANUAL, scope=Scope.FULL, finished=when, good=True)

    backups = [manual("before", 20), manual("after", 23)]
    rules = Rules(manual=0, keep_daily=5)
    in_utc = {one.id for one in decide(backups, rules, NOW) if one.keep}
    in_jakarta = {
        one.id for one in decide(backups, rules, NOW.astimezone(timezone(timedelta(hours=2, minutes=30)))) if one.keep
    }
    assert (in_utc, in_jakarta) == ({"after"}, {"before", "after"})
