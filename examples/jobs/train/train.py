"""A small training that can be ended anywhere and goes on from its checkpoint, on this machine or another."""
import os
import pathlib
import shutil

import torch

from fallow.torch import Checkpoint, DataLoader

EPOCHS = 20
out = pathlib.Path(os.environ.get("FALLOW_OUT", "results"))
# On a node the folder that moves along with the task; else one that is a result.
folder = pathlib.Path(os.environ.get("FALLOW_CHECKPOINT_DIR") or out / "checkpoint")
if pathlib.Path("checkpoint").is_dir() and not list(folder.glob("*")):
    shutil.copytree("checkpoint", folder, dirs_exist_ok=True)  # it came along as input

device = "cuda" if torch.cuda.is_available() else "cpu"
torch.manual_seed(1)
inputs = torch.randn(2_000, 16)
targets = (inputs[:, :4].sum(1, keepdim=True) > 0).float()
model = torch.nn.Sequential(torch.nn.Linear(16, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1)).to(device)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
data = DataLoader(torch.utils.data.TensorDataset(inputs, targets), batch_size=50, seed=1)
checkpoint = Checkpoint(folder, model=model, optimizer=optimizer, data=data)
print("goes on in epoch" if checkpoint.restore() else "begins with epoch", data.epoch, flush=True)

epoch = data.epoch
for x, y in data.epochs(EPOCHS):
    loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x.to(device)), y.to(device))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if data.epoch != epoch:
        print(f"epoch {data.epoch}, loss {loss.item():.4f}", flush=True)
        epoch = data.epoch
    checkpoint.save_when_due()

checkpoint.save()
if folder != out / "checkpoint":
    shutil.copytree(folder, out / "checkpoint", ignore=shutil.ignore_patterns(".*"))
right = ((model(inputs.to(device)) > 0).float() == targets.to(device)).float().mean().item()
torch.save(model.state_dict(), out / "model.pt")
print(f"done: {right:.1%} right")
