#include "agent/opencl_device.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/proof_kernels.h"

namespace fallow::agent {
namespace {

using proof::FillShape;
using proof::StreamKey;

constexpr std::size_t kSegments = 8;        // of the memory, as proof.cl has it
constexpr std::uint32_t kBandRows = 2'048;  // of a product that stand in memory at once
constexpr std::size_t kDigestBytes = 32;

tl::unexpected<Error> cl_failed(const char* what, cl_int code) {
  return fail(ErrorCode::kFailed, "the device cannot {} (OpenCL error {})", what, code);
}

std::int64_t clock_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

class OpenClDevice : public proof::Device {
 public:
  explicit OpenClDevice(cl_device_id device) : device_(device) {}

  Status open() {
    cl_int code = CL_SUCCESS;
    context_.reset(clCreateContext(nullptr, 1, &device_, nullptr, nullptr, &code));
    if (!context_) return cl_failed("be opened", code);
    // The call of OpenCL 1.2, which every driver has.
    queue_.reset(clCreateCommandQueue(context_.get(), device_, 0, &code));
    if (!queue_) return cl_failed("be opened", code);
    const std::string extensions = text_of(device_, CL_DEVICE_EXTENSIONS);
    const auto has = [&](const char* name) { return extensions.find(name) != std::string::npos; };
    std::string options = "-cl-std=CL1.2";
    if (has("cl_khr_integer_dot_product")) options = "-cl-std=CL3.0 -DFALLOW_DOT";
    if (has("cl_khr_fp64")) options += " -DFALLOW_FP64";
    if (has("cl_khr_fp16")) options += " -DFALLOW_FP16";
    const char* text = kKernelSource;
    const std::size_t size = kKernelSourceBytes;
    program_.reset(clCreateProgramWithSource(context_.get(), 1, &text, &size, &code));
    if (!program_) return cl_failed("take the kernels' source", code);
    code = clBuildProgram(program_.get(), 1, &device_, options.c_str(), nullptr, nullptr);
    if (code != CL_SUCCESS) {
      std::string log(4'096, '\0');
      clGetProgramBuildInfo(program_.get(), device_, CL_PROGRAM_BUILD_LOG, log.size() - 1,
                            log.data(), nullptr);
      return fail(ErrorCode::kFailed, "the device cannot compile the kernels (OpenCL error {}): {}",
                  code, log.c_str());
    }
    has_fp64_ = has("cl_khr_fp64");
    has_fp16_ = has("cl_khr_fp16");
    return {};
  }

  Status begin_matrix(std::uint32_t size, const StreamKey& right) override {
    size_ = size;
    band_rows_ = std::min(size, kBandRows);
    FALLOW_ASSIGN(right_, buffer(std::size_t{size} * size));
    FALLOW_ASSIGN(left_, buffer(std::size_t{band_rows_} * size));
    FALLOW_ASSIGN(product_, buffer(std::size_t{band_rows_} * size * sizeof(cl_int)));
    FALLOW_ASSIGN(digests_, buffer(size * kDigestBytes));
    return make_words(right, 0, std::size_t{size} * size, right_);
  }

  Result<std::vector<Digest>> multiply(const StreamKey& left) override {
    std::vector<Digest> hashes(size_);
    for (std::uint32_t row = 0; row < size_; row += band_rows_) {
      // The last band may be shorter; both are multiples of the tile.
      const std::uint32_t rows = std::min(band_rows_, size_ - row);
      const std::size_t bytes = std::size_t{rows} * size_;
      FALLOW_TRY(make_words(left, std::uint64_t{row} * size_ / 8, bytes, left_));
      FALLOW_ASSIGN(const auto kernel, kernel_of("multiply"));
      FALLOW_TRY(set(kernel, left_.get(), right_.get(), product_.get(), cl_uint{size_ / 4}));
      FALLOW_TRY(launch(kernel, {size_ / 4, rows / 4}, {16, 16}));
      FALLOW_TRY(hash(product_.get(), size_ / 2, rows, &hashes[row]));
    }
    return hashes;
  }

  Result<std::string> row(const StreamKey& left, std::uint32_t row) override {
    FALLOW_TRY(make_words(left, std::uint64_t{row} * size_ / 8, size_, left_));
    FALLOW_ASSIGN(const auto kernel, kernel_of("multiply_row"));
    FALLOW_TRY(set(kernel, left_.get(), right_.get(), product_.get(), cl_uint{size_ / 4}));
    FALLOW_TRY(launch(kernel, {size_}, {}));
    return read(product_.get(), 0, size_ * sizeof(cl_int));
  }

  void end_matrix() override {
    right_.reset();
    left_.reset();
    product_.reset();
    digests_.reset();
  }

  Result<std::vector<Digest>> fill(const FillShape& shape, const StreamKey& key) override {
    shape_ = shape;
    const std::uint64_t chunk_bytes = std::uint64_t{shape.chunk_leaves} * proof::kLeafBytes;
    const auto alloc_max = value_of<cl_ulong>(device_, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    segment_chunks_ =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(shape.chunks, alloc_max / chunk_bytes));
    if (segment_chunks_ == 0 ||
        (shape.chunks + segment_chunks_ - 1) / segment_chunks_ > kSegments) {
      return fail(ErrorCode::kFailed, "the driver gives no {} MiB in {} buffers",
                  shape.bytes() >> 20U, kSegments);
    }
    // Of one size, as far as it goes.
    const std::uint32_t segments = (shape.chunks + segment_chunks_ - 1) / segment_chunks_;
    segment_chunks_ = (shape.chunks + segments - 1) / segments;
    for (std::uint32_t first = 0; first < shape.chunks; first += segment_chunks_) {
      const std::uint32_t chunks = std::min(segment_chunks_, shape.chunks - first);
      FALLOW_ASSIGN(auto segment, buffer(chunks * chunk_bytes));
      segments_.push_back(std::move(segment));
    }
    FALLOW_TRY(fill_chunks(key));
    return hash_segments();
  }

  Result<std::string> leaf(std::uint64_t leaf) override {
    const std::uint64_t segment_leaves = std::uint64_t{segment_chunks_} * shape_.chunk_leaves;
    return read(segments_[leaf / segment_leaves].get(), leaf % segment_leaves * proof::kLeafBytes,
                proof::kLeafBytes);
  }

  void release() override {
    segments_.clear();
    digests_.reset();
  }

  Result<v1::DeviceSpeeds> speeds() override {
    v1::DeviceSpeeds speeds;
    FALLOW_ASSIGN(const std::uint64_t fp32, rate("rate32"));
    speeds.set_fp32_mflops(fp32);
    if (has_fp64_) {
      FALLOW_ASSIGN(const std::uint64_t fp64, rate("rate64"));
      speeds.set_fp64_mflops(fp64);
    }
    if (has_fp16_) {
      FALLOW_ASSIGN(const std::uint64_t fp16, rate("rate16"));
      speeds.set_fp16_mflops(fp16);
    }
    FALLOW_ASSIGN(const std::uint64_t copied, copy_rate());
    speeds.set_copy_mbps(copied);
    return speeds;
  }

 private:
  using Buffer = OwnedOpenCl<cl_mem>;
  using Kernel = OwnedOpenCl<cl_kernel>;

  Result<Buffer> buffer(std::size_t bytes) {
    cl_int code = CL_SUCCESS;
    Buffer made(clCreateBuffer(context_.get(), CL_MEM_READ_WRITE, bytes, nullptr, &code));
    if (!made) {
      return fail(ErrorCode::kFailed, "the device has no {} MiB to give (OpenCL error {})",
                  bytes >> 20U, code);
    }
    return made;
  }

  Result<Kernel> kernel_of(const char* name) {
    cl_int code = CL_SUCCESS;
    Kernel kernel(clCreateKernel(program_.get(), name, &code));
    if (!kernel) return cl_failed("make a kernel", code);
    return kernel;
  }

  template <class... Values>
  Status set(const Kernel& kernel, const Values&... values) {
    cl_uint place = 0;
    cl_int code = CL_SUCCESS;
    const auto one = [&](const auto& value) {
      const cl_int own = clSetKernelArg(kernel.get(), place++, sizeof value, &value);
      if (code == CL_SUCCESS) code = own;
    };
    (one(values), ...);
    if (code != CL_SUCCESS) return cl_failed("take a kernel's arguments", code);
    return {};
  }

  // And waits for its end: only then are times times, and errors those of this kernel.
  Status launch(const Kernel& kernel, std::vector<std::size_t> global,
                std::vector<std::size_t> local) {
    cl_int code = clEnqueueNDRangeKernel(
        queue_.get(), kernel.get(), static_cast<cl_uint>(global.size()), nullptr, global.data(),
        local.empty() ? nullptr : local.data(), 0, nullptr, nullptr);
    if (code == CL_SUCCESS) code = clFinish(queue_.get());
    if (code != CL_SUCCESS) return cl_failed("run a kernel", code);
    return {};
  }

  Result<std::string> read(cl_mem from, std::size_t offset, std::size_t bytes) {
    std::string content(bytes, '\0');
    const cl_int code = clEnqueueReadBuffer(queue_.get(), from, CL_TRUE, offset, bytes,
                                            content.data(), 0, nullptr, nullptr);
    if (code != CL_SUCCESS) return cl_failed("hand back its memory", code);
    return content;
  }

  Status make_words(const StreamKey& key, std::uint64_t first, std::size_t bytes,
                    const Buffer& out) {
    FALLOW_ASSIGN(const auto kernel, kernel_of("make_words"));
    FALLOW_TRY(set(kernel, cl_ulong{key.a}, cl_ulong{key.b}, cl_ulong{first}, out.get()));
    return launch(kernel, {bytes / 8}, {});
  }

  // Of `leaves` leaves of `words` words each.
  Status hash(cl_mem data, std::size_t words, std::size_t leaves, Digest* out) {
    FALLOW_ASSIGN(const auto kernel, kernel_of("hash_leaves"));
    FALLOW_TRY(set(kernel, data, cl_ulong{words}, cl_ulong{leaves}, digests_.get()));
    FALLOW_TRY(launch(kernel, {leaves}, {}));
    const cl_int code = clEnqueueReadBuffer(queue_.get(), digests_.get(), CL_TRUE, 0,
                                            leaves * kDigestBytes, out, 0, nullptr, nullptr);
    if (code != CL_SUCCESS) return cl_failed("hand back its memory", code);
    return {};
  }

  Status fill_chunks(const StreamKey& key) {
    const auto cells = static_cast<std::size_t>(shape_.chunk_cells());
    FALLOW_ASSIGN(const auto first, kernel_of("fill_first"));
    FALLOW_TRY(set(first, cl_ulong{key.a}, cl_ulong{key.b}, cl_ulong{cells}, segments_[0].get()));
    FALLOW_TRY(launch(first, {cells}, {}));
    std::array<cl_mem, kSegments> all{};
    for (std::size_t i = 0; i < kSegments; ++i) {
      all[i] = segments_[std::min(i, segments_.size() - 1)].get();
    }
    FALLOW_ASSIGN(const auto next, kernel_of("fill_next"));
    for (std::uint32_t chunk = 1; chunk < shape_.chunks; ++chunk) {
      FALLOW_TRY(set(next, cl_ulong{key.a}, cl_ulong{key.b}, cl_ulong{cells}, cl_ulong{chunk},
                     cl_ulong{segment_chunks_ * cells}, all[0], all[1], all[2], all[3], all[4],
                     all[5], all[6], all[7]));
      FALLOW_TRY(launch(next, {cells}, {}));
    }
    return {};
  }

  Result<std::vector<Digest>> hash_segments() {
    std::vector<Digest> hashes(shape_.leaves());
    const std::uint64_t segment_leaves = std::uint64_t{segment_chunks_} * shape_.chunk_leaves;
    FALLOW_ASSIGN(digests_, buffer(segment_leaves * kDigestBytes));
    for (std::size_t i = 0; i < segments_.size(); ++i) {
      const std::uint64_t first = i * segment_leaves;
      FALLOW_TRY(hash(segments_[i].get(), proof::kLeafBytes / 8,
                      std::min(segment_leaves, shape_.leaves() - first), &hashes[first]));
    }
    digests_.reset();
    return hashes;
  }

  // A kernel of proof.cl with laps of 16 multiply-adds; about a tenth of a second of it counts.
  Result<std::uint64_t> rate(const char* name) {
    constexpr std::size_t kItems = 65'536;
    constexpr std::uint64_t kFlopsALap = 32;
    FALLOW_ASSIGN(const auto out, buffer(kItems * sizeof(cl_float)));
    FALLOW_ASSIGN(const auto kernel, kernel_of(name));
    for (cl_uint laps = 64;; laps *= 4) {
      FALLOW_TRY(set(kernel, cl_uint{laps}, out.get()));
      const std::int64_t from = clock_us();
      FALLOW_TRY(launch(kernel, {kItems}, {}));
      const std::int64_t took = std::max<std::int64_t>(clock_us() - from, 1);
      if (took < 100'000 && laps < (1U << 24U)) continue;
      return kItems * kFlopsALap * laps / static_cast<std::uint64_t>(took);
    }
  }

  Result<std::uint64_t> copy_rate() {
    constexpr std::size_t kBytes = std::size_t{64} << 20U;
    FALLOW_ASSIGN(const auto from, buffer(kBytes));
    FALLOW_ASSIGN(const auto to, buffer(kBytes));
    FALLOW_ASSIGN(const auto kernel, kernel_of("copy"));
    FALLOW_TRY(set(kernel, from.get(), to.get()));
    FALLOW_TRY(launch(kernel, {kBytes / 64}, {}));
    const std::int64_t begin = clock_us();
    std::uint64_t copies = 0;
    std::int64_t took = 0;
    for (; took < 100'000; took = clock_us() - begin, ++copies) {
      FALLOW_TRY(launch(kernel, {kBytes / 64}, {}));
    }
    return 2 * kBytes * copies / static_cast<std::uint64_t>(std::max<std::int64_t>(took, 1));
  }

  cl_device_id device_;
  OwnedOpenCl<cl_context> context_;
  OwnedOpenCl<cl_command_queue> queue_;
  OwnedOpenCl<cl_program> program_;
  bool has_fp64_ = false;
  bool has_fp16_ = false;

  std::uint32_t size_ = 0;
  std::uint32_t band_rows_ = 0;
  Buffer right_;
  Buffer left_;
  Buffer product_;
  Buffer digests_;

  FillShape shape_;
  std::uint32_t segment_chunks_ = 0;
  std::vector<Buffer> segments_;  // at most kSegments
};

}  // namespace

Result<std::unique_ptr<proof::Device>> open_opencl_device(cl_device_id device) {
  auto opened = std::make_unique<OpenClDevice>(device);
  FALLOW_TRY(opened->open());
  return std::unique_ptr<proof::Device>(std::move(opened));
}

}  // namespace fallow::agent
