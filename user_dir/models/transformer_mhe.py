"""Transformer whose decoder predicts tokens through an output head of :mod:`mhe_nmt`."""

from __future__ import annotations

import logging
from typing import Any

import torch
from fairseq.models import register_model, register_model_architecture
from fairseq.models.transformer import TransformerConfig, TransformerDecoderBase, TransformerModel
from fairseq.models.transformer.transformer_legacy import (
    base_architecture,
    tiny_architecture,
    transformer_iwslt_de_en,
    transformer_wmt_en_de_big,
)
from torch import Tensor

from mhe_nmt.heads.base import HeadTotals, OutputHead
from mhe_nmt.heads.label_matrix import rows_change_order
from user_dir.errors import UsageError
from user_dir.head_options import (
    add_head_options,
    build_decoder_head,
    head_config,
    order_comes_from_checkpoint,
)
from user_dir.optim.sparse_rows import bring_up_to_date, check_options, make_rows_sparse, wants_sparse_rows

logger = logging.getLogger(__name__)


class TransformerMHEDecoder(TransformerDecoderBase):
    """fairseq's decoder with an output head in place of the output projection.

    Its output is ``head.log_prob``, ``(batch, length, V)``. Log-probabilities are valid logits, so everything
    in fairseq that reads a decoder's output works unchanged.
    """

    def build_output_projection(self, cfg: Any, dictionary: Any, embed_tokens: Any) -> None:
        """Builds the head that the ``--mhe-*`` options describe.

        Raises:
            UsageError: for options that ask for another output layer, or for a head that cannot be built.
        """
        if cfg.adaptive_softmax_cutoff is not None:
            raise UsageError(
                "--adaptive-softmax-cutoff asks for another output layer; leave it out, or use "
                "--arch transformer"
            )
        if cfg.base_layers:
            raise UsageError("--arch transformer_mhe does not support --base-layers; leave it out")
        self.head = build_decoder_head(cfg, self.output_embed_dim, dictionary, embed_tokens)

    def output_layer(self, features: Tensor) -> Tensor:
        """``(batch, length, d)`` to log-probabilities ``(batch, length, V)``, float32."""
        return self.head.log_prob(features)


