"""Signalbox: batch MLOps and AIOps stages, and the release path both go through."""
