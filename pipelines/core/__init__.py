"""What every room shares: errors, files, git, params, evidence, the stage runner."""
