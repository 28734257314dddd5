"""fairseq plug-in: ``fairseq-train --user-dir user_dir --arch transformer_mhe --criterion mhe_ce …``.

fairseq imports ``models/`` by itself, and again in workers; the imports here make a plain ``import user_dir``
register the same things, criterions included.
"""

from user_dir import checkpoints, errors, repairs
from user_dir.criterions import mhe_ce
from user_dir.models import transformer_mhe
from user_dir.tasks import translation_mhe

repairs.install()
checkpoints.install()
errors.install_hook()

__all__ = ["mhe_ce", "transformer_mhe", "translation_mhe"]
