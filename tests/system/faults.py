"""What the tests of telemetry and of blame share: NVIDIA's library as they would have it, and a wall clock that is set."""
import os
import shutil
import subprocess

from harness import ROOT

COMPILER = shutil.which("clang-19") or shutil.which("cc")
NO_COMPILER = None if COMPILER else "no C compiler here"

# What a program reads of the wall's clock, moved by the seconds in a file. Timers go by other clocks.
CLOCK = r"""
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long moved(void) {
  const char* path = getenv("FAKE_CLOCK_STATE");
  FILE* file = path == NULL ? NULL : fopen(path, "r");
  long seconds = 0;
  if (file == NULL) return 0;
  if (fscanf(file, "%ld", &seconds) != 1) seconds = 0;
  fclose(file);
  return seconds;
}
int clock_gettime(clockid_t clock, struct timespec* out) {
  const int code = (int)syscall(SYS_clock_gettime, clock, out);
  if (code == 0 && clock == CLOCK_REALTIME) out->tv_sec += moved();
  return code;
}
time_t time(time_t* out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != NULL) *out = now.tv_sec;
  return now.tv_sec;
}
int gettimeofday(struct timeval* out, void* zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  out->tv_sec = now.tv_sec;
  out->tv_usec = now.tv_nsec / 1000;
  return 0;
}
"""


def build(source, library):
    subprocess.run([COMPILER, "-w", "-shared", "-fPIC", "-o", library, source], check=True)


class Devices:
    """tests/fake_nvml.c for the processes that are started with environment()."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        build(ROOT / "tests" / "fake_nvml.c", folder / "libnvidia-ml.so.1")

    def environment(self):
        return {"LD_LIBRARY_PATH": str(self.folder), "FAKE_NVML_STATE": str(self.folder / "state")}

    def say(self, **figures):
        """Of device 0, which is the one that the tests declare; at once, since it may be read meanwhile."""
        lines = ["0.uuid TEST_GPU-0", *(f"0.{name} {value}" for name, value in figures.items())]
        (self.folder / "state.new").write_text("\n".join(lines) + "\n")
        os.replace(self.folder / "state.new", self.folder / "state")


class WallClock:
    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        (folder / "clock.c").write_text(CLOCK)
        build(folder / "clock.c", folder / "clock.so")
        self.move(0)

    def environment(self):
        return {"LD_PRELOAD": str(self.folder / "clock.so"), "FAKE_CLOCK_STATE": str(self.folder / "state")}

    def move(self, seconds):
        (self.folder / "state.new").write_text(str(seconds))
        os.replace(self.folder / "state.new", self.folder / "state")
