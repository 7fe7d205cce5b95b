"""What every room shares: errors, files, artifacts, params, evidence, the stage runner."""
