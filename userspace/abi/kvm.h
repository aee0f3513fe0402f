// SPDX-License-Identifier: GPL-2.0-only
// <linux/kvm.h> for C++. Include this one instead.
//
// Linux 6.1's __DECLARE_FLEX_ARRAY puts an empty struct in front of the array.
// That has no size in C, but one byte in C++, which with the padding changes
// the size of struct kvm_cpuid2 and others, and so their request numbers.
#pragma once

#include <linux/stddef.h>

#undef __DECLARE_FLEX_ARRAY
#define __DECLARE_FLEX_ARRAY(TYPE, NAME) TYPE NAME[0]

#include <linux/kvm.h>

static_assert(sizeof(kvm_cpuid2) == 8 && sizeof(kvm_msrs) == 8,
              "<linux/kvm.h> was included before abi/kvm.h");
