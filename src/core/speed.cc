#include "core/speed.h"

#include <array>
#include <string>

namespace fallow::core {
namespace {

// Tenths of a TFLOPS at boost clock, from the vendors' data sheets and architecture white papers:
// FP32 on the shader cores, and dense FP16 on the matrix units with FP32 accumulation (no
// sparsity). Where a chip has no matrix units, its best plain FP16 or FP32 rate.
struct Rates {
  std::string_view model;  // tokens joined by underscores, as they stand in reported names
  std::int64_t fp32;
  std::int64_t fp16;
};

// The first row whose tokens stand in the name wins, so longer names come before their prefixes.
constexpr std::array kRates = std::to_array<Rates>({
    // NVIDIA Blackwell (HGX B200 data sheet; RTX PRO Blackwell and RTX Blackwell white papers)
    {"b200", 750, 22'500},
    {"rtx_pro_6000", 1'250, 5'038},
    {"rtx_5090", 1'048, 2'095},
    {"rtx_5080", 563, 1'126},
    {"rtx_5070_ti", 439, 879},
    {"rtx_5070", 309, 617},
    // NVIDIA Hopper (H100, H100 NVL and H200 data sheets)
    {"h200_nvl", 600, 8'355},
    {"h200", 670, 9'895},
    {"h100_nvl", 600, 8'355},
    {"h100_pcie", 510, 7'560},
    {"h100", 670, 9'895},
    // NVIDIA Ada (Ada GPU architecture white papers; L4, L40, L40S data sheets)
    {"l40s", 916, 3'620},
    {"l40", 905, 1'810},
    {"l4", 303, 1'210},
    {"rtx_6000_ada", 911, 3'642},
    {"rtx_6000ada", 911, 3'642},
    {"rtx_5000_ada", 653, 2'612},
    {"rtx_5000ada", 653, 2'612},
    {"rtx_4090", 826, 1'652},
    {"rtx_4080_super", 522, 1'044},
    {"rtx_4080", 487, 975},
    {"rtx_4070_ti_super", 441, 882},
    {"rtx_4070_ti", 401, 802},
    {"rtx_4070_super", 355, 710},
    {"rtx_4070", 291, 583},
    {"rtx_4060_ti", 221, 441},
    {"rtx_4060", 151, 302},
    // NVIDIA Ampere (A100 and GA102 white papers; A10, A30, A40, RTX A-series data sheets)
    {"a100", 195, 3'120},
    {"a40", 374, 1'497},
    {"a30", 103, 1'650},
    {"a10", 312, 1'250},
    {"rtx_a6000", 387, 1'548},
    {"rtx_a5000", 278, 1'111},
    {"rtx_a4000", 192, 767},
    {"rtx_3090_ti", 400, 800},
    {"rtx_3090", 356, 710},
    {"rtx_3080_ti", 341, 682},
    {"rtx_3080", 298, 595},
    {"rtx_3070_ti", 217, 435},
    {"rtx_3070", 203, 406},
    {"rtx_3060_ti", 162, 324},
    {"rtx_3060", 127, 255},
    // NVIDIA Turing (Turing white paper; T4 data sheet)
    {"titan_rtx", 163, 1'305},
    {"t4", 81, 650},
    {"rtx_2080_ti", 134, 538},
    {"rtx_2080_super", 112, 446},
    {"rtx_2080", 101, 403},
    {"rtx_2070_super", 91, 363},
    {"rtx_2070", 75, 299},
    {"rtx_2060", 65, 258},
    {"gtx_1660_ti", 54, 109},
    {"gtx_1660_super", 50, 100},
    // NVIDIA Volta and Pascal (V100 and P100 data sheets, GTX 10 specifications)
    {"v100_pcie", 140, 1'120},
    {"v100", 157, 1'250},
    {"p100", 93, 187},
    {"p40", 120, 120},
    {"gtx_1080_ti", 113, 113},
    {"gtx_1080", 89, 89},
    {"gtx_1070", 65, 65},
    // AMD (Instinct MI100, MI200, MI300X data sheets; RDNA 2 and 3 specifications)
    {"mi300x", 1'634, 13'074},
    {"mi250x", 479, 3'830},
    {"mi250", 453, 3'621},
    {"mi210", 226, 1'810},
    {"mi100", 231, 1'846},
    {"rx_7900_xtx", 614, 1'228},
    {"rx_7900_xt", 516, 1'032},
    {"rx_6900_xt", 230, 461},
    {"rx_6800_xt", 207, 415},
});

constexpr std::int64_t kReferenceFp32 = 356;
constexpr std::int64_t kReferenceFp16 = 710;

constexpr std::int64_t speed_of_rates(const Rates& rates) {
  return (kSpeedUnit * rates.fp32 / kReferenceFp32 + kSpeedUnit * rates.fp16 / kReferenceFp16) / 2;
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

std::int64_t speed_of(std::string_view model, std::uint32_t memory_mb, v1::DeviceKind kind) {
  if (kind == v1::CPU) return 10;
  const std::string name = with_underscores(model);
  // A laptop's chip bears the desktop card's name but not its rate.
  const bool mobile =
      has_tokens(name, "laptop") || has_tokens(name, "mobile") || has_tokens(name, "max_q");
  if (!mobile) {
    for (const Rates& rates : kRates) {
      if (has_tokens(name, rates.model)) return speed_of_rates(rates);
    }
  }
  return speed_of_memory(memory_mb);
}

}  // namespace fallow::core
