// A table read from a .csv or .csv.gz file: the traces that the laboratories take.
//
// Fields between commas, the first line names the columns, CRLF allowed. A field that begins with
// a quote goes to the next quote and may hold commas; it holds no quote. The whole file is held; a
// value, not shared by threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fallow::sim {

class CsvTable {
 public:
  // Unpacked; a larger file is kTooLarge.
  static constexpr std::size_t kBytesMax = std::size_t{256} << 20;

  // Reads and unpacks `path`. kNotFound when it is absent; kInvalid, with the line's number, for a
  // line whose fields are not as many as the head's; kCorrupt for a damaged .gz.
  static Result<CsvTable> read(const std::string& path);
  // The same from bytes; `name` is what error sentences call the file.
  static Result<CsvTable> parse(std::string text, std::string name);

  const std::string& name() const { return name_; }
  std::size_t rows() const { return lines_.size(); }
  bool has_column(std::string_view column) const;
  // kInvalid, naming the columns that are there, when `column` is not.
  Result<std::size_t> column(std::string_view column) const;

  // Valid as long as the table; row < rows().
  std::string_view text(std::size_t row, std::size_t column) const;
  // kInvalid with the line's number unless the field is a whole number in [lowest, highest].
  Result<std::int64_t> integer(std::size_t row, std::size_t column, std::int64_t lowest,
                               std::int64_t highest) const;
  // The same for a decimal number; lowest and highest are finite.
  Result<double> number(std::size_t row, std::size_t column, double lowest, double highest) const;
  // "file.csv, line 17": for sentences about a row.
  std::string place(std::size_t row) const;

 private:
  std::string name_;
  std::string text_;
  std::vector<std::string> head_;
  std::vector<std::size_t> fields_;  // begin and end in text_, field by field, row by row
  std::vector<std::size_t> lines_;   // by row: its line's number, from 1
};

}  // namespace fallow::sim
