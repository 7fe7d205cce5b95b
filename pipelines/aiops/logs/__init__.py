"""Logs: templates mined from messages, personal data masked before anything is stored."""
