# From the repository's folder.

# MHC, 10,000 labels
.venv/bin/python -m vision_xmc.xmc --dataset runs/xmc-memory/labels-10000 --valid-size 0 --test-size 64 --label-order given --bow-features 64 --batch-size 64 --eval-batch-size 64 --max-steps 30 --sparse-labels --candidates-topk 8 --cache-dir runs/xmc-memory/cache --no-progress --restart --output runs/xmc-memory/labels-10000-MHC

# MHC, 100,000 labels
.venv/bin/python -m vision_xmc.xmc --dataset runs/xmc-memory/labels-100000 --valid-size 0 --test-size 64 --label-order given --bow-features 64 --batch-size 64 --eval-batch-size 64 --max-steps 30 --sparse-labels --candidates-topk 8 --cache-dir runs/xmc-memory/cache --no-progress --restart --output runs/xmc-memory/labels-100000-MHC

# MHC, 1,000,000 labels
.venv/bin/python -m vision_xmc.xmc --dataset runs/xmc-memory/labels-1000000 --valid-size 0 --test-size 64 --label-order given --bow-features 64 --batch-size 64 --eval-batch-size 64 --max-steps 30 --sparse-labels --candidates-topk 8 --cache-dir runs/xmc-memory/cache --no-progress --restart --output runs/xmc-memory/labels-1000000-MHC

# MHC, 3,000,000 labels
.venv/bin/python -m vision_xmc.xmc --dataset runs/xmc-memory/labels-3000000 --valid-size 0 --test-size 64 --label-order given --bow-features 64 --batch-size 64 --eval-batch-size 64 --max-steps 30 --sparse-labels --candidates-topk 8 --cache-dir runs/xmc-memory/cache --no-progress --restart --output runs/xmc-memory/labels-3000000-MHC

# MHC, dense gradients, 10,000 labels
.venv/bin/python -m vision_xmc.xmc --dataset runs/xmc-memory/labels-10000 --valid-size 0 --test-size 64 --label-order given --bow-features 64 --batch-size 64 --eval-batch-size 64 --max-steps 30 --candidates-topk 8 --cache-dir runs/xmc-memory/cache --no-progress --restart --output runs/xmc-memory/labels-10000-MHC-dense-gradients

# MHC, dense gradients, 100,000 labels
.venv/bin/python -m vision_xmc.xmc --dataset runs/xmc-memory/labels-100000 --valid-size 0 --test-size 64 --label-order given --bow-features 64 --batch-size 64 --eval-batch-size 64 --max-steps 30 --candidates-topk 8 --cache-dir runs/xmc-memory/cache --no-progress --restart --output runs/xmc-memory/labels-100000-MHC-dense-gradients

# MHC, dense gradients, 1,000,000 labels
.venv/bin/python -m vision_xmc.xmc --dataset runs/xmc-memory/labels-1000000 --valid-size 0 --test-size 64 --label-order given --bow-features 64 --batch-size 64 --eval-batch-size 64 --max-steps 30 --candidates-topk 8 --cache-dir runs/xmc-memory/cache --no-progress --restart --output runs/xmc-memory/labels-1000000-MHC-dense-gradients

# MHC, dense gradients, 3,000,000 labels
.venv/bin/python -m vision_xmc.xmc --dataset runs/xmc-memory/labels-3000000 --valid-size 0 --test-size 64 --label-order given --bow-features 64 --batch-size 64 --eval-batch-size 64 --max-steps 30 --candidates-topk 8 --cache-dir runs/xmc-memory/cache --no-progress --restart --output runs/xmc-memory/labels-3000000-MHC-dense-gradients

# one-vs-all, 10,000 labels
.venv/bin/python -m vision_xmc.xmc --dataset runs/xmc-memory/labels-10000 --valid-size 0 --test-size 64 --label-order given --bow-features 64 --batch-size 64 --eval-batch-size 64 --max-steps 30 --num-groups 0 --cache-dir runs/xmc-memory/cache --no-progress --restart --output runs/xmc-memory/labels-10000-one-vs-all

# one-vs-all, 100,000 labels
.venv/bin/python -m vision_xmc.xmc --dataset runs/xmc-memory/labels-100000 --valid-size 0 --test-size 64 --label-order given --bow-features 64 --batch-size 64 --eval-batch-size 64 --max-steps 30 --num-groups 0 --cache-dir runs/xmc-memory/cache --no-progress --restart --output runs/xmc-memory/labels-100000-one-vs-all

# one-vs-all, 1,000,000 labels
.venv/bin/python -m vision_xmc.xmc --dataset runs/xmc-memory/labels-1000000 --valid-size 0 --test-size 64 --label-order given --bow-features 64 --batch-size 64 --eval-batch-size 64 --max-steps 30 --num-groups 0 --cache-dir runs/xmc-memory/cache --no-progress --restart --output runs/xmc-memory/labels-1000000-one-vs-all

# one-vs-all, 3,000,000 labels
.venv/bin/python -m vision_xmc.xmc --dataset runs/xmc-memory/labels-3000000 --valid-size 0 --test-size 64 --label-order given --bow-features 64 --batch-size 64 --eval-batch-size 64 --max-steps 30 --num-groups 0 --cache-dir runs/xmc-memory/cache --no-progress --restart --output runs/xmc-memory/labels-3000000-one-vs-all
