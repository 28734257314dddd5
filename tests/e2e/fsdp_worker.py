"""One of two CPU processes of torch's FSDP2: ``fsdp_worker.py RANK ADDRESS``.

Shards every head, and compares each of its verbs with those of a whole copy. Prints the names of the heads
that agree.
"""

from __future__ import annotations

import copy
import sys

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

from mhe_nmt import OutputHead, build_head
from mhe_nmt.heads.base import VERBS

HEADS = {
    "full softmax": build_head("onehot", 8, 40),
    "product": build_head("product", 8, 40),
    "product, 3 groups": build_head("product", 8, 40, groups=3),
    "cascade by table": build_head("cascade", 8, 40, radices=(7, 6)),
    "cascade by digit": build_head("cascade", 8, 40, conditioning="digit"),
    "sampling": build_head("sampling", 8, 40),
}


def compare(head: OutputHead) -> None:
    """Fails if a verb of the sharded head gives something else than the head before."""
    whole = copy.deepcopy(head).eval()
    fully_shard(head.eval(), mesh=init_device_mesh("cpu", (2,)))
    for verb in VERBS:
        register_fsdp_forward_method(head, verb)
    features, target = torch.randn(5, 8), torch.randint(0, 40, (5,))
    losses = [each.loss(features, target) for each in (head, whole)]
    torch.testing.assert_close(*losses)
    for loss in losses:
        loss.backward()
    for sharded, parameter in zip(head.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(sharded.grad.full_tensor(), parameter.grad)
    with torch.no_grad():
        torch.testing.assert_close(head.topk(features, 3), whole.topk(features, 3))
        assert torch.equal(head.predict(features), whole.predict(features))
        torch.testing.assert_close(head.log_prob(features), whole.log_prob(features))
        shared = head.precompute(features)
        found = head.score(features, target.unsqueeze(-1), shared)
        torch.testing.assert_close(found, whole.score(features, target.unsqueeze(-1)))
        scores = torch.randn(1, 5)
        found, expected = (each.beam_topk(features.unsqueeze(0), scores, 4) for each in (head, whole))
        torch.testing.assert_close(found, expected)


def main(rank: int, address: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    for name, head in HEADS.items():
        torch.manual_seed(1)
        head.reset_parameters()
        compare(head)
        print(name, flush=True)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
