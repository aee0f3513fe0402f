// SPDX-License-Identifier: GPL-2.0-only
#include "base/result.h"

#include <cstring>

namespace minikvm {

std::string Error::text() const {
  std::string text = what;
  if (!on.empty()) text += (text.empty() ? "" : " on ") + on;
  if (code != 0) text += (text.empty() ? "" : ": ") + std::string(std::strerror(code));
  if (why.empty()) return text;
  return code != 0 ? text + " (" + why + ")" : text + (text.empty() ? "" : ": ") + why;
}

}  // namespace minikvm
