"""Alert noise reduction: rules mined from history, replayed on later history, then released."""
