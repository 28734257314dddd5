# From the repository's folder.

# full softmax, V = 10,000
python -m benchmarks.vocabulary.measure onehot 10000 --full-updates 6 --held-out 2048 --seed 1

# adaptive softmax, V = 10,000
python -m benchmarks.vocabulary.measure adaptive-softmax 10000 --full-updates 6 --held-out 2048 --seed 1

# sampling, 5%, V = 10,000
python -m benchmarks.vocabulary.measure sampling-5-percent 10000 --full-updates 6 --held-out 2048 --seed 1

# product, V = 10,000
python -m benchmarks.vocabulary.measure product 10000 --full-updates 4 --held-out 2048 --seed 1

# product, clustered, V = 10,000
python -m benchmarks.vocabulary.measure product-clustered 10000 --full-updates 4 --held-out 2048 --seed 1

# product, 8 groups, V = 10,000
python -m benchmarks.vocabulary.measure product-8-groups 10000 --full-updates 4 --held-out 2048 --seed 1

# product, 8 groups, clustered, V = 10,000
python -m benchmarks.vocabulary.measure product-8-groups-clustered 10000 --full-updates 4 --held-out 2048 --seed 1

# cascade by digit, V = 10,000
python -m benchmarks.vocabulary.measure cascade-digit 10000 --full-updates 4 --held-out 2048 --seed 1

# cascade by digit, clustered, V = 10,000
python -m benchmarks.vocabulary.measure cascade-digit-clustered 10000 --full-updates 4 --held-out 2048 --seed 1

# cascade by table, V = 10,000
python -m benchmarks.vocabulary.measure cascade-table 10000 --full-updates 4 --held-out 2048 --seed 1

# cascade by table, clustered, V = 10,000
python -m benchmarks.vocabulary.measure cascade-table-clustered 10000 --full-updates 4 --held-out 2048 --seed 1

# cascade by table, 8 prototypes, clustered, V = 10,000
python -m benchmarks.vocabulary.measure cascade-table-8-prototypes-clustered 10000 --full-updates 4 --held-out 2048 --seed 1

# cascade by table, cells, V = 10,000
python -m benchmarks.vocabulary.measure cascade-table-cells 10000 --full-updates 4 --held-out 2048 --seed 1

# cascade by table, clustered, V = 1,000,000
python -m benchmarks.vocabulary.measure cascade-table-clustered 1000000 --full-updates 4 --held-out 2048 --seed 1

# cascade by digit, clustered, V = 1,000,000
python -m benchmarks.vocabulary.measure cascade-digit-clustered 1000000 --full-updates 3 --held-out 2048 --seed 1

# full softmax, V = 1,000,000
python -m benchmarks.vocabulary.measure onehot 1000000 --full-updates 3 --held-out 2048 --seed 1

# product, 8 groups, clustered, V = 1,000,000
python -m benchmarks.vocabulary.measure product-8-groups-clustered 1000000 --full-updates 3 --held-out 2048 --seed 1

# product, clustered, V = 1,000,000
python -m benchmarks.vocabulary.measure product-clustered 1000000 --full-updates 3 --held-out 2048 --seed 1

# adaptive softmax, V = 1,000,000
python -m benchmarks.vocabulary.measure adaptive-softmax 1000000 --full-updates 3 --held-out 2048 --seed 1
