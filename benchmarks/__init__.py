"""What is measured against whom; each module prints readable lines and one JSON line last."""
