"""Sources of telemetry, one file each, and the receiver of what programs send."""
