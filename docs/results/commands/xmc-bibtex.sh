# From the repository's folder.

# Parabel
.venv/bin/python -m benchmarks.xmc.worker omikuji parabel --dataset data/bow/bibtex --cache-dir runs/xmc-bibtex/cache --output runs/xmc-bibtex/Parabel --result runs/xmc-bibtex/Parabel/measured.json --threads 1

# Bonsai
.venv/bin/python -m benchmarks.xmc.worker omikuji bonsai --dataset data/bow/bibtex --cache-dir runs/xmc-bibtex/cache --output runs/xmc-bibtex/Bonsai --result runs/xmc-bibtex/Bonsai/measured.json --threads 1

# one-vs-all
.venv/bin/python -m vision_xmc.xmc --encoder bow --bow-features 512 --num-groups 0 --dataset data/bow/bibtex --cache-dir runs/xmc-bibtex/cache --no-progress --output runs/xmc-bibtex/one-vs-all
.venv/bin/python -m benchmarks.xmc.worker model runs/xmc-bibtex/one-vs-all --dataset data/bow/bibtex --cache-dir runs/xmc-bibtex/cache --result runs/xmc-bibtex/one-vs-all/measured.json --threads 1

# MHC
.venv/bin/python -m vision_xmc.xmc --encoder bow --bow-features 512 --dataset data/bow/bibtex --cache-dir runs/xmc-bibtex/cache --no-progress --output runs/xmc-bibtex/MHC
.venv/bin/python -m benchmarks.xmc.worker model runs/xmc-bibtex/MHC --dataset data/bow/bibtex --cache-dir runs/xmc-bibtex/cache --result runs/xmc-bibtex/MHC/measured.json --threads 1

# MHC, with neighbours
.venv/bin/python -m vision_xmc.xmc neighbours runs/xmc-bibtex/MHC --output runs/xmc-bibtex/MHC-with-neighbours/model
.venv/bin/python -m benchmarks.xmc.worker model runs/xmc-bibtex/MHC-with-neighbours/model --dataset data/bow/bibtex --cache-dir runs/xmc-bibtex/cache --result runs/xmc-bibtex/MHC-with-neighbours/measured.json --threads 1

# neighbours alone
.venv/bin/python -m vision_xmc.xmc neighbours runs/xmc-bibtex/MHC --weight 1 --output runs/xmc-bibtex/neighbours-alone/model
.venv/bin/python -m benchmarks.xmc.worker model runs/xmc-bibtex/neighbours-alone/model --dataset data/bow/bibtex --cache-dir runs/xmc-bibtex/cache --result runs/xmc-bibtex/neighbours-alone/measured.json --threads 1
