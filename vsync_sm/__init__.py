"""vsync, the origin end of a one-way Vault replication through Consul."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("vsync-sm")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"
