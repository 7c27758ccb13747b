"""Archive formats and the manifest: one streaming pass in, one guarded pass out."""
