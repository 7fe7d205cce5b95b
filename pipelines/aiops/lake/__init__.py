"""The lake: the telemetry contract, its files, and what is read from and written to it."""