@register_model("transformer_mhe")
class TransformerMHEModel(TransformerModel):
    """fairseq's Transformer with a multi-head output layer; train it with ``--criterion mhe_ce``."""

    @classmethod
    def hub_models(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def add_args(cls, parser: Any) -> None:
        super().add_args(parser)
        add_head_options(parser)

    @classmethod
    def build_model(cls, args: Any, task: Any) -> TransformerMHEModel:
        criterion = getattr(args, "criterion", None)
        if isinstance(criterion, str) and criterion != "mhe_ce":
            raise UsageError(
                f"--criterion {criterion} cannot train an architecture with an MHE head; "
                "use --criterion mhe_ce"
            )
        if getattr(args, "ddp_backend", None) == "fully_sharded":
            raise UsageError(
                "--ddp-backend fully_sharded is not supported, because an MHE head is small enough for every "
                "process to hold it; use c10d or legacy_ddp"
            )
        if wants_sparse_rows(args):
            check_options(args)
        model = super().build_model(args, task)
        # A checkpoint says all of its head, so that defaults may change, and what building has learned.
        for name, value in head_config(model.cfg).read_options().items():
            setattr(args, f"mhe_{name}", ",".join(map(str, value)) if isinstance(value, list) else value)
        if hasattr(model.decoder.head, "codec"):
            args.mhe_radices = ",".join(map(str, model.decoder.head.codec.radix_list))
        # Building has read the order file; its digest must travel in the checkpoint's options.
        args.mhe_label_order_sha256 = getattr(model.cfg, "mhe_label_order_sha256", None)
        if getattr(args, "mhe_share_input_embeddings", False):
            model.share_input_embeddings(task)
        if wants_sparse_rows(args):
            embeddings = [model.encoder.embed_tokens, model.decoder.embed_tokens]
            make_rows_sparse(model, model.decoder.head, embeddings)
        return model

    @classmethod
    def build_decoder(cls, args: Any, tgt_dict: Any, embed_tokens: Any) -> TransformerMHEDecoder:
        cfg = TransformerConfig.from_namespace(args)
        return TransformerMHEDecoder(cfg, tgt_dict, embed_tokens, no_encoder_attn=cfg.no_cross_attention)

    def share_input_embeddings(self, task: Any) -> None:
        """Makes the decoder read its input through the encoder's embedding table.

        Raises:
            UsageError: if the two sides have different dictionaries or embedding sizes, or if the output
                layer shares the decoder's table.
        """
        if task.source_dictionary != task.target_dictionary:
            raise UsageError(
                "--mhe-share-input-embeddings needs a joined dictionary; prepare the data with "
                "--joined-dictionary"
            )
        if self.encoder.embed_tokens.embedding_dim != self.decoder.embed_tokens.embedding_dim:
            raise UsageError(
                "--mhe-share-input-embeddings needs embeddings of one size; set --encoder-embed-dim and "
                "--decoder-embed-dim to the same number"
            )
        if self.decoder.share_input_output_embed:
            raise UsageError(
                "--mhe-share-input-embeddings together with an output layer that shares the embedding is "
                "what --share-all-embeddings does; use that alone"
            )
        self.decoder.embed_tokens = self.encoder.embed_tokens

    def forward(
        self,
        src_tokens: Tensor,
        src_lengths: Tensor,
        prev_output_tokens: Tensor,
        return_all_hiddens: bool = True,
        features_only: bool = False,
        alignment_layer: int | None = None,
        alignment_heads: int | None = None,
        target: Tensor | None = None,
        loss_weights: tuple[float, float] = (1.0, 0.0),
        reduce_loss: bool = True,
    ) -> tuple[Any, dict[str, Any]]:
        """As fairseq's Transformer; with ``target`` ``(batch, length)`` the first output is the head's loss.

        The loss is computed here so that training needs no tensor of positions times labels, and so that
        DDP sees one forward pass.

        Args:
            target: labels, padding where a position does not count.
            loss_weights: of the loss's two terms, ``-log P(target)`` and the head's smoothing term. A term of
                weight 0 is not computed.
            reduce_loss: whether to return sums over all positions, which take less memory than a loss for
                each position.

        Returns:
            ``(HeadTotals, extra)`` with ``target``: the loss in nats, and ``-log P(target)`` without
            gradient. They are scalars, or ``(batch, length)`` without ``reduce_loss``. ``extra["features"]``
            is the head's input ``(batch, length, d)``. Without ``target`` ``(output, extra)``, where the
            output is log-probabilities ``(batch, length, V)`` or, with ``features_only``, features.

        Raises:
            UsageError: if a criterion other than ``mhe_ce`` trains the model.
        """
        if target is None and self.training and not features_only:
            raise UsageError("only --criterion mhe_ce can train an architecture with an MHE head; use it")
        output, extra = super().forward(
            src_tokens,
            src_lengths,
            prev_output_tokens,
            return_all_hiddens=return_all_hiddens,
            features_only=features_only or target is not None,
            alignment_layer=alignment_layer,
            alignment_heads=alignment_heads,
        )
        if target is None:
            return output, extra
        extra["features"] = output
        head: OutputHead = self.decoder.head
        if reduce_loss:
            return head.total(output, target, *loss_weights), extra
        nll, smooth = head(output, target, smooth=loss_weights[1] != 0)
        loss = loss_weights[0] * nll
        if smooth is not None:
            loss = loss + loss_weights[1] * smooth
        return HeadTotals(loss, nll.detach()), extra

    def train(self, mode: bool = True) -> TransformerMHEModel:
        """As every module's; before evaluation, rows that ``--optimizer row_adam`` left behind catch up."""
        if not mode:
            bring_up_to_date(self)
        return super().train(mode)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As every module's, with all rows up to date."""
        bring_up_to_date(self)
        return super().state_dict(*args, **kwargs)

    def load_state_dict(
        self, state_dict: dict[str, Any], strict: bool = True, model_cfg: Any = None, args: Any = None
    ) -> Any:
        """As fairseq's; for a checkpoint that does not fit, the error says why in one sentence.

        Raises:
            UsageError: if the checkpoint has another dictionary, another head or other sharing flags.
        """
        for side, module in (("source", self.encoder), ("target", self.decoder)):
            name = "encoder" if side == "source" else "decoder"
            stored = state_dict.get(f"{name}.embed_tokens.weight")
            if stored is not None and len(stored) != module.embed_tokens.num_embeddings:
                raise UsageError(
                    f"the checkpoint was trained with {len(stored)} {side} symbols, but the dictionary has "
                    f"{module.embed_tokens.num_embeddings}; use the data folder that it was trained with"
                )
        self._check_sharing(state_dict)
        if order_comes_from_checkpoint(self.cfg):
            self.decoder.head.codec.replace_order(state_dict["decoder.head.codec.order"])
        if rows_change_order(self.decoder.head, state_dict, "decoder.head."):
            logger.info(
                "the checkpoint has its output matrix in label order, as version 0.2 did; rows are put in "
                "rank order, but an optimizer's state is not: to resume its training, add --reset-optimizer"
            )
        try:
            return super().load_state_dict(state_dict, strict=strict, model_cfg=model_cfg, args=args)
        except ValueError as error:
            radices = state_dict.get("decoder.head.codec.radices")
            option = ""
            if radices is not None and radices.tolist() != list(self.decoder.head.codec.radix_list):
                option = f": --mhe-radices {','.join(map(str, radices.tolist()))}"
            raise UsageError(f"{error}{option}") from error
        except RuntimeError as error:
            raise UsageError(
                "the checkpoint does not fit this model, whose output layer is "
                f"{' '.join(str(self.decoder.head).split())}: "
                f"{' '.join(str(error).split())[:600]}"
            ) from error

    def _check_sharing(self, state_dict: dict[str, Any]) -> None:
        """Refuses a checkpoint in which the head's matrix is shared and the model's is not, or the reverse.

        Loading it would overwrite one table with another.
        """
        table = state_dict.get("decoder.embed_tokens.weight")
        for name, parameter in self.decoder.head.named_parameters():
            stored = state_dict.get(f"decoder.head.{name}")
            if table is None or stored is None or stored.shape != table.shape:
                continue
            if torch.equal(stored, table) != (parameter is self.decoder.embed_tokens.weight):
                raise UsageError(
                    "only one of checkpoint and model shares the decoder's embedding with the output layer; "
                    "give the sharing flags that the checkpoint was trained with"
                )


register_model_architecture("transformer_mhe", "transformer_mhe")(base_architecture)
register_model_architecture("transformer_mhe", "transformer_mhe_iwslt_de_en")(transformer_iwslt_de_en)
register_model_architecture("transformer_mhe", "transformer_mhe_wmt_en_de")(base_architecture)
register_model_architecture("transformer_mhe", "transformer_mhe_wmt_en_de_big")(transformer_wmt_en_de_big)
register_model_architecture("transformer_mhe", "transformer_mhe_tiny")(tiny_architecture)


@register_model_architecture("transformer_mhe", "transformer_mhe_small")
def transformer_mhe_small(args: Any) -> None:
    """Three encoder and three decoder layers of size 256: trains on a laptop."""
    for side in ("encoder", "decoder"):
        for name, value in (
            ("embed_dim", 256),
            ("ffn_embed_dim", 1024),
            ("attention_heads", 4),
            ("layers", 3),
        ):
            setattr(args, f"{side}_{name}", getattr(args, f"{side}_{name}", value))
    base_architecture(args)
