"""What personas know of the workspace: the search index, and which files stay private."""
