"""What every room may use: options, errors, locks and caches. It knows no other room."""
