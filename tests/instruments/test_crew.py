"""Threads that help: every row once, whoever is late, fails, or calls at the same time."""

import os
import threading
import time

import numpy as np
import pytest

from instruments.compiled_turns import next_rows
from instruments.crew import Crew, crew

ROWS = 500


def count(thread: int, turns: np.ndarray, done: np.ndarray, by: np.ndarray) -> None:
    """One more for each row that a thread takes."""
    first, end = next_rows(turns, thread)
    while first < end:
        done[first:end] += 1
        by[thread] += end - first
        first, end = next_rows(turns, thread)


@pytest.mark.parametrize("threads", [2, 3])
def test_every_row_is_done_once_call_after_call(threads: int) -> None:
    hands, done, by = Crew(threads), np.zeros(ROWS, np.int64), np.zeros(threads, np.int64)
    for number in range(2000):
        hands.work(0, ROWS, count, (done, by))
        assert (done == number + 1).all()
        if number % 500 == 499:
            time.sleep(0.02)
    assert by.sum() == 2000 * ROWS
    hands.work(100, 200, count, (done, by))
    assert (done[100:200] == 2001).all()
    assert (done[:100] == 2000).all()


@pytest.mark.parametrize("pause_s", [0.0, 0.2])
def test_a_helper_comes_awake_or_asleep(pause_s: float) -> None:
    hands, came = Crew(2), threading.Event()

    def work(thread: int, turns: np.ndarray) -> None:
        next_rows(turns, thread)
        if thread == 0:
            came.wait(30.0)
        else:
            came.set()

    hands.work(0, ROWS, lambda thread, turns: next_rows(turns, thread), ())
    time.sleep(pause_s)
    hands.work(0, ROWS, work, ())
    assert came.is_set()


def test_what_fails_in_any_thread_is_raised_and_the_next_call_is_done() -> None:
    hands, done, by = Crew(2), np.zeros(ROWS, np.int64), np.zeros(2, np.int64)
    came = threading.Event()

    def fail(thread: int, turns: np.ndarray, whose: int) -> None:
        next_rows(turns, thread)
        if thread == 0:
            came.wait(30.0)
        else:
            came.set()
        if thread == whose:
            raise MemoryError(f"in thread {thread}")

    for whose in (0, 1):
        came.clear()
        with pytest.raises(MemoryError, match=f"in thread {whose}"):
            hands.work(0, ROWS, fail, (whose,))
        hands.work(0, ROWS, count, (done, by))
        assert (done == whose + 1).all()


def test_callers_at_the_same_time_each_get_their_rows_done() -> None:
    hands = Crew(2)
    counts = [(np.zeros(ROWS, np.int64), np.zeros(2, np.int64)) for _ in range(3)]

    def call(own: tuple[np.ndarray, np.ndarray]) -> None:
        for _ in range(300):
            hands.work(0, ROWS, count, own)

    callers = [threading.Thread(target=call, args=(own,)) for own in counts]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    for done, by in counts:
        assert (done == 300).all()
        assert by.sum() == 300 * ROWS


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_has_helpers_of_its_own() -> None:
    done, by = np.zeros(ROWS, np.int64), np.zeros(2, np.int64)
    crew(2).work(0, ROWS, count, (done, by))
    child = os.fork()
    if child == 0:
        fine = False
        try:
            before = threading.active_count()
            crew(2).work(0, ROWS, count, (done, by))
            fine = bool((done == 2).all()) and threading.active_count() == before + 1
        finally:
            os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
