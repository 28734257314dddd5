"""fairseq plug-in: ``fairseq-train --user-dir user_dir --arch transformer_mhe --criterion mhe_ce …``.

fairseq imports ``models/`` and ``tasks/`` by itself, and again in its worker processes. The imports here make
a plain ``import user_dir`` register the same things, criterions included.

Importing the package, by whichever way, changes the Python process as follows. Importing it again changes
nothing more.

Registered in fairseq:

* the model ``transformer_mhe`` and its architectures ``transformer_mhe``, ``transformer_mhe_iwslt_de_en``,
  ``transformer_mhe_wmt_en_de``, ``transformer_mhe_wmt_en_de_big``, ``transformer_mhe_tiny`` and
  ``transformer_mhe_small``;
* the criterion ``mhe_ce``;
* the optimizer ``row_adam``;
* the task ``translation_mhe``.

Replaced in fairseq (:mod:`.repairs`), for all models, whether they have an MHE head or not:

* ``data.data_utils.batch_by_size`` keeps the last batch, whatever its size;
* ``ngram_repeat_block.NGramRepeatBlock._no_repeat_ngram`` blocks n-grams without the CUDA extension;
* ``search.DiverseBeamSearch.step`` works beyond the first batch;
* ``models.transformer.TransformerDecoderBase.upgrade_state_dict_named`` adds no output projection to decoders
  that have none;
* ``checkpoint_utils.load_checkpoint`` reads the checkpoint in every process of a distributed training;
* ``models.ema.ema.EMA`` copies integers of a model's state instead of averaging them;
* ``nan_detector.NanDetector`` looks for what is no number in the forward pass and in gradients.

Changed in how checkpoints load (:mod:`.checkpoint_loading`):

* ``torch.serialization.add_safe_globals`` allows ``argparse.Namespace`` and the few numpy types that
  fairseq's checkpoints hold; ``weights_only`` stays True;
* ``fairseq.checkpoint_utils.load_checkpoint_to_cpu`` raises :class:`.errors.UsageError`, which names the file
  and the reason, where a checkpoint cannot be read.

Changed in Python (:mod:`.errors`):

* ``sys.excepthook`` prints one sentence, and no traceback, for errors that the user can fix. All other
  errors go to the hook that was there before. With the environment variable ``MHE_TRACEBACK`` set, all do.
"""

from user_dir import checkpoint_loading, errors, repairs
from user_dir.criterions import mhe_ce
from user_dir.models import transformer_mhe
from user_dir.optim import row_adam
from user_dir.tasks import translation_mhe

repairs.install()
checkpoint_loading.install()
errors.install_hook()

__all__ = ["mhe_ce", "row_adam", "transformer_mhe", "translation_mhe"]
