"""Tasks; fairseq imports the modules of this folder by itself."""
