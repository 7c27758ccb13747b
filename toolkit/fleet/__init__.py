"""Many servers: the Ansible collection that Lifeboat ships, and what runs it."""
