"""A small training for checkpoint_test.py: `training.py numpy|torch`. Prints each save, and the weights' digest."""
import hashlib
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

EPOCHS = 3


def with_numpy():
    import numpy

    from fallow.checkpoint import Batches, Checkpoint

    class Model:
        def __init__(self):
            self.weights = numpy.random.randn(8)

        def state_dict(self):
            return {"weights": self.weights}

        def load_state_dict(self, state):
            self.weights = state["weights"]

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
    model, momentum = Model(), Momentum()
    data = Batches(list(zip(inputs, targets)), 10, seed=4)
    checkpoint = Checkpoint(model=model, optimizer=momentum, data=data)
    checkpoint.restore()
    for number, (x, y) in enumerate(data.epochs(EPOCHS)):
        noise = numpy.random.randn(8) * 0.01  # of the generator, whose state moves along
        gradient = x.T @ (x @ model.weights - y) / len(y) + noise
        momentum.velocity = 0.9 * momentum.velocity + gradient
        model.weights = model.weights - 0.01 * momentum.velocity
        step_done(checkpoint, number)
    return model.weights.tobytes()


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
    checkpoint = Checkpoint(model=model, optimizer=optimizer, scheduler=scheduler, data=data)
    checkpoint.restore()
    for number, (x, y) in enumerate(data.epochs(EPOCHS)):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
        scheduler.step()
        step_done(checkpoint, number)
    return b"".join(parameter.detach().numpy().tobytes() for parameter in model.parameters())


def step_done(checkpoint, number):
    if number % 4 == 3:
        checkpoint.save()
        print("saved", flush=True)
    time.sleep(0.005)


if __name__ == "__main__":
    weights = {"numpy": with_numpy, "torch": with_torch}[sys.argv[1]]()
    print("weights", hashlib.blake2b(weights).hexdigest(), flush=True)
