"""Charts as SVG text: one style, no fonts or scripts to fetch, the same bytes for the same data."""
