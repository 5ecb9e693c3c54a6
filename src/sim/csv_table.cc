#include "sim/csv_table.h"

#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/check.h"
#include "base/file.h"
#include "base/number.h"

namespace fallow::sim {
namespace {

struct GzClose {
  void operator()(gzFile_s* file) const { gzclose(file); }
};

Result<std::string> unpacked(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) {
    return tl::unexpected(file_error("read", path, errno));
  }
  if (S_ISDIR(facts.st_mode)) {
    return fail(ErrorCode::kInvalid, "{} is a folder; name the file in it", path);
  }
  // Reads plain files as they are.
  const std::unique_ptr<gzFile_s, GzClose> file(gzopen(path.c_str(), "rbe"));
  if (!file) return tl::unexpected(file_error("read", path, errno));
  std::string text;
  std::vector<char> block(std::size_t{1} << 20);
  for (;;) {
    const int got = gzread(file.get(), block.data(), static_cast<unsigned>(block.size()));
    if (got < 0) break;
    text.append(block.data(), static_cast<std::size_t>(got));
    if (text.size() > CsvTable::kBytesMax) {
      return fail(ErrorCode::kTooLarge, "{} unpacks to more than {} MiB", path,
                  CsvTable::kBytesMax >> 20);
    }
    if (got == 0) break;
  }
  int number = Z_OK;
  const char* why = gzerror(file.get(), &number);
  if (number != Z_OK && number != Z_STREAM_END) {
    return fail(ErrorCode::kCorrupt, "{} is damaged and cannot be unpacked ({}); fetch it again",
                path, why);
  }
  return text;
}

}  // namespace

Result<CsvTable> CsvTable::read(const std::string& path) {
  FALLOW_ASSIGN(std::string text, unpacked(path));
  return parse(std::move(text), path);
}

Result<CsvTable> CsvTable::parse(std::string text, std::string name) {
  CsvTable table;
  table.name_ = std::move(name);
  table.text_ = std::move(text);
  const std::string_view all = table.text_;
  std::size_t line = 0;
  for (std::size_t begin = 0; begin < all.size();) {
    ++line;
    const std::size_t newline = std::min(all.find('\n', begin), all.size());
    std::size_t end = newline;
    if (end > begin && all[end - 1] == '\r') --end;
    if (end > begin) {
      const bool head = table.head_.empty();
      if (!head) table.lines_.push_back(line);
      std::size_t fields = 0;
      for (std::size_t at = begin; at <= end; ++fields) {
        // A field that begins with a quote goes to the next one, commas and all.
        const bool quoted = at < end && all[at] == '"';
        const std::size_t from = at + (quoted ? 1 : 0);
        const std::size_t stop = std::min(all.find(quoted ? '"' : ',', from), end);
        at = stop + (quoted ? 1 : 0);
        if (at < end && all[at] != ',') {
          return fail(ErrorCode::kInvalid, "{}, line {}: no comma behind a quoted field",
                      table.name_, line);
        }
        if (at > end) {
          return fail(ErrorCode::kInvalid, "{}, line {}: a quote is not closed", table.name_, line);
        }
        ++at;
        if (head) {
          table.head_.emplace_back(all.substr(from, stop - from));
        } else {
          table.fields_.push_back(from);
          table.fields_.push_back(stop);
        }
      }
      if (fields != table.head_.size()) {
        return fail(ErrorCode::kInvalid, "{}, line {}: {} fields where the head names {}",
                    table.name_, line, fields, table.head_.size());
      }
    }
    begin = newline + 1;
  }
  if (table.head_.empty()) {
    return fail(ErrorCode::kInvalid, "{} is empty; its first line must name the columns",
                table.name_);
  }
  return table;
}

bool CsvTable::has_column(std::string_view column) const {
  return std::find(head_.begin(), head_.end(), column) != head_.end();
}

Result<std::size_t> CsvTable::column(std::string_view column) const {
  const auto found = std::find(head_.begin(), head_.end(), column);
  if (found != head_.end()) return static_cast<std::size_t>(found - head_.begin());
  std::string names;
  for (const std::string& name : head_) names += (names.empty() ? "" : ", ") + name;
  return fail(ErrorCode::kInvalid, "{} has no column {}; it has {}", name_, column, names);
}

std::string_view CsvTable::text(std::size_t row, std::size_t column) const {
  FALLOW_CHECK(row < rows() && column < head_.size(), "row {} column {}", row, column);
  const std::size_t field = 2 * (row * head_.size() + column);
  return std::string_view(text_).substr(fields_[field], fields_[field + 1] - fields_[field]);
}

Result<std::int64_t> CsvTable::integer(std::size_t row, std::size_t column, std::int64_t lowest,
                                       std::int64_t highest) const {
  const std::string_view field = text(row, column);
  const auto value = parse_number<std::int64_t>(field);
  if (!value || *value < lowest || *value > highest) {
    return fail(ErrorCode::kInvalid, "{}: {} is \"{}\", not a whole number from {} to {}",
                place(row), head_[column], field, lowest, highest);
  }
  return *value;
}

Result<double> CsvTable::number(std::size_t row, std::size_t column, double lowest,
                                double highest) const {
  const std::string_view field = text(row, column);
  const auto value = parse_number<double>(field);
  if (!value || *value < lowest || *value > highest) {
    return fail(ErrorCode::kInvalid, "{}: {} is \"{}\", not a number from {} to {}", place(row),
                head_[column], field, lowest, highest);
  }
  return *value;
}

std::string CsvTable::place(std::size_t row) const {
  FALLOW_CHECK(row < rows(), "row {}", row);
  return fmt::format("{}, line {}", name_, lines_[row]);
}

}  // namespace fallow::sim
