"""Page with a service map: a picture to look around in, and tables for those who read."""
