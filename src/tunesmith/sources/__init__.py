"""Where bytes come from: a local path, a package, a hub or a link becomes a local file."""
