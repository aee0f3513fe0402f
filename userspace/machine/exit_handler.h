// SPDX-License-Identifier: GPL-2.0-only
// What a VM exit means to this machine. No ioctl in here: a test can invent any
// exit.
#pragma once

#include <variant>

#include "abi/exit.h"
#include "machine/board.h"
#include "machine/outcome.h"

namespace minikvm {

struct Resume {};
struct AwaitInterrupt {};  // resume when one is pending, not before
using Next = std::variant<Resume, AwaitInterrupt, Outcome>;

// `interrupts_enabled` is RFLAGS.IF at the exit.
Next handle(Board& board, const abi::Exit& exit, bool interrupts_enabled);

}  // namespace minikvm
