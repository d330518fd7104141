"""The Apps service: definitions of apps in versions."""
