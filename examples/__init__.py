"""Things to run and look at: `python -m examples.demo`."""
