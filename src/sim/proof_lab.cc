#include "sim/proof_lab.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "base/merkle.h"
#include "proof/exam.h"
#include "proof/openings.h"
#include "proof/prover.h"
#include "sim/exact_math.h"
#include "sim/proof_devices.h"

namespace fallow::sim {
namespace {

constexpr Duration kAnswerMax = seconds(120);
constexpr double kEmulatorPatience = 100;  // fills: beyond the answer's time

proof::ExamPlan lab_plan() {
  proof::ExamPlan plan;
  plan.matrix_size = 64;
  plan.rounds = 2;
  plan.rows = 16;
  plan.shape = {32, 1};
  plan.spots = 32;
  plan.answer_max = kAnswerMax;
  return plan;
}

// One way to the agent and back: 15 to 60 ms by node, a little more each time, and now and then a
// stall.
class Way {
 public:
  explicit Way(Random& random) : random_(random), base_s_(0.015 + 0.045 * even(random)) {}
  double draw() {
    double seconds = base_s_ - 0.004 * exact_log(even(random_));
    if (even(random_) < 0.002) seconds += 0.05 + 0.3 * even(random_);
    return seconds;
  }

 private:
  Random& random_;
  double base_s_;
};

Duration span(double seconds) { return Duration(static_cast<std::int64_t>(seconds * 1e6)); }

struct Times {
  Duration product;
  Duration fill;
  Duration leaves;
};

// One exam, from the first ask to the outcome. `slowness` stretches what the device does;
// `recorded` keeps all answers, or gives them instead of the device's.
struct Sitting {
  LabDevice* device = nullptr;
  double slowness = 1;
  std::vector<v1::ProofAnswer>* record = nullptr;
  const std::vector<v1::ProofAnswer>* replay = nullptr;
  bool from_hashes = false;  // the chain is walked by the tree alone, in no time
  Times* times = nullptr;
};

// What the hashes of the leaves give for the end of the chain: the memory is far, and read only
// when its contents are asked for, of which nobody takes the time.
Digest end_by_hashes(LabDevice& device, const v1::ProofAsk& ask, const proof::FillShape& shape) {
  Digest before{};
  const auto seed = digest_from_bytes(ask.seed());
  for (std::uint32_t i = 0; seed && i < ask.openings(); ++i) {
    const auto content = device.leaf(proof::spot_at(*seed, i, before, shape).leaf);
    if (content) before = merkle_leaf(*content);
  }
  (void)device.took();  // the tree holds them
  return before;
}

v1::ProofResult sit(const proof::ExamPlan& plan, Random& random, const Sitting& sitting) {
  Digest seed;
  random.fill(seed);
  proof::Exam exam(plan, seed, 4'096, 0);
  proof::Prover prover(*sitting.device);
  sitting.device->set_rounds(plan.rounds);
  Way way(random);
  Time now{1'000'000};
  std::size_t place = 0;
  while (!exam.is_over()) {
    const v1::ProofAsk ask = exam.ask(now);
    v1::ProofAnswer answer = prover.answer(ask);
    double device_s = sitting.device->took() * sitting.slowness;
    if (sitting.from_hashes && ask.step() == v1::PROOF_LEAVES) {
      answer.set_roots(0, to_bytes(end_by_hashes(*sitting.device, ask, plan.shape)));
      device_s = 0;
    }
    if (sitting.replay != nullptr && place < sitting.replay->size()) {
      answer = (*sitting.replay)[place++];
    }
    if (sitting.record != nullptr) sitting.record->push_back(answer);
    const double way_s = way.draw();
    if (sitting.times != nullptr) {
      // As the exam counts them, but for the way, of which it knows another drawing.
      if (ask.step() == v1::PROOF_MATRIX) sitting.times->product = span(device_s);
      if (ask.step() == v1::PROOF_MEMORY) sitting.times->fill = span(device_s);
      if (ask.step() == v1::PROOF_LEAVES) sitting.times->leaves = span(device_s);
    }
    now = now + span(device_s + way_s);
    if (!exam.judge(answer, now)) exam.miss("the answer was to another ask");
  }
  return exam.result();
}

// The middle, a tenth more, and six times the spread as the middle's deviation gives it (1.4826 of
// it is a standard deviation); and the stalls of the way, 50 ms.
Duration limit_of(std::vector<Duration> times) {
  const auto middle = [](std::vector<Duration>& list) {
    std::nth_element(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(list.size() / 2),
                     list.end());
    return list[list.size() / 2];
  };
  const Duration median = middle(times);
  for (Duration& time : times)
    time = Duration(std::max((time - median).value, (median - time).value));
  const double deviation = 1.4826 * static_cast<double>(middle(times).value);
  return Duration(
             static_cast<std::int64_t>(1.1 * static_cast<double>(median.value) + 6 * deviation)) +
         milliseconds(50);
}

class Lab {
 public:
  explicit Lab(const ProofLabOptions& options) : plan_(lab_plan()) { report_.options = options; }

  ProofLabReport run() {
    calibrate();
    honest();
    other_model();
    liars();
    networks();
    swap();
    hashes();
    report_.digest = digester_.finish();
    return std::move(report_);
  }

 private:
  using One = std::function<v1::ProofOutcome(Random&)>;

  // Every kind and run has chance of its own: more of one changes nothing for another.
  std::unique_ptr<Random> chance(std::uint64_t kind, std::uint64_t run) const {
    return seeded_random(proof::mixed(report_.options.seed * 1'000'003 + kind * 8'191) + run);
  }

  void calibrate() {
    std::vector<Duration> product;
    std::vector<Duration> fill;
    std::vector<Duration> leaves;
    for (std::uint32_t i = 0; i < report_.options.calibration; ++i) {
      const auto random = chance(0, i);
      LabDevice device(own(*random), *random);
      Times times;
      sit(plan_, *random, {.device = &device, .times = &times});
      product.push_back(times.product);
      fill.push_back(times.fill);
      leaves.push_back(times.leaves);
    }
    plan_.matrix_max = report_.product_max = limit_of(std::move(product));
    plan_.fill_max = report_.fill_max = limit_of(std::move(fill));
    plan_.leaves_max = report_.leaves_max = limit_of(std::move(leaves));
  }

  // Devices of one model differ by their coolers and makers: 4 % around the model's times.
  static DeviceTimes own(Random& random) {
    DeviceTimes times;
    const double factor = exact_exp(0.04 * normal(random));
    times.product_s *= factor;
    times.fill_s *= factor;
    return times;
  }

  ProofLabRow& add(std::string kind, std::string what, const One& one) {
    ProofLabRow row{.kind = std::move(kind), .what = std::move(what)};
    const std::uint64_t number = report_.rows.size() + 1;
    for (std::uint32_t i = 0; i < report_.options.runs; ++i) {
      const auto random = chance(number, i);
      const v1::ProofOutcome outcome = one(*random);
      ++row.runs;
      ++row.outcomes[static_cast<std::size_t>(outcome)];
      row.flagged += outcome == v1::PROOF_PASSED ? 0 : 1;
      digester_.update_u64(static_cast<std::uint64_t>(outcome));
    }
    report_.rows.push_back(std::move(row));
    return report_.rows.back();
  }

  template <class Device, class... More>
  One of(More... more) {
    return [this, more...](Random& random) {
      Device device(own(random), random, more...);
      return sit(plan_, random, {.device = &device}).outcome();
    };
  }
  One slower(double slowness) {
    return [this, slowness](Random& random) {
      LabDevice device(own(random), random);
      return sit(plan_, random, {.device = &device, .slowness = slowness}).outcome();
    };
  }

  void honest() { add("honest", "what it says it is", slower(1)).honest = true; }

  void other_model() {
    for (const double speed : {0.9, 0.8, 0.7, 0.5, 0.25}) {
      add("other model", fmt::format("as fast as {:.2f} of the one that it claims", speed),
          slower(1 / speed));
    }
    add("throttled", "hot: from 0.5 to 0.8 of its rate", [this](Random& random) {
      const double speed = 0.5 + 0.3 * even(random);
      LabDevice device(own(random), random);
      return sit(plan_, random, {.device = &device, .slowness = 1 / speed}).outcome();
    });
  }

  void liars() {
    for (const double share : {0.9, 0.5, 0.25}) {
      add("short memory", fmt::format("has {:.2f} of the memory that it is asked for", share),
          of<ShortDevice>(share));
    }
    add("emulated memory", "keeps a quarter, makes the rest anew",
        of<EmulatingDevice>(kEmulatorPatience));
    const double opened = plan_.rounds * plan_.rows;
    for (const double share : {0.0625, 0.125, 0.5}) {
      double missed = 1;
      for (int i = 0; i < static_cast<int>(opened); ++i) missed *= 1 - share;
      add("skipped work", fmt::format("makes up {} of its rows", share), of<SkippingDevice>(share))
          .expected = 1 - missed;
    }
    add("replay", "answers what was right the last time", [this](Random& random) {
      LabDevice device(own(random), random);
      std::vector<v1::ProofAnswer> answers;
      sit(plan_, random, {.device = &device, .record = &answers});
      return sit(plan_, random, {.device = &device, .replay = &answers}).outcome();
    });
  }

  void networks() {
    add("one device, two nodes", "both asked at once: each has half of its time",
        [this](Random& random) {
          const DeviceTimes times = own(random);
          for (int node = 0; node < 2; ++node) {
            LabDevice device(times, random);
            const auto outcome = sit(plan_, random, {.device = &device, .slowness = 2}).outcome();
            if (outcome != v1::PROOF_PASSED) return outcome;
          }
          return v1::PROOF_PASSED;
        });
    for (const double way_ms : {0.2, 1.0, 10.0}) {
      add("proxied calls", fmt::format("its device is {} ms away, call by call", way_ms),
          of<ProxiedDevice>(way_ms / 1'000));
    }
    add("proxied node", "the whole agent is elsewhere, 10 ms away", slower(1)).what +=
        ": that is no lie, and looks like none";
  }

  // The next of its proofs, at moments it does not know, is made with half of the device.
  void swap() {
    add("swapped", "half as fast from the second proof on", [this](Random& random) {
      LabDevice device(own(random), random);
      const auto before = sit(plan_, random, {.device = &device}).outcome();
      if (before != v1::PROOF_PASSED) return before;
      return sit(plan_, random, {.device = &device, .slowness = 2}).outcome();
    });
  }

  void hashes() {
    add("hashes only", "its memory is far; it walks the chain by the hashes of its leaves",
        [this](Random& random) {
          LabDevice device(own(random), random);
          return sit(plan_, random, {.device = &device, .from_hashes = true}).outcome();
        });
  }

  proof::ExamPlan plan_;
  ProofLabReport report_;
  Digester digester_;
};

}  // namespace

ProofLabReport run_proof_lab(const ProofLabOptions& options) { return Lab(options).run(); }

std::string to_json(const ProofLabReport& report) {
  std::string rows;
  for (const ProofLabRow& row : report.rows) {
    rows += fmt::format(
        "{}{{\"kind\":\"{}\",\"what\":\"{}\",\"honest\":{},\"runs\":{},\"flagged\":{},"
        "\"passed\":{},\"slow\":{},\"wrong\":{},\"missed\":{}",
        rows.empty() ? "" : ",", row.kind, row.what, row.honest, row.runs, row.flagged,
        row.outcomes[v1::PROOF_PASSED], row.outcomes[v1::PROOF_SLOW], row.outcomes[v1::PROOF_WRONG],
        row.outcomes[v1::PROOF_MISSED]);
    if (row.expected >= 0) rows += fmt::format(",\"expected\":{:.4f}", row.expected);
    rows += "}";
  }
  return fmt::format(
      "{{\"seed\":{},\"calibration\":{},\"product_max_us\":{},\"fill_max_us\":{},"
      "\"leaves_max_us\":{},\"kinds\":[{}],\"digest\":\"{}\"}}",
      report.options.seed, report.options.calibration, report.product_max.value,
      report.fill_max.value, report.leaves_max.value, rows, to_hex(report.digest));
}

}  // namespace fallow::sim
