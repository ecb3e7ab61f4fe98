"""Beam search by CTranslate2: several times as fast on a CPU, from a converted copy of the model.

The search is the one of transformers as far as CTranslate2 has it: the same candidates at every step, the same score of
a hypothesis (sum of log probabilities / tokens ** length_penalty, where the end of the sentence and a forced language
tag count as tokens), the same forced tokens and longest outputs. They differ in when they stop. transformers goes on
until no running hypothesis, at its present length, beats the worst of the best `beams` finished ones; CTranslate2 until
`beams` × patience hypotheses are finished. With a patience of 2 the outputs are nearly always the same. And after a
forced tag CTranslate2 takes an empty output only where the end of the sentence is the likeliest token of all.
"""

import os
import tempfile
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import torch

from switchtune.config.training import ComputeType, GenerationSettings
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.files import atomic_path, is_own, read_json, readable, write_json
from switchtune.generation.search import BatchOutputs, ct2_options
from switchtune.models.families import Family
from switchtune.models.files import explained
from switchtune.models.forward import longest_first
from switchtune.models.layout import Layout, token_ids
from switchtune.models.load import Loaded, load_layout, load_model, model_fingerprint
from switchtune.run_dir import RunDir

_VOCABULARY = "shared_vocabulary.json"

_SINUSOIDAL_POSITIONS = 4096
"""Rows of the table of positions of NLLB and M2M-100. transformers extends it as it goes, CTranslate2 cannot."""

_TOKENS_ON_CPU = 512
"""Largest batch on a CPU, in source tokens: smaller ones are faster there, for their scores over the vocabulary stay in
the caches, and one a thread can be searched at a time."""

_CONVERSION_SECONDS = 1800.0
"""How long to wait for another process that is converting the same model."""

_Job: TypeAlias = tuple[list[int], int]
"""Indices of the sources of a batch, and the longest output of all of them."""


@dataclass(frozen=True)
class Converted:
    """A model in CTranslate2's form, with the layout that joins it to its tokenizer."""

    translator: Any
    """ctranslate2's `Translator`."""
    layout: Layout
    """Its positions are those of the converted model."""
    tokens: tuple[str, ...]
    """The name of each id in CTranslate2's vocabulary."""

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each name."""
        return {token: number for number, token in enumerate(self.tokens)}

    def start(self, target_language: str) -> list[str]:
        """The decoder start where it depends on the language; else nothing: the converted model has it."""
        by_language = self.layout.family.decoder_start == "target"
        return self._token(target_language, "decoder_start_token_id") if by_language else []

    def prefix(self, target_language: str) -> list[str]:
        """What a search is given to begin with: the start and what is forced."""
        return [*self.start(target_language), *self.forced(target_language)]

    def forced(self, target_language: str) -> list[str]:
        """The tokens after the decoder start that are forced; outputs begin with them."""
        return self._token(target_language, "forced_bos_token_id")

    def _token(self, target_language: str, setting: str) -> list[str]:
        number = self.layout.generation_settings(target_language)[setting]
        return [] if number is None else [self.tokens[number]]

    def in_ids(self, tokens: Iterable[str]) -> list[int]:
        # CTranslate2 gives nothing, not even an end, for an mBART source of special tokens alone.
        return [self.ids[token] for token in tokens] or [self.layout.eos_id]


def ct2() -> Any:
    """The package `ctranslate2`, which is imported only where it is used."""
    try:
        import ctranslate2
    except ImportError as error:
        raise UsageError(
            f"CTranslate2 cannot be imported ({error}). Install it (pip install 'switchtune[ct2]'), "
            "or translate with the engine transformers."
        ) from error
    return ctranslate2


def convert(loaded: Loaded, folder: Path, *, int8: bool = False) -> None:
    """Write a model in CTranslate2's form: `model.bin`, `config.json`, `shared_vocabulary.json`; in 8 bits for `int8`.

    Raises SwitchtuneError where CTranslate2 has no model of this shape.
    """
    ct2()
    spec = _spec(loaded)
    # CTranslate2 reads weights by their address in this machine's memory, and quantizes them where they stand.
    _to_cpu(spec, copied=int8)
    folder.mkdir(parents=True, exist_ok=True)
    spec.validate()
    spec.optimize(quantization="int8" if int8 else "float32")
    spec.save(str(folder))


def open_converted(
    folder: Path, layout: Layout, compute_type: ComputeType | None = None, *, remedy: str | None = None
) -> Converted:
    """Load a folder that `convert` wrote, on the GPU where there is one. The folder may then be removed.

    Args:
        layout: of the model that was converted.
        compute_type: what to compute in; None: what the weights were written in.
        remedy: what to do where a file is damaged.

    Raises UsageError where it cannot be computed in this type here.
    """
    package, on_gpu = ct2(), torch.cuda.is_available()
    device = "cuda" if on_gpu else "cpu"
    types = sorted(package.get_supported_compute_types(device))
    if compute_type not in (None, *types):
        raise UsageError(
            f"compute_type {compute_type} is not supported here; this machine's {device} supports: {', '.join(types)}."
        )
    files = ("model.bin", "config.json", _VOCABULARY)
    with explained(str(folder), *files, remedy=remedy):
        for name in files:
            readable(folder / name, remedy=remedy or "")
        translator = package.Translator(
            str(folder),
            device=device,
            device_index=torch.cuda.current_device() if on_gpu else 0,
            compute_type=compute_type or "default",
            # One batch a thread: the matrices of a batch are too small to be shared out among threads.
            inter_threads=1 if on_gpu else torch.get_num_threads(),
            intra_threads=1,
        )
        tokens = tuple(read_json(folder / _VOCABULARY, remedy=remedy or ""))
        if len(tokens) <= max(token_ids(layout.tokenizer).values()):
            raise ValueError(f"{_VOCABULARY} has {len(tokens):,} tokens, the tokenizer more")
        # Some of its settings are read when they are first needed.
        some, end = tokens[len(tokens) // 2], tokens[layout.eos_id]
        translator.translate_batch([[some, end]], target_prefix=[[end]], beam_size=1, max_decoding_length=2)
    if layout.family.positions == "sinusoidal":
        layout = replace(layout, positions=_SINUSOIDAL_POSITIONS)
    return Converted(translator, layout, tokens)


@contextmanager
def converted(loaded: Loaded, compute_type: ComputeType) -> Iterator[Converted]:
    """A model in CTranslate2's form, by way of a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="switchtune-ct2-") as folder:
        convert(loaded, Path(folder))
        yield open_converted(Path(folder), loaded.layout, compute_type)


