"""The Files service: listing, contents, changes, transfers, permissions, sharing and postits."""
