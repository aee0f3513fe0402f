// SPDX-License-Identifier: GPL-2.0-only
/* KVM_GET_STATS_FD: counters as a file that describes itself. A VM's are its vCPUs' summed up. */
#include <linux/anon_inodes.h>
#include <linux/file.h>

#include "mkvm.h"

#define NAME_SIZE	48

static const struct {
	char name[NAME_SIZE];
	u32 offset;
} stats[] = {
	{ "exits", offsetof(struct mkvm_vcpu_stats, entries) },
	{ "user_exits", offsetof(struct mkvm_vcpu_stats, user_exits) },
	{ "faults", offsetof(struct mkvm_vcpu_stats, faults) },
};

/* Flags 0: a count that only grows, of no unit. */
struct stats_file {
	struct kvm_stats_header header;
	char id[NAME_SIZE];
	struct {
		u32 flags;
		s16 exponent;
		u16 size;
		u32 offset;
		u32 bucket_size;
		char name[NAME_SIZE];
	} desc[ARRAY_SIZE(stats)];	/* struct kvm_stats_desc, whose name has no size in 6.1 */
	u64 data[ARRAY_SIZE(stats)];
};

static ssize_t read_stats(struct mkvm_vcpu **vcpus, u32 nr, char __user *user, size_t len,
			  loff_t *pos)
{
	struct stats_file file = {
		.header = {
			.name_size = NAME_SIZE, .num_desc = ARRAY_SIZE(stats),
			.id_offset = offsetof(struct stats_file, id),
			.desc_offset = offsetof(struct stats_file, desc),
			.data_offset = offsetof(struct stats_file, data),
		},
		.id = "kvm-minikvm",
	};
	u32 i, j;

	BUILD_BUG_ON(offsetof(struct kvm_stats_desc, name) != offsetof(typeof(*file.desc), name));
	for (i = 0; i < ARRAY_SIZE(stats); i++) {
		file.desc[i].size = 1;
		file.desc[i].offset = i * sizeof(u64);
		strscpy(file.desc[i].name, stats[i].name, NAME_SIZE);
		for (j = 0; j < nr; j++)	/* while they count: any moment's value will do */
			file.data[i] += READ_ONCE(*(u64 *)((void *)&vcpus[j]->stats +
							   stats[i].offset));
	}
	return simple_read_from_buffer(user, len, pos, &file, sizeof(file));
}

static ssize_t vm_read(struct file *file, char __user *user, size_t len, loff_t *pos)
{
	struct mkvm_vm *vm = file->private_data;

	/* Pairs with publish() in vcpu.c: who is counted is complete. */
	return read_stats(vm->vcpus, smp_load_acquire(&vm->nr_vcpus), user, len, pos);
}

static ssize_t vcpu_read(struct file *file, char __user *user, size_t len, loff_t *pos)
{
	struct mkvm_vcpu *v = file->private_data;

	return read_stats(&v, 1, user, len, pos);
}

static const struct file_operations vm_stats_fops = {
	.owner = THIS_MODULE, .llseek = default_llseek,
	.read = vm_read, .release = mkvm_vm_release,
};

static const struct file_operations vcpu_stats_fops = {
	.owner = THIS_MODULE, .llseek = default_llseek,
	.read = vcpu_read, .release = mkvm_vcpu_release,
};

/* The fd, which holds the VM; v NULL: the VM's own. */
long mkvm_stats_fd(struct mkvm_vm *vm, struct mkvm_vcpu *v)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);
	struct file *file;

	if (fd < 0)
		return fd;
	file = anon_inode_getfile("minikvm-stats", v ? &vcpu_stats_fops : &vm_stats_fops,
				  v ?: (void *)vm, O_RDONLY);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	file->f_mode |= FMODE_PREAD;	/* pread(), which anonymous files lack */
	refcount_inc(&vm->refs);
	fd_install(fd, file);
	return fd;
}
