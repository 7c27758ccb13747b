"""Tell someone: the audit log, later mail and chat."""
