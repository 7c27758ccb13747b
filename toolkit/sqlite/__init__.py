"""The only place that reads users' databases."""
