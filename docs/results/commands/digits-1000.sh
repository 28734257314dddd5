# From the repository's folder.

# full softmax
.venv/bin/python -m vision_xmc.image --head onehot --dataset digits --digits 3 --digits-size 40000 --epochs 8 --optimizer adamw --lr 0.005 --weight-decay 0.01 --precision bf16 --seed 1 --no-progress --output runs/digits-1000/onehot

# product, 32 × 32
.venv/bin/python -m vision_xmc.image --head product --radices 32 32 --dataset digits --digits 3 --digits-size 40000 --epochs 8 --optimizer adamw --lr 0.005 --weight-decay 0.01 --precision bf16 --seed 1 --no-progress --output runs/digits-1000/product-32-32

# cascade by table, 32 × 32
.venv/bin/python -m vision_xmc.image --head cascade --radices 32 32 --dataset digits --digits 3 --digits-size 40000 --epochs 8 --optimizer adamw --lr 0.005 --weight-decay 0.01 --precision bf16 --seed 1 --no-progress --output runs/digits-1000/cascade-table-32-32

# sampling, 32 × 32
.venv/bin/python -m vision_xmc.image --head sampling --radices 32 32 --sample-fraction 0.1 --positives block --sample-unit block --dataset digits --digits 3 --digits-size 40000 --epochs 8 --optimizer adamw --lr 0.005 --weight-decay 0.01 --precision bf16 --seed 1 --no-progress --output runs/digits-1000/sampling-32-32
