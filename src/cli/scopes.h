// Scopes and roles as words of the command line.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "cli/context.h"
#include "fallow/v1/types.pb.h"

namespace fallow::cli {

// Into a request that has scopes; prints what is none, and answers false.
template <class Request>
bool add_scopes(const std::vector<std::string>& names, Request& request) {
  for (const std::string& name : names) {
    v1::Scope scope = v1::SCOPE_UNSPECIFIED;
    if (!v1::Scope_Parse(upper(name), &scope) || scope == v1::SCOPE_UNSPECIFIED) {
      std::fprintf(stderr, "fallow: '%s' is no scope; there are renter, provider and operator\n",
                   name.c_str());
      return false;
    }
    request.add_scopes(scope);
  }
  return true;
}

// "renter provider"
template <class Scopes>
std::string scopes_text(const Scopes& scopes) {
  std::string text;
  for (const int scope : scopes) {
    if (!text.empty()) text += ' ';
    text += lower(v1::Scope_Name(static_cast<v1::Scope>(scope)));
  }
  return text;
}

inline std::vector<std::string> role_names() { return {"viewer", "billing", "member", "owner"}; }

// Of a word that role_names() has.
inline v1::Role role_of(const std::string& name) {
  v1::Role role = v1::ROLE_UNSPECIFIED;
  v1::Role_Parse(upper(name), &role);
  return role;
}

}  // namespace fallow::cli
