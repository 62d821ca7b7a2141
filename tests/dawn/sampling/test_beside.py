"""A thread beside the caller's: order, bounds, and what becomes of errors."""

import threading

import pytest

from dawn.sampling.beside import Beside


def test_everything_is_taken_in_order_by_another_thread():
    taken, threads = [], set()

    def take(item):
        taken.append(item)
        threads.add(threading.current_thread())

    with Beside(take, ahead=2) as beside:
        for item in range(50):
            beside.put(item)
        beside.finish()
        assert taken == list(range(50))
    assert threading.current_thread() not in threads
    assert not any(thread.is_alive() for thread in threads)


def test_no_more_wait_than_may():
    may_go, put = threading.Event(), []

    def take(_):
        may_go.wait()

    def fill(beside):
        for item in range(10):
            beside.put(item)
            put.append(item)

    with Beside(take, ahead=3) as beside:
        filler = threading.Thread(target=fill, args=(beside,))
        filler.start()
        filler.join(0.2)  # it cannot get on: no item is done
        assert filler.is_alive()
        assert len(put) <= 4  # one is being taken, three wait
        may_go.set()
        filler.join()
        beside.finish()
    assert put == list(range(10))


def test_what_it_raises_the_caller_hears_and_never_waits_for_it():
    taken = []

    def take(item):
        taken.append(item)
        raise OSError("no space")

    def put_many():
        with Beside(take, ahead=1) as beside:
            for item in range(10**6):
                beside.put(item)

    def put_one():
        with Beside(take, ahead=1) as beside:
            beside.put(0)
            beside.finish()

    with pytest.raises(OSError, match="no space"):
        put_many()
    assert taken == [0]
    with pytest.raises(OSError, match="no space"):
        put_one()


def test_what_waits_is_dropped_where_the_caller_fails():
    began, may_go, taken = threading.Event(), threading.Event(), []

    def take(item):
        began.set()
        may_go.wait()
        taken.append(item)

    def interrupted():
        with Beside(take, ahead=5) as beside:
            for item in range(3):
                beside.put(item)
            began.wait()
            threading.Timer(0.05, may_go.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert taken == [0]


def test_time_that_nothing_needs_is_used_and_no_other():
    """One call at a time between items; none while one waits, none once there is no more to do."""
    done, idled = [], threading.Semaphore(0)

    def idle():
        done.append("idle")
        idled.release()
        return done.count("idle") < 3

    with Beside(done.append, ahead=5, idle=idle) as beside:
        for _ in range(3):
            assert idled.acquire(timeout=60)
        for item in range(3):
            beside.put(item)
        beside.finish()
    assert done == ["idle", "idle", "idle", 0, 1, 2]


def test_an_error_of_idle_time_is_heard():
    failed = threading.Event()

    def idle():
        failed.set()
        raise OSError("no sound")

    def put():
        with Beside(print, ahead=5, idle=idle) as beside:
            failed.wait()
            beside.finish()

    with pytest.raises(OSError, match="no sound"):
        put()
