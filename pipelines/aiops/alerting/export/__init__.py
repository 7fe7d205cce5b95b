"""Rules as native configuration, merged into the user's own files."""
