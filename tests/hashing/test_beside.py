"""Work beside the caller: in order, loud about what failed, and at rest when it is abandoned."""

from __future__ import annotations

import threading

import pytest

from toolkit.beside import Beside


def test_work_is_done_in_order_in_another_thread() -> None:
    done: list[tuple[int, int]] = []
    beside = Beside("test", ahead=2)
    for number in range(50):
        beside.do(lambda number: done.append((number, threading.get_ident())), number)
    beside.settle()
    assert [number for number, _ in done] == list(range(50))
    assert threading.get_ident() not in {thread for _, thread in done}


def test_a_failure_reaches_the_caller() -> None:
    beside = Beside("test", ahead=2)
    beside.do(int, "no number")
    with pytest.raises(ValueError, match="no number"):
        beside.settle()


def test_nothing_is_being_done_after_it_was_abandoned() -> None:
    gate, entered, done = threading.Event(), threading.Event(), []

    def work() -> None:
        entered.set()
        gate.wait()
        done.append(1)

    beside = Beside("test", ahead=3)
    beside.do(work)
    beside.do(done.append, 2)
    entered.wait(60)
    beside._waiting[-1].add_done_callback(lambda _: gate.set())  # when it was cancelled
    beside.abandon()
    assert done == [1]
