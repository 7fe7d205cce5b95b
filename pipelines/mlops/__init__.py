"""Stages of a model release, one module a stage, named as in ``dvc.yaml``."""
