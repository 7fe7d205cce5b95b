"""A project of one's own: its skeleton, the lock on the code that its stages run, and its upgrade.

The code isn't in such a project. Its ``dvc.yaml`` calls ``signalbox stage NAME``, and each stage
depends on its line in ``signalbox.lock``, the hash of the code that it runs.
"""
