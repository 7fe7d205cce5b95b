"""Chapters of a model's release report: data, model, performance, fairness, drift, limits."""
