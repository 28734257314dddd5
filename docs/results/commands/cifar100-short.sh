# From the repository's folder.

# full softmax
.venv/bin/python -m vision_xmc.image --head onehot --dataset cifar100 --arch resnet8 --epochs 6 --batch-size 128 --lr 0.1 --validation 0 --precision bf16 --eval-epochs 3 --save-steps 100 --data-path data/cifar-100-python --seed 1 --no-progress --output runs/cifar100-short/onehot

# product, 10 × 10
.venv/bin/python -m vision_xmc.image --head product --radices 10 10 --dataset cifar100 --arch resnet8 --epochs 6 --batch-size 128 --lr 0.1 --validation 0 --precision bf16 --eval-epochs 3 --save-steps 100 --data-path data/cifar-100-python --seed 1 --no-progress --output runs/cifar100-short/product-10-10

# product, 5 × 20
.venv/bin/python -m vision_xmc.image --head product --radices 5 20 --dataset cifar100 --arch resnet8 --epochs 6 --batch-size 128 --lr 0.1 --validation 0 --precision bf16 --eval-epochs 3 --save-steps 100 --data-path data/cifar-100-python --seed 1 --no-progress --output runs/cifar100-short/product-5-20

# product, 4 × 5 × 5
.venv/bin/python -m vision_xmc.image --head product --radices 4 5 5 --dataset cifar100 --arch resnet8 --epochs 6 --batch-size 128 --lr 0.1 --validation 0 --precision bf16 --eval-epochs 3 --save-steps 100 --data-path data/cifar-100-python --seed 1 --no-progress --output runs/cifar100-short/product-4-5-5

# cascade by table, 10 × 10
.venv/bin/python -m vision_xmc.image --head cascade --radices 10 10 --dataset cifar100 --arch resnet8 --epochs 6 --batch-size 128 --lr 0.1 --validation 0 --precision bf16 --eval-epochs 3 --save-steps 100 --data-path data/cifar-100-python --seed 1 --no-progress --output runs/cifar100-short/cascade-table-10-10

# cascade by table, 5 × 20
.venv/bin/python -m vision_xmc.image --head cascade --radices 5 20 --dataset cifar100 --arch resnet8 --epochs 6 --batch-size 128 --lr 0.1 --validation 0 --precision bf16 --eval-epochs 3 --save-steps 100 --data-path data/cifar-100-python --seed 1 --no-progress --output runs/cifar100-short/cascade-table-5-20

# cascade by table, 4 × 5 × 5
.venv/bin/python -m vision_xmc.image --head cascade --radices 4 5 5 --dataset cifar100 --arch resnet8 --epochs 6 --batch-size 128 --lr 0.1 --validation 0 --precision bf16 --eval-epochs 3 --save-steps 100 --data-path data/cifar-100-python --seed 1 --no-progress --output runs/cifar100-short/cascade-table-4-5-5

# sampling, 10 × 10
.venv/bin/python -m vision_xmc.image --head sampling --radices 10 10 --sample-fraction 0.3 --positives block --sample-unit block --dataset cifar100 --arch resnet8 --epochs 6 --batch-size 128 --lr 0.1 --validation 0 --precision bf16 --eval-epochs 3 --save-steps 100 --data-path data/cifar-100-python --seed 1 --no-progress --output runs/cifar100-short/sampling-10-10

# sampling, 5 × 20
.venv/bin/python -m vision_xmc.image --head sampling --radices 5 20 --sample-fraction 0.6 --positives block --sample-unit block --dataset cifar100 --arch resnet8 --epochs 6 --batch-size 128 --lr 0.1 --validation 0 --precision bf16 --eval-epochs 3 --save-steps 100 --data-path data/cifar-100-python --seed 1 --no-progress --output runs/cifar100-short/sampling-5-20
