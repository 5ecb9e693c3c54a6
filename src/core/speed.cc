#include "core/speed.h"

#include <array>
#include <string>

namespace fallow::core {
namespace {

// From the vendors' data sheets and architecture white papers. Tenths of a TFLOPS at boost clock:
// FP32 on the shader cores, and dense FP16 on the matrix units with FP32 accumulation (no
// sparsity); where a chip has no matrix units, its best plain FP16 or FP32 rate. And GB/s of the
// device's own memory; of an A100 and a P100 those of the slower variant of one name.
struct Rates {
  std::string_view model;  // tokens joined by underscores, as they stand in reported names
  std::int64_t fp32;
  std::int64_t fp16;
  std::int64_t bandwidth;
};

// The first row whose tokens stand in the name wins, so longer names come before their prefixes.
constexpr std::array kRates = std::to_array<Rates>({
    // NVIDIA Blackwell (HGX B200 data sheet; RTX PRO Blackwell and RTX Blackwell white papers)
    {"b200", 750, 22'500, 8'000},
    {"rtx_pro_6000", 1'250, 5'038, 1'792},
    {"rtx_5090", 1'048, 2'095, 1'792},
    {"rtx_5080", 563, 1'126, 960},
    {"rtx_5070_ti", 439, 879, 896},
    {"rtx_5070", 309, 617, 672},
    // NVIDIA Hopper (H100, H100 NVL and H200 data sheets)
    {"h200_nvl", 600, 8'355, 4'800},
    {"h200", 670, 9'895, 4'800},
    {"h100_nvl", 600, 8'355, 3'900},
    {"h100_pcie", 510, 7'560, 2'000},
    {"h100", 670, 9'895, 3'350},
    // NVIDIA Ada (Ada GPU architecture white papers; L4, L40, L40S data sheets)
    {"l40s", 916, 3'620, 864},
    {"l40", 905, 1'810, 864},
    {"l4", 303, 1'210, 300},
    {"rtx_6000_ada", 911, 3'642, 960},
    {"rtx_6000ada", 911, 3'642, 960},
    {"rtx_5000_ada", 653, 2'612, 576},
    {"rtx_5000ada", 653, 2'612, 576},
    {"rtx_4090", 826, 1'652, 1'008},
    {"rtx_4080_super", 522, 1'044, 736},
    {"rtx_4080", 487, 975, 717},
    {"rtx_4070_ti_super", 441, 882, 672},
    {"rtx_4070_ti", 401, 802, 504},
    {"rtx_4070_super", 355, 710, 504},
    {"rtx_4070", 291, 583, 504},
    {"rtx_4060_ti", 221, 441, 288},
    {"rtx_4060", 151, 302, 272},
    // NVIDIA Ampere (A100 and GA102 white papers; A10, A30, A40, RTX A-series data sheets)
    {"a100", 195, 3'120, 1'555},
    {"a40", 374, 1'497, 696},
    {"a30", 103, 1'650, 933},
    {"a10", 312, 1'250, 600},
    {"rtx_a6000", 387, 1'548, 768},
    {"rtx_a5000", 278, 1'111, 768},
    {"rtx_a4000", 192, 767, 448},
    {"rtx_3090_ti", 400, 800, 1'008},
    {"rtx_3090", 356, 710, 936},
    {"rtx_3080_ti", 341, 682, 912},
    {"rtx_3080", 298, 595, 760},
    {"rtx_3070_ti", 217, 435, 608},
    {"rtx_3070", 203, 406, 448},
    {"rtx_3060_ti", 162, 324, 448},
    {"rtx_3060", 127, 255, 360},
    // NVIDIA Turing (Turing white paper; T4 data sheet)
    {"titan_rtx", 163, 1'305, 672},
    {"t4", 81, 650, 320},
    {"rtx_2080_ti", 134, 538, 616},
    {"rtx_2080_super", 112, 446, 496},
    {"rtx_2080", 101, 403, 448},
    {"rtx_2070_super", 91, 363, 448},
    {"rtx_2070", 75, 299, 448},
    {"rtx_2060", 65, 258, 336},
    {"gtx_1660_ti", 54, 109, 288},
    {"gtx_1660_super", 50, 100, 336},
    // NVIDIA Volta and Pascal (V100 and P100 data sheets, GTX 10 specifications)
    {"v100_pcie", 140, 1'120, 900},
    {"v100", 157, 1'250, 900},
    {"p100", 93, 187, 732},
    {"p40", 120, 120, 346},
    {"gtx_1080_ti", 113, 113, 484},
    {"gtx_1080", 89, 89, 320},
    {"gtx_1070", 65, 65, 256},
    // AMD (Instinct MI100, MI200, MI300X data sheets; RDNA 2 and 3 specifications)
    {"mi300x", 1'634, 13'074, 5'300},
    {"mi250x", 479, 3'830, 3'277},
    {"mi250", 453, 3'621, 3'277},
    {"mi210", 226, 1'810, 1'638},
    {"mi100", 231, 1'846, 1'229},
    {"rx_7900_xtx", 614, 1'228, 960},
    {"rx_7900_xt", 516, 1'032, 800},
    {"rx_6900_xt", 230, 461, 512},
    {"rx_6800_xt", 207, 415, 512},
});

constexpr Rates kReference{"rtx_3090", 356, 710, 936};

constexpr std::int64_t relative(std::int64_t rate, std::int64_t reference) {
  return kSpeedUnit * rate / reference;
}

Speeds speeds_of(const Rates& rates) {
  Speeds speeds;
  speeds[v1::FP32] = relative(rates.fp32, kReference.fp32);
  speeds[v1::FP16] = relative(rates.fp16, kReference.fp16);
  speeds[v1::BANDWIDTH] = relative(rates.bandwidth, kReference.bandwidth);
  speeds[v1::GENERAL] = mean_speed(speeds);
  return speeds;
}

std::string with_underscores(std::string_view model) {
  std::string name;
  for (const char c : model) {
    if (c == ' ' || c == '-') {
      name += '_';
    } else {
      name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  return name;
}

// Do `tokens` stand in `name`, bounded by its ends or underscores?
bool has_tokens(std::string_view name, std::string_view tokens) {
  for (std::size_t at = name.find(tokens); at != std::string_view::npos;
       at = name.find(tokens, at + 1)) {
    const std::size_t end = at + tokens.size();
    if ((at == 0 || name[at - 1] == '_') && (end == name.size() || name[end] == '_')) return true;
  }
  return false;
}

// Null: none of the table.
const Rates* rates_of(std::string_view model) {
  const std::string name = with_underscores(model);
  // A laptop's chip bears the desktop card's name but not its rate.
  const bool mobile =
      has_tokens(name, "laptop") || has_tokens(name, "mobile") || has_tokens(name, "max_q");
  if (mobile) return nullptr;
  for (const Rates& rates : kRates) {
    if (has_tokens(name, rates.model)) return &rates;
  }
  return nullptr;
}

constexpr std::int64_t kProcessorSpeed = 10;

std::int64_t speed_of_memory(std::uint32_t memory_mb) {
  if (memory_mb >= 120'000) return 4'000;
  if (memory_mb >= 75'000) return 2'000;
  if (memory_mb >= 40'000) return 1'000;
  if (memory_mb >= 20'000) return 700;
  if (memory_mb >= 14'000) return 450;
  if (memory_mb >= 10'000) return 300;
  if (memory_mb >= 7'000) return 200;
  return 100;
}

}  // namespace

std::int64_t mean_speed(const Speeds& speeds) { return (speeds[v1::FP32] + speeds[v1::FP16]) / 2; }

Speeds vendor_speeds(std::string_view model, std::uint32_t memory_mb, v1::DeviceKind kind) {
  if (kind == v1::CPU) return Speeds(kProcessorSpeed);
  if (const Rates* rates = rates_of(model)) return speeds_of(*rates);
  return Speeds(speed_of_memory(memory_mb));
}

std::string_view vendor_model(std::string_view model) {
  const Rates* const rates = rates_of(model);
  return rates == nullptr ? std::string_view() : rates->model;
}

std::vector<std::string_view> vendor_models() {
  std::vector<std::string_view> models;
  models.reserve(kRates.size());
  for (const Rates& rates : kRates) models.push_back(rates.model);
  return models;
}

v1::WorkloadClass workload_of(const v1::Requirements& requirements) {
  return requirements.workload_class() == v1::WORKLOAD_CLASS_UNSPECIFIED
             ? v1::GENERAL
             : requirements.workload_class();
}

}  // namespace fallow::core
