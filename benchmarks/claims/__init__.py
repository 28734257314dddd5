"""Claims of the paper (arXiv 2412.10182) that can be tested here, each with a script and measured rates."""
