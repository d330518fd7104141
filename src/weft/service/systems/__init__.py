"""The Systems service: definitions of systems, their hosts, credentials and scheduler profiles."""
