"""The table: where it comes from, what its columns mean, how far two tables lie apart."""
