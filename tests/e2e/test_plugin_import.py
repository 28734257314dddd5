"""The plug-in changes fairseq once, however often and from wherever it is imported."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

from fairseq import checkpoint_utils, utils
from fairseq.data import data_utils
from fairseq.models import ARCH_MODEL_REGISTRY

import user_dir
from tests.user_dir.fairseq_commands import USER_DIR, script

ARCHITECTURES = {
    "transformer_mhe", "transformer_mhe_iwslt_de_en", "transformer_mhe_wmt_en_de",
    "transformer_mhe_wmt_en_de_big", "transformer_mhe_tiny", "transformer_mhe_small",
}  # fmt: skip


def test_importing_again_changes_nothing() -> None:
    wrapped = data_utils.batch_by_size, checkpoint_utils.load_checkpoint_to_cpu
    user_dir.errors.install_hook()
    previous = user_dir.errors._previous_hook
    assert importlib.import_module("user_dir") is user_dir
    for _ in range(2):
        utils.import_user_module(SimpleNamespace(user_dir=str(USER_DIR)))
        user_dir.repairs.install()
        user_dir.checkpoint_loading.install()
        user_dir.errors.install_hook()
    assert (data_utils.batch_by_size, checkpoint_utils.load_checkpoint_to_cpu) == wrapped
    assert user_dir.errors._previous_hook is previous is not sys.excepthook
    assert ARCH_MODEL_REGISTRY.keys() >= ARCHITECTURES


def test_a_plain_import_from_anywhere_registers_everything(tmp_path: Path) -> None:
    """Scripts and notebooks that load a checkpoint themselves import the installed project like this."""
    program = (
        "import user_dir, user_dir\n"
        "from fairseq.models import ARCH_MODEL_REGISTRY as models\n"
        "from fairseq.criterions import CRITERION_REGISTRY as criterions\n"
        "print(sorted(name for name in models if 'mhe' in name), 'mhe_ce' in criterions)\n"
    )
    finished = script("python", "-c", program, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines()[-1] == f"{sorted(ARCHITECTURES)} True"
