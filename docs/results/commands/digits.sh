# From the repository's folder.

# full softmax
.venv/bin/python -m vision_xmc.image --head onehot --dataset digits --epochs 8 --seed 1 --no-progress --output runs/digits/onehot

# product, 10 × 10
.venv/bin/python -m vision_xmc.image --head product --radices 10 10 --dataset digits --epochs 8 --seed 1 --no-progress --output runs/digits/product-10-10

# product, 5 × 20
.venv/bin/python -m vision_xmc.image --head product --radices 5 20 --dataset digits --epochs 8 --seed 1 --no-progress --output runs/digits/product-5-20

# product, 4 × 5 × 5
.venv/bin/python -m vision_xmc.image --head product --radices 4 5 5 --dataset digits --epochs 8 --seed 1 --no-progress --output runs/digits/product-4-5-5

# cascade by table, 10 × 10
.venv/bin/python -m vision_xmc.image --head cascade --radices 10 10 --dataset digits --epochs 8 --seed 1 --no-progress --output runs/digits/cascade-table-10-10

# cascade by table, 5 × 20
.venv/bin/python -m vision_xmc.image --head cascade --radices 5 20 --dataset digits --epochs 8 --seed 1 --no-progress --output runs/digits/cascade-table-5-20

# cascade by table, 4 × 5 × 5
.venv/bin/python -m vision_xmc.image --head cascade --radices 4 5 5 --dataset digits --epochs 8 --seed 1 --no-progress --output runs/digits/cascade-table-4-5-5

# sampling, 10 × 10
.venv/bin/python -m vision_xmc.image --head sampling --radices 10 10 --sample-fraction 0.3 --positives block --sample-unit block --dataset digits --epochs 8 --seed 1 --no-progress --output runs/digits/sampling-10-10

# sampling, 5 × 20
.venv/bin/python -m vision_xmc.image --head sampling --radices 5 20 --sample-fraction 0.6 --positives block --sample-unit block --dataset digits --epochs 8 --seed 1 --no-progress --output runs/digits/sampling-5-20
