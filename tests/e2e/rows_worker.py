"""One of two CPU processes that average sparse gradients: ``rows_worker.py RANK ADDRESS``.

Of three parameters the first has rows in both processes, the second in the second process only, and the third
in none.
"""

from __future__ import annotations

import sys

import torch
from torch import nn

from user_dir.optim.reduction import average_rows

ROWS = ([[0, 2, 2], [], None], [[2, 5], [1], None])


def main(rank: int, address: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    dense = torch.zeros(3, 6, 2)
    for number in range(3):
        parameter = nn.Parameter(torch.zeros(6, 2))
        for process, rows_of in enumerate(ROWS):
            rows = rows_of[number]
            if rows is None:
                continue
            values = torch.full((len(rows), 2), process + 1.0)
            gradient = torch.sparse_coo_tensor(
                torch.tensor([rows], dtype=torch.int64), values, (6, 2), check_invariants=True
            )
            dense[number] += gradient.to_dense() / 2
            if process == rank:
                parameter.grad = gradient
        average_rows(parameter, torch.distributed.group.WORLD)
        assert parameter.grad is not None
        assert parameter.grad.is_coalesced()
        assert torch.equal(parameter.grad.to_dense(), dense[number])
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    print("averaged")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
