"""The command ``signalbox``."""
