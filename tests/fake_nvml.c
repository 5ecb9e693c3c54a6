/* NVIDIA's management library as the tests would have it: what it says stands in the file that
   FAKE_NVML_STATE names, read anew at every call, so that a test may change it. A line a figure:

     0.uuid TEST_GPU-0     there is a device 0, of this UUID
     0.percent 97          further: memory_used, milliwatts, celsius, core_mhz, core_mhz_max,
                           memory_mhz, throttle, ecc_corrected, ecc_uncorrected; what has no line
                           is not supported
     0.xid 79              with 0.xids 1: so many complaints of that number so far
     0.lost 1              it fell off its bus
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FINE = 0, NOT_SUPPORTED = 3, TIMEOUT = 10, LOST = 15, DEVICES = 4 };

static int handles[DEVICES];
static unsigned long long told[DEVICES];

static int text_of(int device, const char* key, char* out, size_t size) {
  char wanted[64], line[256];
  const char* path = getenv("FAKE_NVML_STATE");
  FILE* file = path == NULL ? NULL : fopen(path, "r");
  int found = 0;
  if (file == NULL) return 0;
  snprintf(wanted, sizeof wanted, "%d.%s ", device, key);
  while (!found && fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, wanted, strlen(wanted)) != 0) continue;
    line[strcspn(line, "\n")] = 0;
    snprintf(out, size, "%s", line + strlen(wanted));
    found = 1;
  }
  fclose(file);
  return found;
}

static int number_of(int device, const char* key, unsigned long long* out) {
  char text[256];
  if (!text_of(device, key, text, sizeof text)) return 0;
  *out = strtoull(text, NULL, 10);
  return 1;
}

static int place_of(void* handle) { return (int)((int*)handle - handles); }

static int ask(void* handle, const char* key, unsigned long long* out) {
  unsigned long long lost = 0;
  const int device = place_of(handle);
  if (number_of(device, "lost", &lost) && lost != 0) return LOST;
  return number_of(device, key, out) ? FINE : NOT_SUPPORTED;
}

static int ask_small(void* handle, const char* key, unsigned* out) {
  unsigned long long value = 0;
  const int code = ask(handle, key, &value);
  if (code == FINE) *out = (unsigned)value;
  return code;
}

int nvmlInit_v2(void) { return FINE; }

int nvmlDeviceGetCount_v2(unsigned* count) {
  char uuid[96];
  *count = 0;
  while (*count < DEVICES && text_of((int)*count, "uuid", uuid, sizeof uuid)) ++*count;
  return FINE;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  *device = &handles[index];
  return FINE;
}

int nvmlDeviceGetUUID(void* device, char* out, unsigned size) {
  return text_of(place_of(device), "uuid", out, size) ? FINE : NOT_SUPPORTED;
}

int nvmlDeviceGetUtilizationRates(void* device, unsigned* rates) {
  rates[1] = 0;
  return ask_small(device, "percent", &rates[0]);
}

int nvmlDeviceGetMemoryInfo(void* device, unsigned long long* sizes) {
  const int code = ask(device, "memory_used", &sizes[2]);
  sizes[0] = 24ull << 30;
  sizes[1] = sizes[0] - sizes[2];
  return code;
}

int nvmlDeviceGetPowerUsage(void* device, unsigned* out) { return ask_small(device, "milliwatts", out); }

int nvmlDeviceGetTemperature(void* device, int sensor, unsigned* out) {
  return sensor == 0 ? ask_small(device, "celsius", out) : NOT_SUPPORTED;
}

int nvmlDeviceGetClockInfo(void* device, int clock, unsigned* out) {
  return ask_small(device, clock == 2 ? "memory_mhz" : "core_mhz", out);
}

int nvmlDeviceGetMaxClockInfo(void* device, int clock, unsigned* out) {
  return clock == 1 ? ask_small(device, "core_mhz_max", out) : NOT_SUPPORTED;
}

int nvmlDeviceGetCurrentClocksThrottleReasons(void* device, unsigned long long* out) {
  return ask(device, "throttle", out);
}

int nvmlDeviceGetTotalEccErrors(void* device, int kind, int counter, unsigned long long* out) {
  if (counter != 0) return NOT_SUPPORTED;
  return ask(device, kind == 0 ? "ecc_corrected" : "ecc_uncorrected", out);
}

int nvmlEventSetCreate(void** set) {
  *set = handles;
  return FINE;
}

int nvmlDeviceRegisterEvents(void* device, unsigned long long types, void* set) {
  (void)device;
  (void)set;
  return types == 8 ? FINE : NOT_SUPPORTED;
}

struct event {
  void* device;
  unsigned long long type, data;
  unsigned gpu_instance, compute_instance;
};

int nvmlEventSetWait_v2(void* set, struct event* out, unsigned wait_ms) {
  int device;
  (void)set;
  (void)wait_ms;
  for (device = 0; device < DEVICES; ++device) {
    unsigned long long xid = 0, xids = 0;
    if (!number_of(device, "xid", &xid) || !number_of(device, "xids", &xids)) continue;
    if (told[device] >= xids) continue;
    ++told[device];
    memset(out, 0, sizeof *out);
    out->device = &handles[device];
    out->type = 8;
    out->data = xid;
    return FINE;
  }
  return TIMEOUT;
}
