"""The only place that walks and places files."""
