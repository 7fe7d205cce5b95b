"""Log lines of any program: time stamps, levels and messages are found, not configured."""
