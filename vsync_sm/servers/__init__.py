"""Vault and Consul as they really behave: plain values in, plain values or a `Fault` out."""
