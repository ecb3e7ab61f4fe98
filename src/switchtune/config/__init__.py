"""The YAML file as checked records: one block of settings a module."""
