"""Checkpoints for PyTorch: fallow.checkpoint with a DataLoader that keeps its place.

    from fallow.torch import Checkpoint, DataLoader

    data = DataLoader(dataset, batch_size=32, seed=1, num_workers=2)
    checkpoint = Checkpoint(model=model, optimizer=optimizer, data=data)
"""
from typing import Any, Iterator

import torch.utils.data  # type: ignore[import-not-found,unused-ignore]

from .checkpoint import Batches, Checkpoint, CheckpointError, default_folder

__all__ = ["Checkpoint", "CheckpointError", "DataLoader", "default_folder"]


class DataLoader(Batches):
    """Batches over torch.utils.data.DataLoader, which gets `options` (num_workers, pin_memory, collate_fn ...).

    What its workers have fetched ahead does not count: the place is behind the last batch that was given out.
    """

    def __init__(self, dataset: Any, batch_size: int = 1, *, shuffle: bool = True, seed: int = 0,
                 drop_last: bool = False, **options: Any):
        super().__init__(dataset, batch_size, shuffle=shuffle, seed=seed, drop_last=drop_last)
        self._options = options

    def _rest(self) -> Iterator[Any]:
        # Seeds of the workers come from a generator of our own: the global one is the model's alone.
        generator = torch.Generator()
        generator.manual_seed(self.seed * 1_000_003 + self.epoch)
        yield from torch.utils.data.DataLoader(self.dataset, batch_sampler=self.indices(), generator=generator,
                                               **self._options)
