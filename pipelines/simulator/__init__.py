"""A declared synthetic world: services, faults, alerts, people, with the truth about all of it."""
