#include "server/statement_csv.h"

#include <fmt/core.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "server/csv_cell.h"

namespace fallow::server {
namespace {

constexpr const char* kCsvHead =
    "month,kind,lease,job,task,tier,project,name,first_entry,last_entry,charged,fee_kept,refunded,"
    "net,amount,currency,receipt\r\n";

std::string negated(const std::string& money) {
  if (money.find_first_not_of("0.") == money.npos) return money;
  return money.front() == '-' ? money.substr(1) : "-" + money;
}

std::string lower_case(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return name;
}

// A row that is of no lease.
std::string sum_row(const v1::StatementView& statement, std::string_view kind,
                    const std::string& amount) {
  return fmt::format("{},{},,,,,,,,,,,,,{},{},\r\n", statement.month(), kind, amount,
                     csv_cell(statement.currency()));
}

}  // namespace

std::string csv_begin(const v1::StatementView& statement) {
  return kCsvHead + sum_row(statement, "opening", statement.opening().total());
}

std::string csv_lines(const v1::StatementView& statement) {
  using google::protobuf::util::TimeUtil;
  std::string text;
  for (const v1::StatementLine& line : statement.lines()) {
    const std::string amount = line.as_provider() ? line.net() : negated(line.net());
    text +=
        fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\r\n", statement.month(),
                    line.as_provider() ? "earned" : "spent", line.lease(), line.order(),
                    line.task(), lower_case(v1::Tier_Name(line.tier())), csv_cell(line.project()),
                    csv_cell(line.name()), TimeUtil::ToString(line.first_at()),
                    TimeUtil::ToString(line.last_at()), line.charged(), line.fee(), line.refunded(),
                    line.net(), amount, csv_cell(statement.currency()), line.receipt());
  }
  return text;
}

std::string csv_end(const v1::StatementView& statement) {
  return sum_row(statement, "deposited", statement.deposited()) +
         sum_row(statement, "withdrawn", negated(statement.withdrawn())) +
         sum_row(statement, statement.complete() ? "closing" : "so far",
                 statement.closing().total());
}

}  // namespace fallow::server
