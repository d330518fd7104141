"""The Jobs service: from a request to its outputs."""
