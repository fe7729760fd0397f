"""The store of acts: nothing is lost, nobody overwrites anybody."""

import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slumpmap.errors import InputError
from slumpmap.review.opinion import Opinion
from slumpmap.review.store import OutdatedError, Store, TakenError

SLUMP = Opinion(verdict="slump", probability="high")
REJECT = Opinion(verdict="reject", reason="shadow")
TAB, OTHER = "tab-one", "tab-two"


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "anna.sqlite", "anna") as opened:
        opened.add_items([("a", False), ("b", False), ("a", True)])
        opened.enter(TAB, False)
        yield opened


def test_an_act_is_there_after_reopening(tmp_path):
    with Store(tmp_path / "anna.sqlite", "anna") as store:
        store.add_items([("a", False)])
        store.enter(TAB, False)
        store.decide("act-1", TAB, 1, 0, 4.5, SLUMP)
    with Store(tmp_path / "anna.sqlite", "anna") as store:
        state = store.state(1)
    assert (state.opinion, state.version, state.seconds) == (SLUMP, 1, 4.5)


def test_items_keep_their_numbers_when_more_are_added(store):
    store.add_items([("c", False), ("b", False), ("a", False)])
    assert {state.item: (state.candidate, state.repeated) for state in store.states().values()} == {
        1: ("a", False),
        2: ("b", False),
        3: ("a", True),
        4: ("c", False),
    }


def test_the_same_act_sent_twice_counts_once(store):
    store.decide("act-1", TAB, 1, 0, 1.0, SLUMP)
    again = store.decide("act-1", TAB, 1, 0, 1.0, SLUMP)
    assert (again.version, store.acts()) == (1, 1)


def test_an_act_on_an_old_version_is_refused_with_the_present_one(store):
    store.decide("act-1", TAB, 1, 0, 1.0, SLUMP)
    with pytest.raises(OutdatedError) as refused:
        store.decide("act-2", TAB, 1, 0, 1.0, REJECT)
    assert refused.value.current.opinion == SLUMP
    assert store.state(1).opinion == SLUMP


def test_a_second_window_is_told_and_may_take_over_then_the_first_is_told(store):
    with pytest.raises(TakenError):
        store.enter(OTHER, False)
    store.enter(OTHER, True)
    with pytest.raises(TakenError):
        store.decide("act-1", TAB, 1, 0, 1.0, SLUMP)
    assert store.state(1).opinion.verdict is None
    store.decide("act-1", OTHER, 1, 0, 1.0, SLUMP)
    assert store.state(1).opinion == SLUMP


def test_a_window_that_was_closed_or_is_silent_does_not_stand_in_the_way(store):
    store.leave(TAB)
    store.enter(OTHER, False)
    with sqlite3.connect(store.path) as sql:
        sql.execute("UPDATE window SET seen = '2020-01-01T00:00:00.000+00:00'")
    store.enter("tab-three", False)


def test_two_processes_under_one_name_are_refused(store):
    code = "import sys; from slumpmap.review.store import Store; Store(sys.argv[1], 'anna')"
    done = subprocess.run(
        [sys.executable, "-c", code, str(store.path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "anna is at work in another process" in done.stderr


def test_another_reviewers_file_is_refused(tmp_path):
    Store(tmp_path / "x.sqlite", "anna").__exit__(None, None, None)
    with pytest.raises(InputError, match="reviewer 'anna', not 'ben'"):
        Store(tmp_path / "x.sqlite", "ben")


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "anna.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match=r"anna\.sqlite.*cannot be read"):
        Store(tmp_path / "anna.sqlite", "anna")


def test_undo_goes_back_act_by_act_across_items(store):
    store.decide("act-1", TAB, 1, 0, 1.0, SLUMP)
    store.decide("act-2", TAB, 2, 0, 1.0, REJECT)
    store.decide("act-3", TAB, 1, 1, 1.0, REJECT)
    assert store.undo("undo-1", TAB).opinion == SLUMP
    assert store.undo("undo-1", TAB).version == 3  # the same wish sent twice
    undone = store.undo("undo-2", TAB)
    assert (undone.item, undone.opinion.verdict) == (2, None)
    assert store.undo("undo-3", TAB).opinion.verdict is None
    assert store.undo("undo-4", TAB) is None
    store.decide("act-4", TAB, 1, store.state(1).version, 1.0, SLUMP)
    assert store.undo("undo-5", TAB).opinion.verdict is None


@given(st.lists(st.tuples(st.sampled_from(["decide", "undo"]), st.integers(1, 3), st.booleans()), max_size=25))
@settings(max_examples=40)
def test_undo_is_a_stack_and_no_act_is_ever_lost(tmp_path_factory, steps):
    """Against a plain list of what was thought before each act."""
    before, now, rows = [], {1: None, 2: None, 3: None}, 0
    with Store(tmp_path_factory.mktemp("store") / "anna.sqlite", "anna") as store:
        store.add_items([("a", False), ("b", False), ("c", False)])
        store.enter(TAB, False)
        for number, (kind, item, yes) in enumerate(steps):
            if kind == "decide":
                before.append((item, now[item]))
                now[item] = "slump" if yes else "reject"
                opinion = SLUMP if yes else REJECT
                store.decide(f"act-{number}", TAB, item, store.state(item).version, 0.0, opinion)
                rows += 1
            else:
                state = store.undo(f"undo-{number}", TAB)
                assert (state is None) == (not before)
                if before:
                    undone, was = before.pop()
                    now[undone] = was
                    assert state.item == undone
                    rows += 1
            assert {key: state.opinion.verdict for key, state in store.states().items()} == now
            assert store.verdicts() == {"abc"[key - 1]: verdict for key, verdict in now.items() if verdict}
        assert store.acts() == rows


_WRITER = """
import sys, itertools
from slumpmap.review.opinion import Opinion
from slumpmap.review.store import Store
store = Store(sys.argv[1], "anna")
store.add_items([(str(n), False) for n in range(2000)])
store.enter("tab", True)
for item in itertools.count(1):
    store.decide(f"act-{item}", "tab", item, 0, 1.0, Opinion(verdict="reject"))
    print(item, flush=True)
"""


def test_verdicts_are_those_of_first_showings(store):
    repeat = next(state.item for state in store.states().values() if state.repeated)
    store.decide("act-1", TAB, repeat, 0, 1.0, REJECT)
    assert store.verdicts() == {}
    store.decide("act-2", TAB, 1, 0, 1.0, SLUMP)
    assert store.verdicts() == {store.state(1).candidate: "slump"}


def test_what_was_acknowledged_survives_a_kill(tmp_path):
    path = tmp_path / "anna.sqlite"
    process = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    for _ in range(40):
        last = int(process.stdout.readline())
    time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait()
    last = int(rest[-1]) if rest else last
    with Store(path, "anna") as store:
        decided = [state for state in store.states().values() if state.opinion.verdict == "reject"]
    assert last <= len(decided) <= last + 1


def test_acts_cannot_be_changed_by_the_store():
    """The only statements that change rows are about facts and windows; acts are only inserted."""
    import inspect

    from slumpmap.review import store

    source = inspect.getsource(store).upper()
    assert "UPDATE ACTS" not in source
    assert "DELETE FROM ACTS" not in source
    assert "REPLACE INTO ACTS" not in source
