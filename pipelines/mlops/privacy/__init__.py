"""What the GDPR asks of personal data here: erasure, records of processing, retention, minimum."""
