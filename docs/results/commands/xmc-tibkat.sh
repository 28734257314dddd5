# From the repository's folder.

# Parabel
.venv/bin/python -m benchmarks.xmc.worker omikuji parabel --valid-size 2000 --term-dropout 0.4 --epochs 10 --dataset data/tibkat --cache-dir runs/xmc-tibkat/cache --output runs/xmc-tibkat/Parabel --result runs/xmc-tibkat/Parabel/measured.json --threads 1

# Bonsai
.venv/bin/python -m benchmarks.xmc.worker omikuji bonsai --valid-size 2000 --term-dropout 0.4 --epochs 10 --dataset data/tibkat --cache-dir runs/xmc-tibkat/cache --output runs/xmc-tibkat/Bonsai --result runs/xmc-tibkat/Bonsai/measured.json --threads 1

# bag of words, one-vs-all
.venv/bin/python -m vision_xmc.xmc --valid-size 2000 --term-dropout 0.4 --epochs 10 --encoder bow --bow-features 512 --num-groups 0 --dataset data/tibkat --cache-dir runs/xmc-tibkat/cache --no-progress --output runs/xmc-tibkat/bag-of-words-one-vs-all
.venv/bin/python -m benchmarks.xmc.worker model runs/xmc-tibkat/bag-of-words-one-vs-all --valid-size 2000 --term-dropout 0.4 --epochs 10 --dataset data/tibkat --cache-dir runs/xmc-tibkat/cache --result runs/xmc-tibkat/bag-of-words-one-vs-all/measured.json --threads 1

# bag of words, MHC
.venv/bin/python -m vision_xmc.xmc --valid-size 2000 --term-dropout 0.4 --epochs 10 --encoder bow --bow-features 512 --sparse-labels --dataset data/tibkat --cache-dir runs/xmc-tibkat/cache --no-progress --output runs/xmc-tibkat/bag-of-words-MHC
.venv/bin/python -m benchmarks.xmc.worker model runs/xmc-tibkat/bag-of-words-MHC --valid-size 2000 --term-dropout 0.4 --epochs 10 --dataset data/tibkat --cache-dir runs/xmc-tibkat/cache --result runs/xmc-tibkat/bag-of-words-MHC/measured.json --threads 1

# bag of words, MHC, 18 epochs
.venv/bin/python -m vision_xmc.xmc --valid-size 2000 --term-dropout 0.4 --epochs 10 --encoder bow --bow-features 512 --sparse-labels --epochs 18 --dataset data/tibkat --cache-dir runs/xmc-tibkat/cache --no-progress --output runs/xmc-tibkat/bag-of-words-MHC-18-epochs
.venv/bin/python -m benchmarks.xmc.worker model runs/xmc-tibkat/bag-of-words-MHC-18-epochs --valid-size 2000 --term-dropout 0.4 --epochs 10 --dataset data/tibkat --cache-dir runs/xmc-tibkat/cache --result runs/xmc-tibkat/bag-of-words-MHC-18-epochs/measured.json --threads 1

# bag of words, MHC, with neighbours
.venv/bin/python -m vision_xmc.xmc neighbours runs/xmc-tibkat/bag-of-words-MHC --output runs/xmc-tibkat/bag-of-words-MHC-with-neighbours/model
.venv/bin/python -m benchmarks.xmc.worker model runs/xmc-tibkat/bag-of-words-MHC-with-neighbours/model --valid-size 2000 --term-dropout 0.4 --epochs 10 --dataset data/tibkat --cache-dir runs/xmc-tibkat/cache --result runs/xmc-tibkat/bag-of-words-MHC-with-neighbours/measured.json --threads 1

# bag of words, MHC, 18 epochs, with neighbours
.venv/bin/python -m vision_xmc.xmc neighbours runs/xmc-tibkat/bag-of-words-MHC-18-epochs --output runs/xmc-tibkat/bag-of-words-MHC-18-epochs-with-neighbours/model
.venv/bin/python -m benchmarks.xmc.worker model runs/xmc-tibkat/bag-of-words-MHC-18-epochs-with-neighbours/model --valid-size 2000 --term-dropout 0.4 --epochs 10 --dataset data/tibkat --cache-dir runs/xmc-tibkat/cache --result runs/xmc-tibkat/bag-of-words-MHC-18-epochs-with-neighbours/measured.json --threads 1

# neighbours alone
.venv/bin/python -m vision_xmc.xmc neighbours runs/xmc-tibkat/bag-of-words-MHC --weight 1 --output runs/xmc-tibkat/neighbours-alone/model
.venv/bin/python -m benchmarks.xmc.worker model runs/xmc-tibkat/neighbours-alone/model --valid-size 2000 --term-dropout 0.4 --epochs 10 --dataset data/tibkat --cache-dir runs/xmc-tibkat/cache --result runs/xmc-tibkat/neighbours-alone/measured.json --threads 1
