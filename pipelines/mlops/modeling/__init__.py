"""Models: what they may see, how they are searched, fitted, stored and asked for scores."""
