"""The providers that come with the package, through the same entry points as anybody's."""
