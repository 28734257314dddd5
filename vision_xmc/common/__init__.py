"""What every room may use: options, errors, files, locks and caches. It imports no other room."""
