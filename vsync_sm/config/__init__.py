"""Configuration: file, environment and command line become one frozen, validated object."""

from vsync_sm.config.loading import journal_file, load, read_token
from vsync_sm.config.mistakes import ConfigError, Mistake
from vsync_sm.config.settings import Settings

__all__ = ["ConfigError", "Mistake", "Settings", "journal_file", "load", "read_token"]
