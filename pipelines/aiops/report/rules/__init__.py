"""Chapters of the report about alert noise rules."""
