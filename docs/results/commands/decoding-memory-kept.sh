# From the repository's folder.

# full softmax, tied, V = 32,768
.venv/bin/fairseq-generate /tmp/dec/32768/data --user-dir user_dir --task translation --source-lang xx --target-lang yy --path /tmp/dec/32768/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# adaptive softmax, V = 32,768
.venv/bin/fairseq-generate /tmp/dec/32768/data --user-dir user_dir --task translation --source-lang xx --target-lang yy --path /tmp/dec/32768/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# product, V = 32,768
.venv/bin/fairseq-generate /tmp/dec/32768/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/32768/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# cascade by table, tied, V = 32,768
.venv/bin/fairseq-generate /tmp/dec/32768/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/32768/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar

# cascade by digit, V = 32,768
.venv/bin/fairseq-generate /tmp/dec/32768/data --user-dir user_dir --task translation_mhe --source-lang xx --target-lang yy --path /tmp/dec/32768/checkpoint.pt --cpu --beam 5 --batch-size 64 --min-len 20 --max-len-a 0 --max-len-b 20 --no-progress-bar
