"""Tell someone: messages, pings, figures, the log and the audit log."""
