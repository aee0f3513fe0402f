/* SPDX-License-Identifier: GPL-2.0-only */
/* The file operations of the three kinds of fd. 32-bit callers are refused. */
#ifndef MKVM_DEV_H
#define MKVM_DEV_H

#include <linux/types.h>

struct file;
struct file_operations;
struct inode;
struct kvm_cpuid2;
struct kvm_cpuid_entry2;

extern const struct file_operations mkvm_dev_fops;	/* dev.c */
extern const struct file_operations mkvm_vm_fops;	/* vm.c */
extern const struct file_operations mkvm_vcpu_fops;	/* vcpu.c */

/* The fd goes, and with it its reference to the VM. */
int mkvm_vm_release(struct inode *inode, struct file *file);
int mkvm_vcpu_release(struct inode *inode, struct file *file);

/*
 * Requests whose number tells the size and direction of a struct, which is copied
 * from userspace once: the struct, zeroed where nothing comes in, or ERR_PTR.
 */
void *mkvm_arg_in(unsigned int cmd, const void __user *user);
/* Copies it out if ret is 0, and frees it: ret, or -EFAULT. */
long mkvm_arg_out(unsigned int cmd, void __user *user, void *arg, long ret);
/* To a struct kvm_cpuid2. Too small an nent is E2BIG: clients grow it and ask again. */
int mkvm_put_cpuid(struct kvm_cpuid2 __user *user, const struct kvm_cpuid_entry2 *entries, u32 nr);

#endif /* MKVM_DEV_H */
