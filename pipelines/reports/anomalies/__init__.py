"""Page about anomalies of metrics and logs: by service, each with its plot or its lines."""
