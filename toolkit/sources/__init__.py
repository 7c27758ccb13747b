"""Sources that are neither a database nor a folder: Git repositories."""
