# From the repository's folder.

# ArcFace, seed 1
.venv/bin/python -m vision_xmc.face train @small --data-path LFW_DIR/lfw112 --leave-out runs/lfw/people-of-folds-9-10.txt --margin arcface --seed 1 --no-progress --output runs/lfw/arcface-seed1
.venv/bin/python -m vision_xmc.face verify --checkpoint runs/lfw/arcface-seed1/last.pt --pairs LFW_DIR/pairs.txt --images LFW_DIR/lfw112 --folds 9 10 --far 0.01
.venv/bin/python -m benchmarks.face.all_pairs --checkpoint runs/lfw/arcface-seed1/last.pt --images LFW_DIR/lfw112 --people runs/lfw/people-of-folds-9-10.txt

# ArcFace, seed 2
.venv/bin/python -m vision_xmc.face train @small --data-path LFW_DIR/lfw112 --leave-out runs/lfw/people-of-folds-9-10.txt --margin arcface --seed 2 --no-progress --output runs/lfw/arcface-seed2
.venv/bin/python -m vision_xmc.face verify --checkpoint runs/lfw/arcface-seed2/last.pt --pairs LFW_DIR/pairs.txt --images LFW_DIR/lfw112 --folds 9 10 --far 0.01
.venv/bin/python -m benchmarks.face.all_pairs --checkpoint runs/lfw/arcface-seed2/last.pt --images LFW_DIR/lfw112 --people runs/lfw/people-of-folds-9-10.txt

# ArcFace, seed 3
.venv/bin/python -m vision_xmc.face train @small --data-path LFW_DIR/lfw112 --leave-out runs/lfw/people-of-folds-9-10.txt --margin arcface --seed 3 --no-progress --output runs/lfw/arcface-seed3
.venv/bin/python -m vision_xmc.face verify --checkpoint runs/lfw/arcface-seed3/last.pt --pairs LFW_DIR/pairs.txt --images LFW_DIR/lfw112 --folds 9 10 --far 0.01
.venv/bin/python -m benchmarks.face.all_pairs --checkpoint runs/lfw/arcface-seed3/last.pt --images LFW_DIR/lfw112 --people runs/lfw/people-of-folds-9-10.txt

# ArcFace, sampling, 50%, seed 1
.venv/bin/python -m vision_xmc.face train @small --data-path LFW_DIR/lfw112 --leave-out runs/lfw/people-of-folds-9-10.txt --margin arcface --head sampling --sample-fraction 0.5 --seed 1 --no-progress --output runs/lfw/arcface-sampling-50-percent-seed1
.venv/bin/python -m vision_xmc.face verify --checkpoint runs/lfw/arcface-sampling-50-percent-seed1/last.pt --pairs LFW_DIR/pairs.txt --images LFW_DIR/lfw112 --folds 9 10 --far 0.01
.venv/bin/python -m benchmarks.face.all_pairs --checkpoint runs/lfw/arcface-sampling-50-percent-seed1/last.pt --images LFW_DIR/lfw112 --people runs/lfw/people-of-folds-9-10.txt

# ArcFace, sampling, 50%, seed 2
.venv/bin/python -m vision_xmc.face train @small --data-path LFW_DIR/lfw112 --leave-out runs/lfw/people-of-folds-9-10.txt --margin arcface --head sampling --sample-fraction 0.5 --seed 2 --no-progress --output runs/lfw/arcface-sampling-50-percent-seed2
.venv/bin/python -m vision_xmc.face verify --checkpoint runs/lfw/arcface-sampling-50-percent-seed2/last.pt --pairs LFW_DIR/pairs.txt --images LFW_DIR/lfw112 --folds 9 10 --far 0.01
.venv/bin/python -m benchmarks.face.all_pairs --checkpoint runs/lfw/arcface-sampling-50-percent-seed2/last.pt --images LFW_DIR/lfw112 --people runs/lfw/people-of-folds-9-10.txt

# ArcFace, sampling, 50%, seed 3
.venv/bin/python -m vision_xmc.face train @small --data-path LFW_DIR/lfw112 --leave-out runs/lfw/people-of-folds-9-10.txt --margin arcface --head sampling --sample-fraction 0.5 --seed 3 --no-progress --output runs/lfw/arcface-sampling-50-percent-seed3
.venv/bin/python -m vision_xmc.face verify --checkpoint runs/lfw/arcface-sampling-50-percent-seed3/last.pt --pairs LFW_DIR/pairs.txt --images LFW_DIR/lfw112 --folds 9 10 --far 0.01
.venv/bin/python -m benchmarks.face.all_pairs --checkpoint runs/lfw/arcface-sampling-50-percent-seed3/last.pt --images LFW_DIR/lfw112 --people runs/lfw/people-of-folds-9-10.txt

