"""Reports: templates, charts, and the page an auditor files."""