def load_converted(path: str, compute_type: ComputeType) -> Converted:
    """Load a model, of a folder or the Hub, in CTranslate2's form. That of a folder `DIR` is kept in `DIR.ct2`, until
    the model changes; nothing is kept of one from the Hub, or where `DIR.ct2` cannot be written or holds something
    else.
    """
    ct2()
    folder = Path(os.path.realpath(path))
    cache = folder.with_name(f"{folder.name}.ct2")
    if not (folder.is_dir() and os.access(folder.parent, os.W_OK) and (is_own(cache) or not cache.exists())):
        with converted(load_model(path), compute_type) as model:
            return model
    mark = {"made_from": model_fingerprint(path), "ctranslate2": ct2().__version__}
    with RunDir(folder.parent).lock(cache.name, patience_seconds=_CONVERSION_SECONDS):
        made = cache / "made_from.json"
        if not made.exists() or read_json(made) != mark:
            with atomic_path(cache) as temporary:
                convert(load_model(path), temporary)
                write_json(temporary / made.name, mark)
        return open_converted(cache, load_layout(path), compute_type, remedy=f"Remove {cache}: it is made again.")


def search_by_ct2(
    model: Converted,
    sources: Sequence[Sequence[int]],
    limits: Sequence[int],
    target_language: str,
    settings: GenerationSettings,
) -> Iterator[BatchOutputs]:
    """The best output of each source, batch by batch; as many batches at a time as the translator has workers.

    CTranslate2 has one longest output for a batch: that of its longest sentence. A search that was over before it came
    to its sentence's own limit is the search with that limit; the others are made again, with those of the same limit.
    `sources` are encoder inputs, `limits` their longest outputs in tokens without the decoder start.
    """
    lengths = [len(ids) for ids in sources]
    budget = settings.tokens_per_batch
    if model.translator.device == "cpu":
        budget = min(budget, _TOKENS_ON_CPU)
    prefix, options = model.prefix(target_language), ct2_options(settings)

    def begun(job: _Job) -> tuple[_Job, list[Any]]:
        indices, limit = job
        return job, model.translator.translate_batch(
            [[model.tokens[number] for number in sources[index]] for index in indices],
            target_prefix=[prefix] * len(indices),
            **options,
            max_decoding_length=limit,
            return_end_token=True,
            asynchronous=True,
        )

    def searched(jobs: Iterable[_Job]) -> Iterator[tuple[_Job, list[Any]]]:
        remaining = map(begun, jobs)
        searching = deque(islice(remaining, model.translator.num_translators))
        while searching:
            searching.extend(islice(remaining, 1))  # which is searched meanwhile
            job, results = searching.popleft()
            yield job, [result.result() for result in results]

    cut: dict[int, list[int]] = defaultdict(list)
    first = ((batch, max(limits[index] for index in batch)) for batch in longest_first(lengths, budget))
    for (batch, limit), results in searched(first):
        done = []
        for index, result in zip(batch, results, strict=True):
            # The hypothesis that ended the search is among those given back, and is the longest of all.
            if limits[index] < limit and max(map(len, result.hypotheses)) >= limits[index]:
                cut[limits[index]].append(index)
            else:
                done.append((index, model.in_ids(result.hypotheses[0])))
        yield done
    again = (
        ([indices[row] for row in batch], limit)
        for limit, indices in cut.items()
        for batch in longest_first([lengths[index] for index in indices], budget)
    )
    for (batch, _), results in searched(again):
        yield [(index, model.in_ids(result.hypotheses[0])) for index, result in zip(batch, results, strict=True)]