# ArcFace, sampling, 25%, seed 1
.venv/bin/python -m vision_xmc.face train @small --data-path LFW_DIR/lfw112 --leave-out runs/lfw/people-of-folds-9-10.txt --margin arcface --head sampling --sample-fraction 0.25 --seed 1 --no-progress --output runs/lfw/arcface-sampling-25-percent-seed1
.venv/bin/python -m vision_xmc.face verify --checkpoint runs/lfw/arcface-sampling-25-percent-seed1/last.pt --pairs LFW_DIR/pairs.txt --images LFW_DIR/lfw112 --folds 9 10 --far 0.01
.venv/bin/python -m benchmarks.face.all_pairs --checkpoint runs/lfw/arcface-sampling-25-percent-seed1/last.pt --images LFW_DIR/lfw112 --people runs/lfw/people-of-folds-9-10.txt

# ArcFace, sampling, 25%, seed 2
.venv/bin/python -m vision_xmc.face train @small --data-path LFW_DIR/lfw112 --leave-out runs/lfw/people-of-folds-9-10.txt --margin arcface --head sampling --sample-fraction 0.25 --seed 2 --no-progress --output runs/lfw/arcface-sampling-25-percent-seed2
.venv/bin/python -m vision_xmc.face verify --checkpoint runs/lfw/arcface-sampling-25-percent-seed2/last.pt --pairs LFW_DIR/pairs.txt --images LFW_DIR/lfw112 --folds 9 10 --far 0.01
.venv/bin/python -m benchmarks.face.all_pairs --checkpoint runs/lfw/arcface-sampling-25-percent-seed2/last.pt --images LFW_DIR/lfw112 --people runs/lfw/people-of-folds-9-10.txt

# ArcFace, sampling, 25%, seed 3
.venv/bin/python -m vision_xmc.face train @small --data-path LFW_DIR/lfw112 --leave-out runs/lfw/people-of-folds-9-10.txt --margin arcface --head sampling --sample-fraction 0.25 --seed 3 --no-progress --output runs/lfw/arcface-sampling-25-percent-seed3
.venv/bin/python -m vision_xmc.face verify --checkpoint runs/lfw/arcface-sampling-25-percent-seed3/last.pt --pairs LFW_DIR/pairs.txt --images LFW_DIR/lfw112 --folds 9 10 --far 0.01
.venv/bin/python -m benchmarks.face.all_pairs --checkpoint runs/lfw/arcface-sampling-25-percent-seed3/last.pt --images LFW_DIR/lfw112 --people runs/lfw/people-of-folds-9-10.txt

# ArcFace, sampling, 10%, seed 1
.venv/bin/python -m vision_xmc.face train @small --data-path LFW_DIR/lfw112 --leave-out runs/lfw/people-of-folds-9-10.txt --margin arcface --head sampling --sample-fraction 0.1 --seed 1 --no-progress --output runs/lfw/arcface-sampling-10-percent-seed1
.venv/bin/python -m vision_xmc.face verify --checkpoint runs/lfw/arcface-sampling-10-percent-seed1/last.pt --pairs LFW_DIR/pairs.txt --images LFW_DIR/lfw112 --folds 9 10 --far 0.01
.venv/bin/python -m benchmarks.face.all_pairs --checkpoint runs/lfw/arcface-sampling-10-percent-seed1/last.pt --images LFW_DIR/lfw112 --people runs/lfw/people-of-folds-9-10.txt

# ArcFace, sampling, 10%, seed 2
.venv/bin/python -m vision_xmc.face train @small --data-path LFW_DIR/lfw112 --leave-out runs/lfw/people-of-folds-9-10.txt --margin arcface --head sampling --sample-fraction 0.1 --seed 2 --no-progress --output runs/lfw/arcface-sampling-10-percent-seed2
.venv/bin/python -m vision_xmc.face verify --checkpoint runs/lfw/arcface-sampling-10-percent-seed2/last.pt --pairs LFW_DIR/pairs.txt --images LFW_DIR/lfw112 --folds 9 10 --far 0.01
.venv/bin/python -m benchmarks.face.all_pairs --checkpoint runs/lfw/arcface-sampling-10-percent-seed2/last.pt --images LFW_DIR/lfw112 --people runs/lfw/people-of-folds-9-10.txt

# ArcFace, sampling, 10%, seed 3
.venv/bin/python -m vision_xmc.face train @small --data-path LFW_DIR/lfw112 --leave-out runs/lfw/people-of-folds-9-10.txt --margin arcface --head sampling --sample-fraction 0.1 --seed 3 --no-progress --output runs/lfw/arcface-sampling-10-percent-seed3
.venv/bin/python -m vision_xmc.face verify --checkpoint runs/lfw/arcface-sampling-10-percent-seed3/last.pt --pairs LFW_DIR/pairs.txt --images LFW_DIR/lfw112 --folds 9 10 --far 0.01
.venv/bin/python -m benchmarks.face.all_pairs --checkpoint runs/lfw/arcface-sampling-10-percent-seed3/last.pt --images LFW_DIR/lfw112 --people runs/lfw/people-of-folds-9-10.txt

