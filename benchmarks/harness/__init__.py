"""What all benchmarks share: processes, runs, rows, tables and plots. It knows no subject."""
