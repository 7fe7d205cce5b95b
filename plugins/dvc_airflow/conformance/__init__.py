"""Shows on a real project that the bridge runs it as DVC itself would.

``python -m dvc_airflow conformance PROJECT`` clones a project into a scratch directory, runs it
there by a plain ``dvc repro`` and by the bridge's own tasks, does to them what happens in
operation (another host, a kill, a cancel, a cleared task, several runs at once), and compares.
"""
