"""AIOps: telemetry in, rules and findings out, through the same release path as a model."""
