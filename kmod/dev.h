/* SPDX-License-Identifier: GPL-2.0-only */
/* The file operations of the three kinds of fd. 32-bit callers are refused. */
#ifndef MKVM_DEV_H
#define MKVM_DEV_H

struct file_operations;

extern const struct file_operations mkvm_dev_fops;	/* dev.c */
extern const struct file_operations mkvm_vm_fops;	/* vm.c */
extern const struct file_operations mkvm_vcpu_fops;	/* vcpu.c */

#endif /* MKVM_DEV_H */
