/* SPDX-License-Identifier: GPL-2.0-only */
/* What an access to memory wants, and what a mapping allows. */
#ifndef MKVM_PURE_ACCESS_H
#define MKVM_PURE_ACCESS_H

#include "pure.h"

#define MKVM_ACCESS_READ	MKVM_BIT(0)
#define MKVM_ACCESS_WRITE	MKVM_BIT(1)
#define MKVM_ACCESS_EXEC	MKVM_BIT(2)

#endif /* MKVM_PURE_ACCESS_H */
