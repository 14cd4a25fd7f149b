"""The machine: what its table holds, and that it takes nothing else."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsync_sm.core.machine import (
    CYCLE,
    FINAL,
    INITIAL,
    TABLE,
    IllegalTrigger,
    Machine,
    Row,
    State,
    Trigger,
    diagram,
)

DESTS: dict[tuple[str, str], State] = {(row.source, row.trigger): row.dest for row in TABLE}
ILLEGAL = sorted(set(product(State, Trigger)) - DESTS.keys())


def test_a_run_begins_with_its_checks() -> None:
    assert Machine().state is INITIAL is State.checking


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.source}-{row.trigger}")
def test_each_row_of_the_table(row: Row) -> None:
    machine = Machine(row.source)
    assert machine.pull(row.trigger) == row
    assert machine.state is row.dest


@pytest.mark.parametrize(("state", "trigger"), ILLEGAL)
def test_what_is_not_in_the_table_raises_and_changes_nothing(
    state: State, trigger: Trigger
) -> None:
    machine = Machine(state)
    with pytest.raises(IllegalTrigger) as illegal:
        machine.pull(trigger)
    assert (illegal.value.state, illegal.value.trigger) == (state, trigger)
    assert str(illegal.value) == f"{state} does not take {trigger}"
    assert machine.state is state


def test_the_table_says_one_thing_of_each_state_and_trigger() -> None:
    assert len(DESTS) == len(TABLE) == 14
    assert len(ILLEGAL) == len(State) * len(Trigger) - 14


def test_the_final_state_takes_nothing() -> None:
    assert FINAL is State.halted
    assert FINAL not in {row.source for row in TABLE}
    assert {row.source for row in TABLE} == set(State) - {FINAL}


def test_the_only_way_to_saving_is_through_all_of_a_cycle() -> None:
    for before, after in pairwise(CYCLE):
        assert [row.source for row in TABLE if row.dest is after] == [before]


def test_each_phase_can_be_aborted_and_none_can_be_halted() -> None:
    assert {row.source for row in TABLE if row.trigger is Trigger.abort} == set(CYCLE)
    assert not {row.source for row in TABLE if row.trigger is Trigger.halt} & set(CYCLE)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize(
    "trigger",
    [*(f"to_{state}" for state in State), *State, "", "TICK", "tick ", "trigger", "__init__"],
)
def test_there_are_no_other_triggers(state: State, trigger: str) -> None:
    machine = Machine(state)
    with pytest.raises(IllegalTrigger):
        machine.pull(trigger)
    assert machine.state is state


@given(st.lists(st.sampled_from(Trigger) | st.sampled_from(["to_waiting", "later", ""])))
def test_any_row_of_triggers_goes_as_the_table_says(triggers: list[str]) -> None:
    machine, state = Machine(), INITIAL
    for trigger in triggers:
        dest = DESTS.get((state, trigger))
        if dest is None:
            with pytest.raises(IllegalTrigger):
                machine.pull(trigger)
        else:
            assert machine.pull(trigger) == Row(Trigger(trigger), state, dest)
            state = dest
        assert machine.state is state


def test_machines_do_not_share_a_state() -> None:
    one, other = Machine(), Machine()
    one.pull(Trigger.checks_passed)
    assert (one.state, other.state) == (State.waiting, State.checking)


def test_the_picture_has_one_arrow_a_row() -> None:
    first, begins, *arrows, ends = diagram().splitlines()
    assert first == "stateDiagram-v2"
    assert begins.split() == ["[*]", "-->", "checking"]
    assert ends.split() == ["halted", "-->", "[*]"]
    assert [arrow.strip() for arrow in arrows] == [
        f"{row.source} --> {row.dest}: {row.trigger}" for row in TABLE
    ]
