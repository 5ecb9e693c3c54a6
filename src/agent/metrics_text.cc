#include "agent/metrics_text.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace fallow::agent {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using Labels = std::vector<ClientMetric::Label>;

struct MetricWords {
  std::string_view field;
  std::string_view help;
};
constexpr std::array<MetricWords, 9> kOfDevices{{
    {"percent", "Of the device's time in use"},
    {"memory_mb", "Memory of the device in use, in MB"},
    {"milliwatts", "Power that the device takes"},
    {"celsius", "Temperature of the device"},
    {"core_mhz", "Clock of the device's cores"},
    {"slowed_thousandths", "Of its full clock, what heat, the supply or its protection take"},
    {"memory_mhz", "Clock of the device's memory"},
    {"ecc_corrected", "Corrected errors of its memory since its driver was loaded"},
    {"ecc_uncorrected", "Uncorrected errors of its memory since its driver was loaded"},
}};
constexpr std::array<MetricWords, 6> kOfWorkloads{{
    {"cpu_thousandths", "Of processor cores, in use by the lease"},
    {"memory_mb", "Main memory in use by the lease, in MB"},
    {"disk_read_kbps", "Read from disks by the lease, 1,000 bytes a second"},
    {"disk_written_kbps", "Written to disks by the lease, 1,000 bytes a second"},
    {"network_in_kbps", "Received by the lease, 1,000 bytes a second"},
    {"network_out_kbps", "Sent by the lease, 1,000 bytes a second"},
}};

MetricFamily family_of(std::string name, std::string_view help) {
  MetricFamily family;
  family.name = std::move(name);
  family.help = std::string(help);
  family.type = prometheus::MetricType::Gauge;
  return family;
}

void add_value(MetricFamily& family, Labels labels, double value) {
  ClientMetric metric;
  metric.label = std::move(labels);
  metric.gauge.value = value;
  family.metric.push_back(std::move(metric));
}

// The samples' field of that name, of all that have it.
template <class Samples, class LabelsOf>
void add_family(std::vector<MetricFamily>& families, const std::string& prefix,
                const MetricWords& words, const Samples& samples, const LabelsOf& labels_of) {
  MetricFamily family = family_of(prefix + std::string(words.field), words.help);
  for (const auto& sample : samples) {
    const auto* const field = sample.GetDescriptor()->FindFieldByName(std::string(words.field));
    if (!sample.GetReflection()->HasField(sample, field)) continue;
    add_value(family, labels_of(sample), sample.GetReflection()->GetUInt32(sample, field));
  }
  if (!family.metric.empty()) families.push_back(std::move(family));
}

}  // namespace

std::string metrics_text(const v1::TelemetrySample& sample,
                         const std::vector<LocalDevice>& devices) {
  std::vector<MetricFamily> families;
  const auto device_labels = [&](const v1::DeviceSample& one) {
    Labels labels{{"device", std::to_string(one.device())}};
    const auto found = std::find_if(devices.begin(), devices.end(), [&](const LocalDevice& d) {
      return d.facts.index() == one.device();
    });
    if (found != devices.end()) labels.push_back({"model", found->facts.model()});
    return labels;
  };
  const auto lease_labels = [](const v1::WorkloadSample& one) {
    return Labels{{"lease", std::to_string(one.lease())}};
  };
  for (const MetricWords& words : kOfDevices) {
    add_family(families, "fallow_device_", words, sample.devices(), device_labels);
  }
  MetricFamily throttles =
      family_of("fallow_device_throttled", "1 for each reason why the device is slowed down now");
  MetricFamily xids = family_of("fallow_device_xid", "The driver's last complaint, while measured");
  for (const v1::DeviceSample& one : sample.devices()) {
    for (const int reason : one.throttled_by()) {
      Labels labels = device_labels(one);
      labels.push_back(
          {"reason", v1::ThrottleReason_Name(static_cast<v1::ThrottleReason>(reason))});
      add_value(throttles, std::move(labels), 1);
    }
    if (one.xid() != 0) add_value(xids, device_labels(one), one.xid());
  }
  for (MetricFamily* family : {&throttles, &xids}) {
    if (!family->metric.empty()) families.push_back(std::move(*family));
  }
  for (const MetricWords& words : kOfWorkloads) {
    add_family(families, "fallow_lease_", words, sample.workloads(), lease_labels);
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace fallow::agent
