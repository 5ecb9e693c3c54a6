#include "core/secret_names.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace fallow::core {
namespace {

constexpr std::string_view kOfMarket = "FALLOW_";
constexpr std::size_t kSecretNameBytesMax = 128;

bool is_secret_name(std::string_view name) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && name.size() <= kSecretNameBytesMax && is_letter(name[0]) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

}  // namespace

std::optional<Refusal> check_secrets(const v1::Workload& workload) {
  constexpr std::string_view kField = "workload.secrets";
  const auto& names = workload.secrets();
  if (static_cast<std::size_t>(names.size()) > kSecretsMax) {
    return refusal(v1::VALUE_INVALID, kField, "an order has at most {} secrets", kSecretsMax);
  }
  for (auto name = names.begin(); name != names.end(); ++name) {
    // What is no name may be a value that went astray: it is not repeated here.
    if (!is_secret_name(*name)) {
      return refusal(
          v1::VALUE_INVALID, kField,
          "a secret's name is letters, digits and underscores; its value does not belong "
          "into an order");
    }
    if (name->starts_with(kOfMarket)) {
      return refusal(v1::VALUE_INVALID, kField,
                     "the environment variable {} is the market's to set", *name);
    }
    const bool is_set = std::any_of(
        workload.environment().begin(), workload.environment().end(),
        [&](const v1::EnvironmentVariable& variable) { return variable.name() == *name; });
    if (is_set || std::find(names.begin(), name, *name) != name) {
      return refusal(v1::VALUE_INVALID, kField, "the environment variable {} is named twice",
                     *name);
    }
  }
  if (workload.image_login() && workload.image().empty()) {
    return refusal(v1::VALUE_INVALID, "workload.image_login",
                   "a login is for the registry of an image: name the image");
  }
  return std::nullopt;
}

}  // namespace fallow::core
