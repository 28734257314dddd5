# From the repository's folder.

# product, 10 × 10, V = 100; random logits, scale 1, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-10-10-100-labels; random logits, scale 1'

# product, 5 × 5 × 4, V = 100; random logits, scale 1, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-5-5-4-100-labels; random logits, scale 1'

# product, 10 × 10, V = 91; random logits, scale 1, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-10-10-91-labels; random logits, scale 1'

# product, 16 × 16, V = 200; random logits, scale 1, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-16-16-200-labels; random logits, scale 1'

# product, 89 × 90, V = 8,000; random logits, scale 1, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-89-90-8000-labels; random logits, scale 1'

# product, 10 × 10, 2 groups, V = 100; random logits, scale 1, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-10-10-2-groups-100-labels; random logits, scale 1'

# product, 10 × 10, 8 groups, V = 100; random logits, scale 1, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-10-10-8-groups-100-labels; random logits, scale 1'

# product, 89 × 90, 8 groups, V = 8,000; random logits, scale 1, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-89-90-8-groups-8000-labels; random logits, scale 1'

# product, 10 × 10, 2 groups, joint form, V = 100; random logits, scale 1, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-10-10-2-groups-joint-100-labels; random logits, scale 1'

# product, 10 × 10, 8 groups, joint form, V = 100; random logits, scale 1, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-10-10-8-groups-joint-100-labels; random logits, scale 1'

# product, 89 × 90, 8 groups, joint form, V = 8,000; random logits, scale 1, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-89-90-8-groups-joint-8000-labels; random logits, scale 1'

# cascade by table, 10 × 10, V = 100; random logits, scale 1, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'cascade-table-10-10-100-labels; random logits, scale 1'

# product, 10 × 10, V = 100; random logits, scale 3, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-10-10-100-labels; random logits, scale 3'

# product, 5 × 5 × 4, V = 100; random logits, scale 3, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-5-5-4-100-labels; random logits, scale 3'

# product, 10 × 10, V = 91; random logits, scale 3, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-10-10-91-labels; random logits, scale 3'

# product, 16 × 16, V = 200; random logits, scale 3, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-16-16-200-labels; random logits, scale 3'

# product, 89 × 90, V = 8,000; random logits, scale 3, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-89-90-8000-labels; random logits, scale 3'

# product, 10 × 10, 2 groups, V = 100; random logits, scale 3, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-10-10-2-groups-100-labels; random logits, scale 3'

# product, 10 × 10, 8 groups, V = 100; random logits, scale 3, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-10-10-8-groups-100-labels; random logits, scale 3'

# product, 89 × 90, 8 groups, V = 8,000; random logits, scale 3, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-89-90-8-groups-8000-labels; random logits, scale 3'

# product, 10 × 10, 2 groups, joint form, V = 100; random logits, scale 3, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-10-10-2-groups-joint-100-labels; random logits, scale 3'

# product, 10 × 10, 8 groups, joint form, V = 100; random logits, scale 3, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-10-10-8-groups-joint-100-labels; random logits, scale 3'

# product, 89 × 90, 8 groups, joint form, V = 8,000; random logits, scale 3, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-89-90-8-groups-joint-8000-labels; random logits, scale 3'

# cascade by table, 10 × 10, V = 100; random logits, scale 3, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'cascade-table-10-10-100-labels; random logits, scale 3'

# product; trained model, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product; trained model'

# product, 8 groups; trained model, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-8-groups; trained model'

# cascade by table, tied; trained model, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'cascade-table-tied; trained model'

# product, 4 groups, joint form; frozen features, seed 1
python -m benchmarks.claims argmax --seeds 1 --only 'product-4-groups-joint; frozen features'

# full softmax; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'onehot; frozen features'

# full softmax, bottleneck of 1; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'onehot-bottleneck-1; frozen features'

# full softmax, bottleneck of 2; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'onehot-bottleneck-2; frozen features'

# full softmax, bottleneck of 4; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'onehot-bottleneck-4; frozen features'

# full softmax, bottleneck of 8; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'onehot-bottleneck-8; frozen features'

# full softmax, bottleneck of 16; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'onehot-bottleneck-16; frozen features'

# full softmax, bottleneck of 32; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'onehot-bottleneck-32; frozen features'

# full softmax, bottleneck of 64; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'onehot-bottleneck-64; frozen features'

# full softmax, bottleneck of 128; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'onehot-bottleneck-128; frozen features'

