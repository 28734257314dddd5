"""One of two CPU processes of torch's own DistributedDataParallel: ``ddp_worker.py RANK ADDRESS JOB``.

``JOB`` is a JSON file that gives, per checkpoint, the file for its gradients. The process of rank ``RANK``
computes the loss of the batch with that number.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch.nn.parallel import DistributedDataParallel

from tests.user_dir.trained_models import batches, load
from user_dir.optim.config import RowAdamConfig
from user_dir.optim.row_adam import FairseqRowAdam


def main(rank: int, address: str, job: dict[str, str]) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    for checkpoint, output in job.items():
        # The model is in evaluation mode: there is no dropout, and a sampling head draws nothing.
        model, task = load(Path(checkpoint))
        wrapped = DistributedDataParallel(model)
        batch = batches(task, "valid")[rank]
        options = {"target": batch["target"], "loss_weights": (1.0, 0.01)}
        wrapped(**batch["net_input"], **options)[0].loss.backward()
        # As fairseq's trainer does. DDP has left out what has sparse gradients.
        FairseqRowAdam(RowAdamConfig(lr=[0.1]), list(model.parameters())).all_reduce_grads(wrapped)
        if rank == 0:
            torch.save({name: value.grad for name, value in model.named_parameters()}, output)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], json.loads(Path(sys.argv[3]).read_text(encoding="utf-8")))
