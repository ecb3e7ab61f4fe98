"""The one training loop: updates over micro-batches, what is saved on the way, and an answer where something fails."""

import math
import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from time import monotonic
from typing import Any, cast

import torch
from accelerate.utils.memory import clear_device_cache
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from transformers import PreTrainedModel

from switchtune.errors import Stopped
from switchtune.examples import Key
from switchtune.models.forward import Batch
from switchtune.models.layout import IGNORED_LABEL
from switchtune.training.checkpoints import Checkpoint, checkpoint_folder, mark_complete, prune, sound_or_removed
from switchtune.training.curve import Curve, of_set
from switchtune.training.distributed import from_all, largest, on_first, rank, size, summed, wait
from switchtune.training.failures import Failures, FiniteWatch
from switchtune.training.job import Job
from switchtune.training.memory import is_out_of_memory, micro_batches
from switchtune.training.optimizers import learning_rate_factor, make_optimizer, skips_by_itself, warmup_updates
from switchtune.training.precision import compute_dtype, computing_in
from switchtune.training.recorder import Recorder, labelled
from switchtune.training.state import TrainingState, random_state, set_random_state
from switchtune.training.stopping import StopRequest, heeding


class Loop:
    """The updates of a stage."""

    def __init__(self, job: Job, model: PreTrainedModel, curve: Curve, device: torch.device) -> None:
        """Make the optimizer, and spread the model (the job's, or this process's share of it) over the group."""
        self.update = 0
        """Updates done."""
        self._job, self._settings, self._model, self._device = job, job.settings, model, device
        self._recorder = Recorder(job, curve, device)
        self._tally = self._recorder.tally
        self._failures = Failures(job, self._recorder)
        self._dtype = compute_dtype(job.settings, job.family, device)
        self._optimizer = make_optimizer(job.choice, job.settings, model)
        self._scaler = torch.amp.GradScaler(device.type) if self._dtype == torch.float16 else None
        self._state = TrainingState(model, self._optimizer, self._scaler, device)
        self._wrapped: torch.nn.Module = model
        if size() > 1 and not job.sharded:
            self._wrapped = DistributedDataParallel(model, [device.index] if device.type == "cuda" else None)
        shortest = job.objective.batch([(0, int(job.plan.longest.argmin()))])
        self._nothing = {**shortest, "labels": torch.full_like(shortest["labels"], IGNORED_LABEL)}
        self._watch = FiniteWatch(self._failures.tell_left_out)
        self._request = StopRequest()
        self._saved_at = monotonic()

    def run(self, checkpoint: Checkpoint | None) -> int:
        """Train to the last update, or until the patience ends; returns the updates done.

        Raises Stopped where a signal came to any process of the group; all end with the same update and a checkpoint.
        """
        with heeding() as self._request:
            self._model.train()
            if checkpoint is not None:
                self.update = checkpoint.update
                if sums := self._recorder.curve.sums(self.update)[rank() :: size()]:
                    self._tally.go_on_from([sum(numbers) for numbers in zip(*sums, strict=True)])
                self._state.load(checkpoint.path)
            elif self._job.valid:
                self._evaluate()
                if self._settings.keep == "best":
                    # What a former stage trained may be better than all that comes of this one.
                    self._save(regular=True)
            batches = self._batches()
            done = self.update == self._job.updates or self._recorder.exhausted()
            self._tally.resume()
            try:
                while not done:
                    self._train(list(islice(batches, self._job.plan.parts)))
                    done = self._after_update()
            finally:
                # Its workers end with it, and heed no signal: left to an error's traceback they would outlive the rest.
                del batches
            (number,) = largest(self._request.signal)
            if number:
                path = checkpoint_folder(self._job.folder, self.update)
                done_of = f"{self.update:,} of {self._job.updates:,}"
                self._recorder.tell(f"stopped after update {done_of}; a checkpoint is at {path}")
                raise Stopped(128 + number)
        return self.update

    def _batches(self) -> Iterator[Batch]:
        workers = self._settings.workers
        loader: DataLoader[Any] = DataLoader(
            cast("Any", _Keys()),
            batch_sampler=replace(self._job.plan, first=self.update),
            # A process without examples takes part in what all compute together.
            collate_fn=lambda keys: self._job.objective.batch(keys) if keys else self._nothing,
            num_workers=workers,
            # Examples are closures over memory-mapped tables: only forked workers can have them.
            multiprocessing_context=multiprocessing.get_context("fork") if workers else None,
            worker_init_fn=_ignore_signals,
            pin_memory=self._device.type == "cuda",
            # Its own, so that starting it takes nothing from the random state that dropout draws from.
            generator=torch.Generator(),
        )
        return iter(loader)

    def _train(self, batches: Sequence[Batch]) -> None:
        """One update; where memory runs out, it is computed anew in smaller micro-batches."""
        labels = [labelled(batch) for batch in batches]
        for batch, count in zip(batches, labels, strict=True):
            self._tally.add_positions(batch, count)
        count = int(summed(torch.tensor(sum(labels))))
        batches = [_on_device(batch, self._device) for batch in batches]
        random, losses = random_state(self._device), self._tally.losses.clone()
        while (too_large := self._add_gradients(batches, count)) is not None:
            self._failures.tell_too_large(self.update + 1, too_large)
            # What the failed one left behind cannot be told from what those before it gave: all of them once more.
            self._optimizer.zero_grad()
            clear_device_cache(garbage_collection=True)
            set_random_state(random, self._device)
            self._tally.losses.copy_(losses)
        self._step(batches, losses)

    def _add_gradients(self, batches: Sequence[Batch], count: int) -> Batch | None:
        """Compute the gradients of an update with so many labels; returns a part that did not fit in memory."""
        wrapped: Any = self._wrapped
        limit = self._recorder.curve.too_large
        parts = [part for batch in batches for part in micro_batches(batch, limit)]
        for number, part in enumerate(parts, 1):
            # FSDP sums up shares every time: to put that off would take the memory of whole gradients.
            waits = number < len(parts) and isinstance(wrapped, DistributedDataParallel)
            try:
                with wrapped.no_sync() if waits else nullcontext():
                    with computing_in(self._dtype, self._device):
                        sums = wrapped(**part, label_smoothing=self._settings.label_smoothing)
                    self._tally.losses += torch.stack((sums.loss.detach(), sums.nll, sums.tokens))
                    # Gradients are averaged over the processes, where the mean over all labels needs their sum.
                    loss = sums.loss * size() / count
                    (loss if self._scaler is None else self._scaler.scale(loss)).backward()
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                self._failures.require_divisible(self.update + 1, part, error)
                # The error holds what the failed micro-batch had computed, until this block is left.
                return part
        return None

    def _step(self, batches: Sequence[Batch], losses_before: torch.Tensor) -> None:
        """Move the weights; where gradients are not finite, the update is left out."""
        optimizer, scaler = self._optimizer, self._scaler
        for group in optimizer.param_groups:
            group["lr"] = self._learning_rate(self.update)
        if scaler is not None:
            scaler.unscale_(optimizer)
        # The norm is needed in any case, to see whether it is finite.
        norm = torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._settings.clip_norm or math.inf)
        bad = ~(norm.full_tensor() if isinstance(norm, DTensor) else norm).isfinite()
        finite_loss = self._tally.losses.isfinite().all()
        self._tally.losses.copy_(torch.where(bad, losses_before, self._tally.losses))
        if scaler is not None:
            # It leaves the update out, and tries a smaller scale: no fault while there is one, and a loss.
            bad = bad & (~finite_loss | (scaler.get_scale() <= 1))
            scaler.step(optimizer)
            scaler.update()
        else:
            if skips_by_itself(optimizer):
                setattr(optimizer, "found_inf", bad.float())  # noqa: B010 - known to the kernels, not to the types
            elif bad:
                # Without a gradient a weight is passed over.
                optimizer.zero_grad()
            optimizer.step()
        optimizer.zero_grad()
        self.update += 1
        self._watch.add(self.update, bad, batches)

    def _learning_rate(self, done: int) -> float:
        updates, settings = self._job.updates, self._settings
        warmup = warmup_updates(settings, updates)
        factor = learning_rate_factor(done, updates=updates, warmup=warmup, schedule=settings.schedule)
        return self._job.choice.lr * factor

    def _after_update(self) -> bool:
        """Report, log, evaluate and save what is due; returns whether the training is over."""
        settings, updates = self._settings, self._job.updates
        last = self.update == updates
        self._recorder.report(self.update, now=last)
        regular = last or self.update % settings.checkpoint_every == 0
        evaluates = last or self.update % settings.evaluate_every == 0 or (regular and settings.keep == "best")
        minutes = settings.checkpoint_minutes
        late = rank() == 0 and minutes is not None and monotonic() - self._saved_at >= 60 * minutes
        asked, due = largest(self._request.signal, late)
        if regular or evaluates or self.update % logging_interval(updates) == 0:
            self._watch.settle()
            self._recorder.add_training(self.update, self._learning_rate(self.update - 1))
        if evaluates and self._job.valid:
            self._evaluate()
        ended = last or self._recorder.exhausted()
        if regular or ended or asked or due:
            self._save(regular=regular or ended)
        return bool(ended or asked)

    def _evaluate(self) -> None:
        job = self._job
        self._tally.pause()
        self._model.eval()
        sums = torch.zeros(len(job.valid), 2, device=self._device)
        batches = [(number, batch) for number, each in enumerate(job.valid.values()) for batch in each]
        # As many batches in every process, as some computations are common to all.
        own = [*batches[rank() :: size()], (0, self._nothing)][: math.ceil(len(batches) / size())]
        with torch.no_grad(), computing_in(self._dtype, self._device):
            for number, batch in own:
                sums[number] += job.objective.measure(self._model, _on_device(batch, self._device))
        of_sets = summed(sums)
        total, count = of_sets.sum(0).tolist()
        if not math.isfinite(total):
            raise self._failures.of_validation(self.update)
        measure = job.objective.validated
        entry: dict[str, float] = {measure: total / count}
        if len(job.valid) > 1:
            means = (of_sets[:, 0] / of_sets[:, 1]).tolist()
            entry |= {of_set(measure, name): mean for name, mean in zip(job.valid, means, strict=True)}
        if job.chrf is not None:
            entry["valid_chrf"] = on_first(job.chrf)
        self._recorder.add_validation(self.update, entry)
        self._model.train()
        self._tally.resume()

    def _save(self, *, regular: bool) -> None:
        """Write a checkpoint, and remove what it makes superfluous."""
        job, update = self._job, self.update
        self._watch.settle()
        self._tally.pause()
        if not regular:
            self._recorder.add(update, {"sums": from_all(self._tally.numbers())})
        path = checkpoint_folder(job.folder, update)
        with sound_or_removed(path):
            self._state.save(path)
        wait()
        if rank() == 0:
            score = dict(self._recorder.scores()).get(update) if regular else None
            identity = (job.identity.inputs, job.identity.model)
            mark_complete(Checkpoint(path, update, score, *identity, processes=size(), between=not regular))
            newest = None if self._settings.snapshots else self._settings.average
            prune(job.folder, keep_best=self._settings.keep == "best", keep_newest=newest)
        wait()
        self._saved_at = monotonic()
        self._tally.resume()


def logging_interval(updates: int) -> int:
    """Updates between two training entries of the curve: some two hundred of them in a short stage."""
    return min(50, max(1, updates // 200))


def _on_device(batch: Batch, device: torch.device) -> Batch:
    return {name: values.to(device, non_blocking=device.type == "cuda") for name, values in batch.items()}


class _Keys:
    """What the plan names an example by is all that is known of it until a batch is made."""

    def __getitem__(self, key: Key) -> Key:
        return key


def _ignore_signals(worker: int) -> None:
    """Have a data worker outlive a signal to the whole group: the update in progress needs its batches."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
