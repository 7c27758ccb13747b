"""The use cases: the only door for every face."""
