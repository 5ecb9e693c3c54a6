// The query language, Vast's: `gpu_name=RTX_4090 num_gpus>=2 gpu_ram>=24 region in [eu,us]`.
//
// A query is a conjunction of `field operator value`; docs/query.md is the reference. Operators:
// < <= = == != >= > in notin, and `field=any` which always holds. A Query is a value, immutable
// once parsed, safe to share between threads. Numbers are fixed-point integers in the scale of
// their field: the core has no floats.
//
// gpu_name, gpu_ram, device_kind and verified speak of single devices: a device that satisfies them
// all is admitted, and only admitted devices are counted by num_gpus and may be leased. The other
// fields speak of the node or its offer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "core/node.h"

namespace fallow::core {

// Every field a query can name, in the order of the documentation.
enum class Field : std::uint8_t {
  kGpuName,      // word; blanks are underscores; case does not matter
  kNumGpus,      // admitted devices of the offer, leased or not
  kGpuRam,       // GB (10^9 bytes) of each device
  kPrice,        // of one whole device per hour
  kReliability,  // 0..1
  kRegion,       // word
  kCpuCores,
  kCpuRam,       // GB
  kDiskSpace,    // GB
  kInetDown,     // Mbit/s
  kInetUp,       // Mbit/s
  kIsolation,    // number: v1::Isolation; written as a word: bubblewrap < runc < gvisor < microvm
  kDeviceKind,   // word: gpu, cpu
  kNode,         // id
  kProvider,     // id
  kLan,          // word, within a provider and region
  kVerified,     // word of single devices: true where the last proof was passed, else false
  kImages,       // number: 1 where the node runs OCI images, else 0; written as true or false
  kRack,         // word, within a provider, region and LAN
  kEgressPrice,  // of 10^9 bytes that leases send
};
constexpr std::size_t kFields = 20;

enum class Operator : std::uint8_t {
  kLess,
  kLessEqual,
  kEqual,
  kNotEqual,
  kGreaterEqual,
  kGreater,
  kIn,
  kNotIn,
  kAny,  // always holds; has no values
};

struct Predicate {
  Field field = Field::kGpuName;
  Operator op = Operator::kEqual;
  std::vector<std::int64_t> numbers;  // in the field's scale; for number fields
  std::vector<std::string> words;     // canonical; for word fields
  std::uint32_t column = 0;           // 1-based, where the predicate starts

  bool holds(std::int64_t number) const;
  bool holds(std::string_view word) const;
  bool holds(const v1::Device& device) const;  // where the field is of single devices
};

// Equal in meaning and form; where they stood in the text does not count.
bool operator==(const Predicate& a, const Predicate& b);

// How far the predicate's value must move to hold for `number`, for which it fails; 0 where there
// is no order to move in.
std::int64_t distance_to(const Predicate& predicate, std::int64_t number);

struct QueryError {
  std::uint32_t column = 0;  // 1-based, in bytes
  std::string message;       // what was expected there
};

constexpr std::size_t kPredicatesMax = 32;
constexpr std::size_t kListValuesMax = 64;  // of one predicate

class Query {
 public:
  // At most `bytes_max` bytes, kPredicatesMax predicates. On failure `error` is filled. Every byte
  // sequence either parses or is an error.
  static std::optional<Query> parse(std::string_view text, QueryError& error,
                                    std::size_t bytes_max = 2'048);

  // From predicates that parse() gave out, changed or not; at most kPredicatesMax.
  explicit Query(std::vector<Predicate> predicates);
  Query() = default;

  // Does some device of the node's offer satisfy every predicate? The node has an offer.
  bool matches(const Node& node) const;

  // The predicates of single devices. A CPU device is admitted only when the query names
  // device_kind or gpu_name.
  bool admits(const v1::Device& device) const;
  // The other predicates, num_gpus apart. `device_hour` and `egress_gb` are the prices that count.
  bool admits(const Node& node, Micros device_hour, Micros egress_gb) const;
  // The predicates on num_gpus.
  bool admits_count(std::uint32_t admitted_devices) const;

  // A predicate that no device satisfies but of the models in its words; null: there is none.
  const Predicate* names_models() const;
  // Does it keep out every node that runs no images? The query of an order with an image does.
  bool demands_images() const;

  const std::vector<Predicate>& predicates() const { return predicates_; }
  // The query written out: parse(text()) gives an equal query.
  std::string text() const;
  friend bool operator==(const Query& a, const Query& b) { return a.predicates_ == b.predicates_; }

 private:
  std::vector<Predicate> predicates_;
  bool admits_cpu_ = false;
  bool names_devices_ = false;
};

std::string text_of(const Predicate& predicate);
// May the character stand in a word without quotes?
bool is_bare(char c);

// Lower case, blanks as underscores: how words are compared.
std::string canonical_word(std::string_view word);
// Both as if canonical.
bool same_word(std::string_view canonical, std::string_view word);

std::string_view name_of(Field field);
std::optional<Field> field_named(std::string_view name);
bool is_word(Field field);
bool is_of_device(Field field);
// Decimals that a number of the field may have: 6 for prices and reliability, 0 for counts and ids,
// else 3. Its scale is 10^decimals.
int decimals_of(Field field);
// A number of the field as a query writes it: "16", "0.31", "gvisor".
std::string number_text(Field field, std::int64_t number);

// A number field of a node and its offer, at these prices; not of the device fields and num_gpus
// (bug: CHECK).
std::int64_t number_of(const Node& node, Field field, Micros device_hour, Micros egress_gb);
// A number field of a device: gpu_ram (else CHECK).
std::int64_t number_of(const v1::Device& device, Field field);
// A word field, as it was reported: region, lan, rack.
std::string_view word_of(const Node& node, Field field);
// Was the device's last proof passed?
inline bool is_verified(const v1::Device& device) { return device.proof().state() == v1::PROVEN; }
// A word field of a device: gpu_name, device_kind, verified.
std::string_view word_of(const v1::Device& device, Field field);

}  // namespace fallow::core
