"""What the GDPR asks of telemetry: erasure, limits of keeping, pseudonyms at ingest."""
