"""Telemetry: the contract, the lake that keeps it, and the sources that fill it."""
