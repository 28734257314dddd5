# From the repository's folder.

# Parabel
.venv/bin/python -m benchmarks.xmc.worker omikuji parabel --dataset data/bow/delicious --cache-dir runs/xmc-delicious/cache --output runs/xmc-delicious/Parabel --result runs/xmc-delicious/Parabel/measured.json --threads 1

# Bonsai
.venv/bin/python -m benchmarks.xmc.worker omikuji bonsai --dataset data/bow/delicious --cache-dir runs/xmc-delicious/cache --output runs/xmc-delicious/Bonsai --result runs/xmc-delicious/Bonsai/measured.json --threads 1

# one-vs-all
.venv/bin/python -m vision_xmc.xmc --encoder bow --bow-features 512 --num-groups 0 --dataset data/bow/delicious --cache-dir runs/xmc-delicious/cache --no-progress --output runs/xmc-delicious/one-vs-all
.venv/bin/python -m benchmarks.xmc.worker model runs/xmc-delicious/one-vs-all --dataset data/bow/delicious --cache-dir runs/xmc-delicious/cache --result runs/xmc-delicious/one-vs-all/measured.json --threads 1

# MHC
.venv/bin/python -m vision_xmc.xmc --encoder bow --bow-features 512 --dataset data/bow/delicious --cache-dir runs/xmc-delicious/cache --no-progress --output runs/xmc-delicious/MHC
.venv/bin/python -m benchmarks.xmc.worker model runs/xmc-delicious/MHC --dataset data/bow/delicious --cache-dir runs/xmc-delicious/cache --result runs/xmc-delicious/MHC/measured.json --threads 1

# MHC, with neighbours
.venv/bin/python -m vision_xmc.xmc neighbours runs/xmc-delicious/MHC --output runs/xmc-delicious/MHC-with-neighbours/model
.venv/bin/python -m benchmarks.xmc.worker model runs/xmc-delicious/MHC-with-neighbours/model --dataset data/bow/delicious --cache-dir runs/xmc-delicious/cache --result runs/xmc-delicious/MHC-with-neighbours/measured.json --threads 1

# neighbours alone
.venv/bin/python -m vision_xmc.xmc neighbours runs/xmc-delicious/MHC --weight 1 --output runs/xmc-delicious/neighbours-alone/model
.venv/bin/python -m benchmarks.xmc.worker model runs/xmc-delicious/neighbours-alone/model --dataset data/bow/delicious --cache-dir runs/xmc-delicious/cache --result runs/xmc-delicious/neighbours-alone/measured.json --threads 1
