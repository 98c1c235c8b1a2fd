"""The personas that come with this package, through the same entry points as anybody's."""
