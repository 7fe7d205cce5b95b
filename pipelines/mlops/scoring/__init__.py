"""Batch scoring: the released model's scores, decisions and reasons for the rows of a table."""
