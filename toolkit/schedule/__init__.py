"""When things run: entries made from the configuration, and their ways into cron, systemd or a process of our own."""
