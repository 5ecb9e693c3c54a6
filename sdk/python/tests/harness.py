"""What the SDK's tests share: one market of real processes for each class of tests, and clients of it."""
import contextlib
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
sys.path[:0] = [str(ROOT / "sdk" / "python"), str(ROOT / "tools")]

import fallow  # noqa: E402
import side_by_side  # noqa: E402
from local_market import LocalMarket  # noqa: E402

BUILD = pathlib.Path(os.environ.get("FALLOW_BUILD", ROOT / "build" / "release"))
PATIENCE = float(os.environ.get("FALLOW_TEST_PATIENCE", "1"))
QUERY = "gpu_name=TEST_GPU"

__all__ = ["BUILD", "PATIENCE", "QUERY", "ROOT", "MarketTest", "fallow", "main"]


class MarketTest(unittest.TestCase):
    """cls.market runs with the nodes named in `nodes`, of `places` devices each; cls.client is a renter with money."""

    nodes = ("one", "two")
    places = 4
    intervals = (0.5, 2, 5)
    deposit = "100.00"

    @classmethod
    def setUpClass(cls):
        for name in [name for name in os.environ if name.startswith("FALLOW_")]:
            if name not in ("FALLOW_BUILD", "FALLOW_TEST_PATIENCE"):
                del os.environ[name]
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="fallow-sdk-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.market = LocalMarket(BUILD, cls.folder, cls.intervals)
        cls.addClassCleanup(cls.market.end_all)
        cls.market.start_server()
        _, cls.provider = cls.market.open_account("provider", "provider")
        cls.renter_id, cls.renter = cls.market.open_account("renter", "renter", deposit=cls.deposit)
        for name in cls.nodes:
            cls.join(name)
        cls.market.wait_for_offers(cls.renter, QUERY, len(cls.nodes), 60 * PATIENCE)
        cls.client = fallow.Client(url=cls.market.url, api_key=cls.renter, certificate=cls.market.certificate)
        cls.addClassCleanup(cls.client.close)
        fallow.set_default_client(cls.client)
        cls.addClassCleanup(fallow.set_default_client, None)

    @classmethod
    def join(cls, name, price="0.36"):
        cls.market.join_agent(name, cls.provider, "--price", price, "--device",
                              f"model=TEST_GPU,memory_gb=24,count={cls.places}", "--cpu-thousandths", "64000",
                              "--memory-mb", "65536")

    def wait_until(self, what, check, seconds=60):
        return self.market.wait_until(what, check, seconds * PATIENCE)

    def assert_nothing_open(self):
        """Whatever was stopped ends, and gives back what was held for it."""
        self.wait_until("the end of every job", lambda: not self.client.jobs(open_only=True))
        self.assertEqual(self.client.wallet().held, 0)

    @contextlib.contextmanager
    def own_folder(self):
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            yield pathlib.Path(folder)


def main(processes=1):
    """In so many processes side by side, where tests wait more than they compute and each stands by itself."""
    # What a sanitizer slows down has no processor left for another.
    side_by_side.main(processes if PATIENCE <= 1 else 1)
