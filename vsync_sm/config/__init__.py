"""Configuration: file, environment and command line become one frozen, validated object."""

from vsync_sm.config.loading import journal_file, load, notify_settings, read_secret
from vsync_sm.config.mistakes import ConfigError, Mistake
from vsync_sm.config.settings import Notify, Settings

__all__ = [
    "ConfigError",
    "Mistake",
    "Notify",
    "Settings",
    "journal_file",
    "load",
    "notify_settings",
    "read_secret",
]
