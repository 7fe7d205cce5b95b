"""Page about incidents, and what it shares with the pages about anomalies and the service map."""
