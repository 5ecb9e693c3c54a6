// Memory in large pieces that the kernel may back with huge pages: what is looked up all over
// hundreds of megabytes spends a good part of its time in the page tables otherwise.
//
// A HugeArray owns its memory; one thread at a time. Where the kernel has no huge pages it is plain
// memory. Running out of memory ends the process, as everywhere.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace fallow {

constexpr std::size_t kHugePageBytes = std::size_t{2} << 20U;

// At least `bytes`, aligned to kHugePageBytes. Freed by free_huge().
void* allocate_huge(std::size_t bytes);
void free_huge(void* memory);

// `size` value-initialised objects; their addresses stay.
template <class T>
class HugeArray {
 public:
  explicit HugeArray(std::size_t size)
      : values_(static_cast<T*>(allocate_huge(size * sizeof(T)))), size_(size) {
    std::uninitialized_value_construct_n(values_, size);
  }
  ~HugeArray() {
    if (values_ == nullptr) return;
    std::destroy_n(values_, size_);
    free_huge(values_);
  }
  HugeArray(HugeArray&& other) noexcept
      : values_(std::exchange(other.values_, nullptr)), size_(other.size_) {}
  HugeArray& operator=(HugeArray&&) = delete;

  T& operator[](std::size_t i) { return values_[i]; }
  const T& operator[](std::size_t i) const { return values_[i]; }

 private:
  T* values_;
  std::size_t size_;
};

// Objects that come and go one by one; their addresses stay. The last one freed is the next one
// taken. Those that were not freed are destroyed with the pool.
template <class T>
class HugePool {
 public:
  // As value-initialised.
  T& take() {
    if (free_.empty()) {
      chunks_.emplace_back(kChunk);
      for (std::size_t i = kChunk; i > 0; --i) free_.push_back(&chunks_.back()[i - 1]);
    }
    T& object = *free_.back();
    free_.pop_back();
    return object;
  }
  void free(T& object) {
    object = T{};
    free_.push_back(&object);
  }

 private:
  static constexpr std::size_t kChunk = kHugePageBytes / sizeof(T);
  std::vector<HugeArray<T>> chunks_;
  std::vector<T*> free_;  // at most as many as there are
};

}  // namespace fallow
