"""What an import loads: seen in a process of its own, not believed of a linter's graph."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import vsync_sm.core

CLIENTS = {"hvac", "consul", "requests", "urllib3", "pycurl"}
HEAVY = CLIENTS | {"textual", "tui", "rich", "pydantic", "yaml", "transitions", "prometheus_client"}
CORE = sorted(
    f"vsync_sm.core.{module.name}" for module in pkgutil.iter_modules(vsync_sm.core.__path__)
)


def loaded_by(module: str) -> set[str]:
    """All modules that importing this one loads, in a fresh interpreter."""
    program = f"import sys; import {module}; print(*sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return set(told.stdout.split())


def test_the_command_line_loads_neither_console_nor_clients() -> None:
    loaded = loaded_by("vsync_sm.cli")
    assert "vsync_sm.cli" in loaded
    assert not loaded & HEAVY


def test_metrics_cost_only_who_has_some() -> None:
    assert "prometheus_client" not in loaded_by("vsync_sm.wiring")


def test_the_core_is_found() -> None:
    assert {"vsync_sm.core.safety", "vsync_sm.core.machine", "vsync_sm.core.view"} <= set(CORE)


def test_the_core_loads_no_room_above_it() -> None:
    loaded = loaded_by(", ".join(CORE))
    ours = {name for name in loaded if name.split(".")[0] in {"vsync_sm", "tui"}}
    assert ours == {"vsync_sm", "vsync_sm.core", *CORE}
    assert not loaded & (HEAVY - {"transitions"})