def token_log_probabilities(
    model: Converted, sources: Sequence[Sequence[int]], outputs: Sequence[Sequence[int]], target_language: str
) -> list[list[float]]:
    """The log probability of each token of each output, as it is scored given its source and the tokens before it."""
    start = model.start(target_language)
    scored = model.translator.score_batch(
        [[model.tokens[number] for number in ids] for ids in sources],
        # An end of the sentence is added to every output, whether it has one or not.
        [[*start, *(model.tokens[number] for number in ids)] for ids in outputs],
        max_input_length=0,
    )
    return [list(result.log_probs[: len(ids)]) for result, ids in zip(scored, outputs, strict=True)]


def _spec(loaded: Loaded) -> Any:
    """CTranslate2's description of a model, with its weights.

    CTranslate2's own converter reads settings that transformers 5 no longer has (mBART) or gives another sense (the
    ties of mT5), and a checkpoint on the disk. Its loaders for the layers are used; what stands around them is here.
    """
    from ctranslate2.converters import transformers as loaders
    from ctranslate2.specs.model_spec import OPTIONAL

    model: Any = loaded.model
    config, layout = model.config, loaded.layout
    with torch.no_grad():
        loader = _loader(loaders, layout.family)
        if layout.family.positions == "relative":
            spec = loader.get_model_spec(model)
            spec.decoder.scale_outputs = OPTIONAL  # which T5 does before a tied output matrix, and none of the families
            spec.config.layer_norm_epsilon = config.layer_norm_epsilon
        else:
            if config.encoder_attention_heads != config.decoder_attention_heads:
                raise SwitchtuneError(
                    f"CTranslate2 has no model with {config.encoder_attention_heads} heads in its encoder and "
                    f"{config.decoder_attention_heads} in its decoder. Translate with the engine transformers."
                )
            learned = layout.family.positions == "learned"
            described = SimpleNamespace(
                config=SimpleNamespace(
                    encoder_layers=config.encoder_layers,
                    decoder_layers=config.decoder_layers,
                    encoder_attention_heads=config.encoder_attention_heads,
                    activation_function=config.activation_function,
                    normalize_before=True,
                    normalize_embedding=learned,
                ),
                model=model.model,
                lm_head=model.lm_head,
                final_logits_bias=getattr(model, "final_logits_bias", None),
            )
            spec = loader.get_model_spec(described)
            if not learned:
                for side, module in ((spec.encoder, model.model.encoder), (spec.decoder, model.model.decoder)):
                    table = module.embed_positions
                    count = _SINUSOIDAL_POSITIONS + table.offset
                    rows = table.get_embedding(count, table.embedding_dim, table.padding_idx)
                    side.position_encodings.encodings = rows[table.offset :]
    seen: dict[str, None] = {}
    for number, token in enumerate(layout.tokens(range(len(model.get_input_embeddings().weight)))):
        seen[f"<row {number}>" if token in seen else token] = None  # a row may have no token of its own
    tokens = list(seen)
    spec.register_source_vocabulary(tokens)
    spec.register_target_vocabulary(tokens)
    spec.config.bos_token = tokens[
        layout.pad_id if layout.tokenizer.bos_token_id is None else layout.tokenizer.bos_token_id
    ]
    spec.config.eos_token = tokens[layout.eos_id]
    spec.config.unk_token = tokens[layout.tokenizer.unk_token_id]
    slot = layout.family.decoder_start
    start = None if slot == "target" else getattr(layout.tokenizer, f"{slot}_token_id")
    spec.config.decoder_start_token = None if start is None else tokens[start]
    return spec


def _loader(loaders: Any, family: Family) -> Any:
    """What reads the layers of a family's models; raises UsageError where this CTranslate2 does not know them."""
    if not hasattr(loaders, family.ct2_loader):
        raise UsageError(
            f"CTranslate2 {ct2().__version__} does not know {family.published[0]}; version 4.8.5 does. Update it "
            "(pip install -U ctranslate2), or translate with the engine transformers."
        )
    return getattr(loaders, family.ct2_loader)()


def _to_cpu(spec: Any, *, copied: bool) -> None:
    """Bring a description's weights to the CPU, in float32; weights that are one stay one."""
    from ctranslate2.specs.model_spec import visit_spec

    moved: dict[tuple[int, torch.Size], torch.Tensor] = {}

    def move(layer: Any, name: str, value: Any) -> None:
        if isinstance(value, torch.Tensor):
            key = (value.data_ptr(), value.shape)
            if key not in moved:
                moved[key] = value.detach().to("cpu", torch.float32, copy=copied)
            setattr(layer, name.rpartition("/")[2], moved[key])

    visit_spec(spec, move)
