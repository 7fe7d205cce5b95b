"""Monitoring: what the model in production was asked, what it decided, and how that turned out."""
