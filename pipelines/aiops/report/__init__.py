"""Reports of aiops: about alert rules, incidents, anomalies and the service map."""