# CosFace, seed 1
.venv/bin/python -m vision_xmc.face train @small --data-path LFW_DIR/lfw112 --leave-out runs/lfw/people-of-folds-9-10.txt --margin cosface --seed 1 --no-progress --output runs/lfw/cosface-seed1
.venv/bin/python -m vision_xmc.face verify --checkpoint runs/lfw/cosface-seed1/last.pt --pairs LFW_DIR/pairs.txt --images LFW_DIR/lfw112 --folds 9 10 --far 0.01
.venv/bin/python -m benchmarks.face.all_pairs --checkpoint runs/lfw/cosface-seed1/last.pt --images LFW_DIR/lfw112 --people runs/lfw/people-of-folds-9-10.txt

# CosFace, seed 2
.venv/bin/python -m vision_xmc.face train @small --data-path LFW_DIR/lfw112 --leave-out runs/lfw/people-of-folds-9-10.txt --margin cosface --seed 2 --no-progress --output runs/lfw/cosface-seed2
.venv/bin/python -m vision_xmc.face verify --checkpoint runs/lfw/cosface-seed2/last.pt --pairs LFW_DIR/pairs.txt --images LFW_DIR/lfw112 --folds 9 10 --far 0.01
.venv/bin/python -m benchmarks.face.all_pairs --checkpoint runs/lfw/cosface-seed2/last.pt --images LFW_DIR/lfw112 --people runs/lfw/people-of-folds-9-10.txt

# CosFace, seed 3
.venv/bin/python -m vision_xmc.face train @small --data-path LFW_DIR/lfw112 --leave-out runs/lfw/people-of-folds-9-10.txt --margin cosface --seed 3 --no-progress --output runs/lfw/cosface-seed3
.venv/bin/python -m vision_xmc.face verify --checkpoint runs/lfw/cosface-seed3/last.pt --pairs LFW_DIR/pairs.txt --images LFW_DIR/lfw112 --folds 9 10 --far 0.01
.venv/bin/python -m benchmarks.face.all_pairs --checkpoint runs/lfw/cosface-seed3/last.pt --images LFW_DIR/lfw112 --people runs/lfw/people-of-folds-9-10.txt

# CosFace, sampling, 25%, seed 1
.venv/bin/python -m vision_xmc.face train @small --data-path LFW_DIR/lfw112 --leave-out runs/lfw/people-of-folds-9-10.txt --margin cosface --head sampling --sample-fraction 0.25 --seed 1 --no-progress --output runs/lfw/cosface-sampling-25-percent-seed1
.venv/bin/python -m vision_xmc.face verify --checkpoint runs/lfw/cosface-sampling-25-percent-seed1/last.pt --pairs LFW_DIR/pairs.txt --images LFW_DIR/lfw112 --folds 9 10 --far 0.01
.venv/bin/python -m benchmarks.face.all_pairs --checkpoint runs/lfw/cosface-sampling-25-percent-seed1/last.pt --images LFW_DIR/lfw112 --people runs/lfw/people-of-folds-9-10.txt

# CosFace, sampling, 25%, seed 2
.venv/bin/python -m vision_xmc.face train @small --data-path LFW_DIR/lfw112 --leave-out runs/lfw/people-of-folds-9-10.txt --margin cosface --head sampling --sample-fraction 0.25 --seed 2 --no-progress --output runs/lfw/cosface-sampling-25-percent-seed2
.venv/bin/python -m vision_xmc.face verify --checkpoint runs/lfw/cosface-sampling-25-percent-seed2/last.pt --pairs LFW_DIR/pairs.txt --images LFW_DIR/lfw112 --folds 9 10 --far 0.01
.venv/bin/python -m benchmarks.face.all_pairs --checkpoint runs/lfw/cosface-sampling-25-percent-seed2/last.pt --images LFW_DIR/lfw112 --people runs/lfw/people-of-folds-9-10.txt

# CosFace, sampling, 25%, seed 3
.venv/bin/python -m vision_xmc.face train @small --data-path LFW_DIR/lfw112 --leave-out runs/lfw/people-of-folds-9-10.txt --margin cosface --head sampling --sample-fraction 0.25 --seed 3 --no-progress --output runs/lfw/cosface-sampling-25-percent-seed3
.venv/bin/python -m vision_xmc.face verify --checkpoint runs/lfw/cosface-sampling-25-percent-seed3/last.pt --pairs LFW_DIR/pairs.txt --images LFW_DIR/lfw112 --folds 9 10 --far 0.01
.venv/bin/python -m benchmarks.face.all_pairs --checkpoint runs/lfw/cosface-sampling-25-percent-seed3/last.pt --images LFW_DIR/lfw112 --people runs/lfw/people-of-folds-9-10.txt
