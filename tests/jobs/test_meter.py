"""However often an engine reports, few events come out, and the last is always among them."""

from __future__ import annotations

import io
import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from toolkit.cli.render.progress import progress_line
from toolkit.events import Advanced, StepStarted, Unit
from toolkit.jobs.meter import INTERVAL, Meter


def run(calls: list[tuple[int, int | None]], times: list[float]) -> list[tuple[float, Advanced]]:
    meter = Meter("copy", Unit.BYTES)
    events = [(now, meter.update(done, total, now)) for (done, total), now in zip(calls, times, strict=True)]
    events.append((times[-1], meter.flush(times[-1])))
    return [(now, event) for now, event in events if event is not None]


def test_a_hundred_thousand_calls_in_ten_seconds_are_forty_events() -> None:
    said = run([(at, 100_000) for at in range(1, 100_001)], [at / 10_000 for at in range(100_000)])
    assert 35 <= len(said) <= 42
    assert said[0][1].done == 1
    assert said[-1][1].done == 100_000


def test_a_hundred_thousand_calls_while_the_clock_stands_are_two_events() -> None:
    said = run([(at, None) for at in range(100_000)], [7.0] * 100_000)
    assert [event.done for _, event in said] == [0, 99_999]


def test_a_total_that_grows_with_what_is_done_does_not_defeat_the_limit() -> None:
    calls = [(at // 2 + at % 2, at // 2 + 1) for at in range(1000)]
    assert len(run(calls, [0.0] * 1000)) <= 3


def test_the_end_is_said_at_once() -> None:
    meter = Meter("copy", Unit.BYTES)
    assert meter.update(1, 2, 0.0) is not None
    end = meter.update(2, 2, 0.01)
    assert end is not None
    assert end.done == end.total == 2
    assert meter.flush(1.0) is None


@given(st.lists(st.tuples(st.integers(0, 1000), st.one_of(st.none(), st.integers(0, 1000))), min_size=1), st.integers())
def test_it_never_goes_backwards_never_past_the_total_and_ends_at_the_last(
    calls: list[tuple[int, int | None]], seed: int
) -> None:
    clock = random.Random(seed)
    now, times = 0.0, []
    for _ in calls:
        now += clock.choice([0, 0.01, 0.3])
        times.append(now)
    said = run(calls, times)
    dones = [event.done for _, event in said]
    assert dones == sorted(dones)
    assert all(event.total is None or event.done <= event.total for _, event in said)
    assert dones[-1] == max(done for done, _ in calls)
    moments = [moment for moment, _ in said]
    assert sum(later - earlier < INTERVAL for earlier, later in itertools.pairwise(moments)) <= 2


def test_rate_and_time_left_are_smoothed_here() -> None:
    meter = Meter("copy", Unit.BYTES)
    first = meter.update(0, 1000, 0.0)
    steady = [meter.update(100 * second, 1000, float(second)) for second in range(1, 5)]
    jump = meter.update(700, 1000, 5.0)
    assert first is not None
    assert first.rate is first.eta_s is None
    assert [event and (event.rate, event.eta_s) for event in steady] == [(100, 9), (100, 8), (100, 7), (100, 6)]
    assert jump is not None
    assert jump.rate is not None
    assert 100 < jump.rate < 200


def test_a_standing_engine_has_no_time_left() -> None:
    meter = Meter("copy", Unit.FILES)
    meter.update(0, 10, 0.0)
    event = meter.update(0, 10, 1.0)
    assert event is not None
    assert (event.rate, event.eta_s) == (0, None)


def test_the_line_of_progress_counts_in_the_unit_of_the_step() -> None:
    stream = io.StringIO()
    show = progress_line(stream)
    show(StepStarted(n=1, name="mend", title="Getting back what is there"))
    show(Advanced(step="mend", done=14, total=28, unit=Unit.PAGES, rate=7.0, eta_s=2))
    assert stream.getvalue().endswith("Getting back what is there  [######......]  50%  14/28 pages  2 s left")
    show(Advanced(step="copy", done=1_000_000, total=None, unit=Unit.BYTES, rate=2e6))
    assert stream.getvalue().endswith("Getting back what is there  1.0 MB  2.0 MB/s")
