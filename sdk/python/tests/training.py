"""A small training for checkpoint_test.py: `training.py numpy|torch`. Says when it begins, and its weights' digest."""
import hashlib
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

EPOCHS = 3
STEP_S = 0.02
DUE_AFTER_S = 0.05


def with_numpy():
    import numpy

    from fallow.checkpoint import Batches, Checkpoint

    class Momentum:
        def __init__(self):
            self.velocity = numpy.zeros(8)

        def state_dict(self):
            return {"velocity": self.velocity}

        def load_state_dict(self, state):
            self.velocity = state["velocity"]

    numpy.random.seed(3)
    inputs = numpy.random.randn(200, 8)
    targets = inputs @ numpy.arange(8.0)
    model, momentum = {"weights": numpy.random.randn(8)}, Momentum()
    chance = numpy.random.default_rng(5)
    data = Batches(list(zip(inputs, targets)), 10, seed=4)
    checkpoint = Checkpoint(model=model, optimizer=momentum, data=data, chance=chance, due_after_s=DUE_AFTER_S)
    begin(checkpoint)
    for x, y in data.epochs(EPOCHS):
        noise = numpy.random.randn(8) * random.random() + chance.normal(size=8)  # whose states move along
        gradient = x.T @ (x @ model["weights"] - y) / len(y) + noise * 0.01
        momentum.velocity = 0.9 * momentum.velocity + gradient
        model["weights"] = model["weights"] - 0.01 * momentum.velocity
        step_done(checkpoint)
    return model["weights"].tobytes()


def with_torch():
    import torch

    from fallow.torch import Checkpoint, DataLoader

    torch.set_num_threads(1)
    torch.manual_seed(3)
    inputs = torch.randn(200, 8)
    dataset = torch.utils.data.TensorDataset(inputs, inputs.sum(1, keepdim=True))
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Dropout(0.2), torch.nn.ReLU(), torch.nn.Linear(16, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 15)
    data = DataLoader(dataset, 10, seed=4, num_workers=1)
    checkpoint = Checkpoint(model=model, optimizer=optimizer, scheduler=scheduler, data=data, due_after_s=DUE_AFTER_S)
    begin(checkpoint)
    for x, y in data.epochs(EPOCHS):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
        scheduler.step()
        step_done(checkpoint)
    return b"".join(parameter.detach().numpy().tobytes() for parameter in model.parameters())


def begin(checkpoint):
    random.seed(6)
    print("goes on" if checkpoint.restore() else "begins", flush=True)


def step_done(checkpoint):
    time.sleep(STEP_S)
    checkpoint.save_when_due()


if __name__ == "__main__":
    weights = {"numpy": with_numpy, "torch": with_torch}[sys.argv[1]]()
    print("weights", hashlib.blake2b(weights).hexdigest(), flush=True)
