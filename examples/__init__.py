"""Things to run and look at: `python -m examples.demo`, `python -m examples.golden_losses`."""
