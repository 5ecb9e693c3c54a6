// Memory in large pieces that the kernel may back with huge pages: what is looked up all over
// hundreds of megabytes spends a good part of its time in the page tables otherwise.
//
// A HugeList owns its memory; one thread at a time. Where the kernel has no huge pages it is plain
// memory. Running out of memory ends the process, as everywhere.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

namespace fallow {

constexpr std::size_t kHugePageBytes = std::size_t{2} << 20U;

// At least `bytes`, aligned to kHugePageBytes. Freed by free_huge().
void* allocate_huge(std::size_t bytes);
void free_huge(void* memory);

// Objects one behind another, made as they are added, so that a short list costs little of its
// large piece; their addresses stay.
template <class T>
class HugeList {
 public:
  HugeList() = default;
  HugeList(const HugeList&) = delete;
  HugeList& operator=(const HugeList&) = delete;
  ~HugeList() {
    for (std::size_t at = 0; at < chunks_.size(); ++at) {
      std::destroy_n(chunks_[at], std::min(kChunk, size_ - at * kChunk));
      free_huge(chunks_[at]);
    }
  }

  // The new last one, value-initialised.
  T& add() {
    if (size_ == chunks_.size() * kChunk) {
      chunks_.push_back(static_cast<T*>(allocate_huge(kChunk * sizeof(T))));
    }
    T* const added = std::construct_at(chunks_.back() + size_ % kChunk);
    ++size_;
    return *added;
  }

  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return chunks_[i / kChunk][i % kChunk]; }
  const T& operator[](std::size_t i) const { return chunks_[i / kChunk][i % kChunk]; }

 private:
  static constexpr std::size_t kChunk = kHugePageBytes / sizeof(T);
  std::vector<T*> chunks_;  // all but the last are full
  std::size_t size_ = 0;
};

// Objects that come and go one by one; their addresses stay. The last one freed is the next one
// taken. Those that were not freed are destroyed with the pool.
template <class T>
class HugePool {
 public:
  // As value-initialised.
  T& take() {
    if (free_.empty()) return objects_.add();
    T& object = *free_.back();
    free_.pop_back();
    return object;
  }
  void free(T& object) {
    object = T{};
    free_.push_back(&object);
  }

 private:
  HugeList<T> objects_;
  std::vector<T*> free_;  // at most as many as there are
};

}  // namespace fallow
