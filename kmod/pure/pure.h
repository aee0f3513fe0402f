/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only header of kmod/pure/ that knows where it is compiled: the same files
 * go into minikvm.ko and into the userspace library that the unit tests and the
 * VMM link. Nothing here may need more than types, bit masks and memory copies.
 */
#ifndef MKVM_PURE_H
#define MKVM_PURE_H

#include <linux/types.h>

#ifdef __KERNEL__
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <linux/stddef.h>
#include <linux/string.h>
#else
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;

#ifndef BIT
#define BIT(n)			(1ul << (n))
#endif
#ifndef BIT_ULL
#define BIT_ULL(n)		(1ull << (n))
#endif
#ifndef GENMASK_ULL
#define GENMASK_ULL(h, l)	((~0ull << (l)) & (~0ull >> (63 - (h))))
#endif
#ifndef GENMASK
#define GENMASK(h, l)		((unsigned long)GENMASK_ULL(h, l))
#endif
#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#endif
/* Speculation past a bounds check is the kernel's concern only. */
#ifndef array_index_nospec
#define array_index_nospec(index, size)	((void)(size), (index))
#endif
#endif /* __KERNEL__ */

/* A 32-bit mask: BIT() is a long in the kernel, and -Wconversion is not ours. */
#define MKVM_BIT(n)		(1u << (n))

#ifdef __cplusplus
#define MKVM_PURE_BEGIN		extern "C" {
#define MKVM_PURE_END		}
#else
#define MKVM_PURE_BEGIN
#define MKVM_PURE_END
#endif

/* True when @value fits in @bits bits, for 0 < @bits < 64. */
static inline bool mkvm_fits(u64 value, unsigned int bits)
{
	return !(value >> bits);
}

/*
 * Canonical for a linear-address width of @bits (48 or 57): all bits from
 * bits-1 up are equal. SDM vol. 1, section "Canonical Addressing".
 */
static inline bool mkvm_canonical(u64 addr, unsigned int bits)
{
	u64 top = addr >> (bits - 1);

	return top == 0 || top == (~0ull >> (bits - 1));
}

#endif /* MKVM_PURE_H */
