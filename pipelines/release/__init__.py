"""The release path, the same for models and rule sets: gate, and what was released."""
