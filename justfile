# Everything runs from .venv, activated or not. `.ci/setup` makes it.

bin := ".venv/bin"

# Test processes at a time; `just workers=0 test` runs all in one.
workers := "2"

# list the recipes
default:
    @{{ bin }}/just --list --unsorted

# make .venv with everything needed, Consul included
setup:
    .ci/setup

# watch an origin at work on local servers; Ctrl-C ends it
[no-exit-message]
demo *ARGS:
    {{ bin }}/vsync-sm demo {{ ARGS }}

# the whole loop before a commit: format, lint, types, imports, tests
check: lint test

# put code into its format, and mend what can be mended by machine
fmt:
    {{ bin }}/ruff check --fix-only --quiet .
    {{ bin }}/ruff format .

# what needs no server: format, lint, types, import rules
lint:
    {{ bin }}/ruff format --check .
    {{ bin }}/ruff check .
    {{ bin }}/mypy
    {{ bin }}/lint-imports

# the tests, on real servers; ARGS are pytest's
test *ARGS:
    {{ bin }}/pytest -n {{ workers }} --dist worksteal {{ ARGS }}

# look for what the property tests have not met yet: other examples, and many more of each
hunt *ARGS:
    {{ bin }}/pytest -n {{ workers }} --dist worksteal --hypothesis-profile=hunt {{ ARGS }}

# accept what the snapshot tests see now (`just test --snapshot-update` also deletes unused ones)
snapshots *ARGS:
    {{ bin }}/pytest -m syrupy_snapshot --snapshot-update {{ ARGS }}

# draw the machine's picture for the docs anew from its table
diagram:
    {{ bin }}/python -m tests.diagram

# write the console's keys for the docs anew from its bindings
keys:
    {{ bin }}/python -m tests.keytable

# write the journal's events for the docs anew from their classes
events:
    {{ bin }}/python -m tests.eventtable

# write the modules for the docs anew from what they say of themselves
modules:
    {{ bin }}/python -m tests.moduletable

# draw the console's screens for the docs anew, from the test journals
screenshots:
    {{ bin }}/python -m tests.tui.screenshots

# put the snapshots' screens on contact sheets (PNG, needs rsvg-convert), to look at them
sheet *ARGS:
    {{ bin }}/python -m tests.tui.sheet {{ ARGS }}

# does a cycle see what was written right before it, at a standby that lags? (--without safety rule 10)
bench-fresh *ARGS:
    {{ bin }}/python -m tests.benchmarks.fresh {{ ARGS }}

# what a cycle costs, beside a load generator and hvac's own loop (needs wrk): ten minutes, or --quick
bench *ARGS:
    {{ bin }}/python -m tests.benchmarks.cycles {{ ARGS }}

# how the console bears 10,000 events a second and a journal of a million lines
bench-console *ARGS:
    {{ bin }}/python -m tests.benchmarks.console {{ ARGS }}

# an origin in bad weather for a quarter of an hour: servers and daemon stopped, frozen, killed
soak *ARGS:
    {{ bin }}/python -m tests.soak {{ ARGS }}

# ten million lines of journal written, packed, recalled and replayed: rates and memory
bench-journal *ARGS:
    {{ bin }}/python -m tests.benchmarks.journal {{ ARGS }}

# a journal of a million lines whose clock is moved: first screen, index, jumps, memory
bench-past *ARGS:
    {{ bin }}/python -m tests.benchmarks.past {{ ARGS }}
