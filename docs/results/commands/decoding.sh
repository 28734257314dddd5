# From the repository's folder.

# full softmax, tied, V = 8,192
.venv/bin/fairseq-generate /tmp/dec/8192/data --user-dir user_dir --task translation --source-lang xx --target-lang yy --path /tmp/dec/8192/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# adaptive softmax, V = 8,192
.venv/bin/fairseq-generate /tmp/dec/8192/data --user-dir user_dir --task translation --source-lang xx --target-lang yy --path /tmp/dec/8192/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# product, V = 8,192
.venv/bin/fairseq-generate /tmp/dec/8192/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/8192/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# product, 8 groups, V = 8,192
.venv/bin/fairseq-generate /tmp/dec/8192/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/8192/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# cascade by table, tied, V = 8,192
.venv/bin/fairseq-generate /tmp/dec/8192/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/8192/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# cascade by table, tied, wide first head, V = 8,192
.venv/bin/fairseq-generate /tmp/dec/8192/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/8192/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# cascade by digit, V = 8,192
.venv/bin/fairseq-generate /tmp/dec/8192/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/8192/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# full softmax, tied, V = 32,768
.venv/bin/fairseq-generate /tmp/dec/32768/data --user-dir user_dir --task translation --source-lang xx --target-lang yy --path /tmp/dec/32768/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# adaptive softmax, V = 32,768
.venv/bin/fairseq-generate /tmp/dec/32768/data --user-dir user_dir --task translation --source-lang xx --target-lang yy --path /tmp/dec/32768/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# product, V = 32,768
.venv/bin/fairseq-generate /tmp/dec/32768/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/32768/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# product, 8 groups, V = 32,768
.venv/bin/fairseq-generate /tmp/dec/32768/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/32768/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# cascade by table, tied, V = 32,768
.venv/bin/fairseq-generate /tmp/dec/32768/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/32768/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# cascade by table, tied, wide first head, V = 32,768
.venv/bin/fairseq-generate /tmp/dec/32768/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/32768/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# cascade by digit, V = 32,768
.venv/bin/fairseq-generate /tmp/dec/32768/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/32768/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# full softmax, tied, V = 131,072
.venv/bin/fairseq-generate /tmp/dec/131072/data --user-dir user_dir --task translation --source-lang xx --target-lang yy --path /tmp/dec/131072/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# adaptive softmax, V = 131,072
.venv/bin/fairseq-generate /tmp/dec/131072/data --user-dir user_dir --task translation --source-lang xx --target-lang yy --path /tmp/dec/131072/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# product, V = 131,072
.venv/bin/fairseq-generate /tmp/dec/131072/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/131072/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# product, 8 groups, V = 131,072
.venv/bin/fairseq-generate /tmp/dec/131072/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/131072/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# cascade by table, tied, V = 131,072
.venv/bin/fairseq-generate /tmp/dec/131072/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/131072/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# cascade by table, tied, wide first head, V = 131,072
.venv/bin/fairseq-generate /tmp/dec/131072/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/131072/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# cascade by digit, V = 131,072
.venv/bin/fairseq-generate /tmp/dec/131072/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/131072/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# full softmax, tied, V = 524,288
.venv/bin/fairseq-generate /tmp/dec/524288/data --user-dir user_dir --task translation --source-lang xx --target-lang yy --path /tmp/dec/524288/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# adaptive softmax, V = 524,288
.venv/bin/fairseq-generate /tmp/dec/524288/data --user-dir user_dir --task translation --source-lang xx --target-lang yy --path /tmp/dec/524288/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# product, V = 524,288
.venv/bin/fairseq-generate /tmp/dec/524288/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/524288/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# product, 8 groups, V = 524,288
.venv/bin/fairseq-generate /tmp/dec/524288/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/524288/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# cascade by table, tied, V = 524,288
.venv/bin/fairseq-generate /tmp/dec/524288/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/524288/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# cascade by table, tied, wide first head, V = 524,288
.venv/bin/fairseq-generate /tmp/dec/524288/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/524288/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# cascade by digit, V = 524,288
.venv/bin/fairseq-generate /tmp/dec/524288/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/524288/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# full softmax, tied, V = 1,048,576
.venv/bin/fairseq-generate /tmp/dec/1048576/data --user-dir user_dir --task translation --source-lang xx --target-lang yy --path /tmp/dec/1048576/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# adaptive softmax, V = 1,048,576
.venv/bin/fairseq-generate /tmp/dec/1048576/data --user-dir user_dir --task translation --source-lang xx --target-lang yy --path /tmp/dec/1048576/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# product, V = 1,048,576
.venv/bin/fairseq-generate /tmp/dec/1048576/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/1048576/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# product, 8 groups, V = 1,048,576
.venv/bin/fairseq-generate /tmp/dec/1048576/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/1048576/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# cascade by table, tied, V = 1,048,576
.venv/bin/fairseq-generate /tmp/dec/1048576/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/1048576/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# cascade by table, tied, wide first head, V = 1,048,576
.venv/bin/fairseq-generate /tmp/dec/1048576/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/1048576/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# cascade by digit, V = 1,048,576
.venv/bin/fairseq-generate /tmp/dec/1048576/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/1048576/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar
