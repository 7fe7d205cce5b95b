"""A world: services, rules, people, and what happens to them, before any of it is measured."""