# product; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'product; frozen features'

# product, 2 groups, joint form; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'product-2-groups-joint; frozen features'

# product, 4 groups, joint form; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'product-4-groups-joint; frozen features'

# product, 8 groups, joint form; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'product-8-groups-joint; frozen features'

# product, 16 groups, joint form; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'product-16-groups-joint; frozen features'

# product, 2 groups; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'product-2-groups; frozen features'

# product, 4 groups; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'product-4-groups; frozen features'

# product, 8 groups; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'product-8-groups; frozen features'

# product, 16 groups; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'product-16-groups; frozen features'

# cascade by table; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'cascade-table; frozen features'

# cascade by table, 8 prototypes; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'cascade-table-8-prototypes; frozen features'

# cascade by digit; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'cascade-digit; frozen features'

# cascade by digit, 8 prototypes; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'cascade-digit-8-prototypes; frozen features'

# sampling, 5%; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'sampling-5-percent; frozen features'

# sampling, 20%; frozen features, seed 1
python -m benchmarks.claims rank --seeds 1 --only 'sampling-20-percent; frozen features'

# product; underfitted, order random, seed 1
python -m benchmarks.claims order --seeds 1 --only 'product; underfitted, order random'

# product; underfitted, order dictionary, seed 1
python -m benchmarks.claims order --seeds 1 --only 'product; underfitted, order dictionary'

# product; underfitted, order clustered, seed 1
python -m benchmarks.claims order --seeds 1 --only 'product; underfitted, order clustered'

# cascade by digit; underfitted, order random, seed 1
python -m benchmarks.claims order --seeds 1 --only 'cascade-digit; underfitted, order random'

# cascade by digit; underfitted, order dictionary, seed 1
python -m benchmarks.claims order --seeds 1 --only 'cascade-digit; underfitted, order dictionary'

# cascade by digit; underfitted, order clustered, seed 1
python -m benchmarks.claims order --seeds 1 --only 'cascade-digit; underfitted, order clustered'

# cascade by table; underfitted, order random, seed 1
python -m benchmarks.claims order --seeds 1 --only 'cascade-table; underfitted, order random'

# cascade by table; underfitted, order dictionary, seed 1
python -m benchmarks.claims order --seeds 1 --only 'cascade-table; underfitted, order dictionary'

# cascade by table; underfitted, order clustered, seed 1
python -m benchmarks.claims order --seeds 1 --only 'cascade-table; underfitted, order clustered'

# product; overfitted, order random, seed 1
python -m benchmarks.claims order --seeds 1 --only 'product; overfitted, order random'

# product; overfitted, order dictionary, seed 1
python -m benchmarks.claims order --seeds 1 --only 'product; overfitted, order dictionary'

# product; overfitted, order clustered, seed 1
python -m benchmarks.claims order --seeds 1 --only 'product; overfitted, order clustered'

# cascade by digit; overfitted, order random, seed 1
python -m benchmarks.claims order --seeds 1 --only 'cascade-digit; overfitted, order random'

# cascade by digit; overfitted, order dictionary, seed 1
python -m benchmarks.claims order --seeds 1 --only 'cascade-digit; overfitted, order dictionary'

# cascade by digit; overfitted, order clustered, seed 1
python -m benchmarks.claims order --seeds 1 --only 'cascade-digit; overfitted, order clustered'

# cascade by table; overfitted, order random, seed 1
python -m benchmarks.claims order --seeds 1 --only 'cascade-table; overfitted, order random'

# cascade by table; overfitted, order dictionary, seed 1
python -m benchmarks.claims order --seeds 1 --only 'cascade-table; overfitted, order dictionary'

# cascade by table; overfitted, order clustered, seed 1
python -m benchmarks.claims order --seeds 1 --only 'cascade-table; overfitted, order clustered'

# full softmax; underfitted, order none, seed 1
python -m benchmarks.claims order --seeds 1 --only 'onehot; underfitted, order none'

# full softmax; overfitted, order none, seed 1
python -m benchmarks.claims order --seeds 1 --only 'onehot; overfitted, order none'

# full softmax, bottleneck of 2; underfitted, order none, seed 1
python -m benchmarks.claims order --seeds 1 --only 'onehot-bottleneck-2; underfitted, order none'

# full softmax, bottleneck of 2; overfitted, order none, seed 1
python -m benchmarks.claims order --seeds 1 --only 'onehot-bottleneck-2; overfitted, order none'
