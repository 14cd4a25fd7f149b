"""vsync, the origin end of a one-way Vault replication through Consul."""

__version__ = "0.1.0"
