"""What every subpackage may use: errors, files, locks and caches. It imports no other subpackage."""
