"""What backups exist, where, and how they are removed."""
