# From the repository's folder.

# Parabel
.venv/bin/python -m benchmarks.xmc.worker omikuji parabel --documents 3000 --valid-size 300 --dataset data/tibkat --cache-dir runs/xmc-tibkat-part/cache --output runs/xmc-tibkat-part/Parabel --result runs/xmc-tibkat-part/Parabel/measured.json --threads 1

# Bonsai
.venv/bin/python -m benchmarks.xmc.worker omikuji bonsai --documents 3000 --valid-size 300 --dataset data/tibkat --cache-dir runs/xmc-tibkat-part/cache --output runs/xmc-tibkat-part/Bonsai --result runs/xmc-tibkat-part/Bonsai/measured.json --threads 1

# bag of words, MHC
.venv/bin/python -m vision_xmc.xmc --documents 3000 --valid-size 300 --encoder bow --bow-features 512 --term-dropout 0.4 --dataset data/tibkat --cache-dir runs/xmc-tibkat-part/cache --no-progress --output runs/xmc-tibkat-part/bag-of-words-MHC
.venv/bin/python -m benchmarks.xmc.worker model runs/xmc-tibkat-part/bag-of-words-MHC --documents 3000 --valid-size 300 --dataset data/tibkat --cache-dir runs/xmc-tibkat-part/cache --result runs/xmc-tibkat-part/bag-of-words-MHC/measured.json --threads 1

# bag of words, MHC, with neighbours
.venv/bin/python -m vision_xmc.xmc neighbours runs/xmc-tibkat-part/bag-of-words-MHC --output runs/xmc-tibkat-part/bag-of-words-MHC-with-neighbours/model
.venv/bin/python -m benchmarks.xmc.worker model runs/xmc-tibkat-part/bag-of-words-MHC-with-neighbours/model --documents 3000 --valid-size 300 --dataset data/tibkat --cache-dir runs/xmc-tibkat-part/cache --result runs/xmc-tibkat-part/bag-of-words-MHC-with-neighbours/measured.json --threads 1

# MiniLM, one-vs-all
.venv/bin/python -m vision_xmc.xmc --documents 3000 --valid-size 300 --encoder minilm --max-len 64 --batch-size 32 --lr 0.005 --encoder-lr 0.0001 --precision bf16 --epochs 8 --num-groups 0 --dataset data/tibkat --cache-dir runs/xmc-tibkat-part/cache --no-progress --output runs/xmc-tibkat-part/MiniLM-one-vs-all
.venv/bin/python -m benchmarks.xmc.worker model runs/xmc-tibkat-part/MiniLM-one-vs-all --documents 3000 --valid-size 300 --dataset data/tibkat --cache-dir runs/xmc-tibkat-part/cache --result runs/xmc-tibkat-part/MiniLM-one-vs-all/measured.json --threads 1

# MiniLM, MHC
.venv/bin/python -m vision_xmc.xmc --documents 3000 --valid-size 300 --encoder minilm --max-len 64 --batch-size 32 --lr 0.005 --encoder-lr 0.0001 --precision bf16 --epochs 8 --dataset data/tibkat --cache-dir runs/xmc-tibkat-part/cache --no-progress --output runs/xmc-tibkat-part/MiniLM-MHC
.venv/bin/python -m benchmarks.xmc.worker model runs/xmc-tibkat-part/MiniLM-MHC --documents 3000 --valid-size 300 --dataset data/tibkat --cache-dir runs/xmc-tibkat-part/cache --result runs/xmc-tibkat-part/MiniLM-MHC/measured.json --threads 1

# MiniLM, MHC, with neighbours
.venv/bin/python -m vision_xmc.xmc neighbours runs/xmc-tibkat-part/MiniLM-MHC --output runs/xmc-tibkat-part/MiniLM-MHC-with-neighbours/model
.venv/bin/python -m benchmarks.xmc.worker model runs/xmc-tibkat-part/MiniLM-MHC-with-neighbours/model --documents 3000 --valid-size 300 --dataset data/tibkat --cache-dir runs/xmc-tibkat-part/cache --result runs/xmc-tibkat-part/MiniLM-MHC-with-neighbours/measured.json --threads 1
