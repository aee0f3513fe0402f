// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_X86_SET_MSR_FILTER and KVM_CAP_X86_USER_SPACE_MSR: MSRs that a guest may not
 * touch by userspace's wish, and accesses that userspace wants to answer itself.
 */
#include "x86/x86.h"

struct mkvm_msr_filter {
	bool allow;			/* what no range speaks of */
	u32 nr;
	struct {
		u32 flags, base, nr;
		unsigned long *bitmap;	/* set: allowed */
	} range[KVM_MSR_FILTER_MAX_RANGES];
};

void mkvm_msr_filter_free(struct mkvm_msr_filter *filter)
{
	u32 i;

	for (i = 0; filter && i < filter->nr; i++)
		kfree(filter->range[i].bitmap);
	kfree(filter);
}

static int add_msr_range(struct mkvm_msr_filter *filter, const struct kvm_msr_filter_range *r)
{
	size_t size = BITS_TO_LONGS(r->nmsrs) * sizeof(long);
	void *bitmap;

	if (!r->nmsrs)
		return 0;
	if (size > KVM_MSR_FILTER_MAX_BITMAP_SIZE || !r->flags ||
	    r->flags & ~(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE))
		return -EINVAL;
	bitmap = memdup_user((__user u8 *)r->bitmap, size);
	if (IS_ERR(bitmap))
		return PTR_ERR(bitmap);
	filter->range[filter->nr].flags = r->flags;
	filter->range[filter->nr].base = r->base;
	filter->range[filter->nr].nr = r->nmsrs;
	filter->range[filter->nr++].bitmap = bitmap;
	return 0;
}

int mkvm_set_msr_filter(struct mkvm_vm *vm, void *arg)
{
	const struct kvm_msr_filter *from = arg;
	struct mkvm_msr_filter *filter;
	int ret = 0;
	u32 i;

	if (from->flags & ~KVM_MSR_FILTER_DEFAULT_DENY)
		return -EINVAL;
	filter = kzalloc(sizeof(*filter), GFP_KERNEL_ACCOUNT);
	if (!filter)
		return -ENOMEM;
	filter->allow = !(from->flags & KVM_MSR_FILTER_DEFAULT_DENY);
	for (i = 0; i < ARRAY_SIZE(from->ranges) && !ret; i++)
		ret = add_msr_range(filter, &from->ranges[i]);
	if (!ret && !filter->allow && !filter->nr)
		ret = -EINVAL;
	if (ret) {
		mkvm_msr_filter_free(filter);
		return ret;
	}
	mutex_lock(&vm->lock);
	filter = rcu_replace_pointer(vm->msr_filter, filter, lockdep_is_held(&vm->lock));
	mutex_unlock(&vm->lock);
	mkvm_request_all(vm, MKVM_REQ_MSR_FILTER);
	synchronize_rcu();
	mkvm_msr_filter_free(filter);
	return 0;
}

/* As in KVM, the first range that has the MSR decides, and no x2APIC register is refused. */
static bool allowed(const struct mkvm_msr_filter *filter, u32 index, u32 access)
{
	u32 i, bit;

	for (i = 0; i < filter->nr; i++) {
		bit = index - filter->range[i].base;
		if (bit < filter->range[i].nr && filter->range[i].flags & access)
			return test_bit(array_index_nospec(bit, filter->range[i].nr),
					filter->range[i].bitmap);
	}
	return filter->allow;
}

static bool filtered(struct mkvm_vcpu *v, u32 index, u32 access)
{
	const struct mkvm_msr_filter *filter;
	bool ret;

	if (likely(!rcu_access_pointer(v->vm->msr_filter)) || mkvm_is_x2apic_msr(index))
		return false;
	rcu_read_lock();
	filter = rcu_dereference(v->vm->msr_filter);
	ret = filter && !allowed(filter, index, access);
	rcu_read_unlock();
	return ret;
}

/* Userspace has said what RDMSR reads, or that either instruction is a #GP. */
static int complete_msr(struct mkvm_vcpu *v)
{
	struct kvm_run *run = v->run;
	u64 value = READ_ONCE(run->msr.data);

	if (READ_ONCE(run->msr.error)) {
		mkvm_queue_exception_error(v, X86_TRAP_GP, 0);
		return MKVM_RESUME;
	}
	if (!v->msr_write) {
		v->regs[MKVM_RAX] = (u32)value;
		v->regs[MKVM_RDX] = value >> 32;
	}
	v->skip_len = v->insn_len;
	return MKVM_RESUME;
}

/* Deferred, so that the instruction is not over yet: see complete_msr. */
static int ask_userspace(struct mkvm_vcpu *v)
{
	return MKVM_TO_USER;
}

/* #GP(0), or userspace decides. */
static int refuse(struct mkvm_vcpu *v, u32 index, bool by_filter, bool write, u64 value)
{
	u32 reason = by_filter ? KVM_MSR_EXIT_REASON_FILTER :
		     mkvm_msr_find(index) ? KVM_MSR_EXIT_REASON_INVAL : KVM_MSR_EXIT_REASON_UNKNOWN;

	if (!(READ_ONCE(v->vm->user_msrs) & reason))
		return mkvm_insn_gp(v);
	v->run->msr.error = 0;
	memset(v->run->msr.pad, 0, sizeof(v->run->msr.pad));
	v->run->msr.reason = reason;
	v->run->msr.index = index;
	v->run->msr.data = value;
	v->msr_write = write;
	v->complete = complete_msr;
	v->run->exit_reason = write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR;
	return mkvm_defer(v, ask_userspace);
}

int mkvm_rdmsr(struct mkvm_vcpu *v)
{
	u32 index = v->regs[MKVM_RCX];
	bool not_allowed = filtered(v, index, KVM_MSR_FILTER_READ);
	u64 value;

	if (not_allowed || mkvm_get_msr(v, index, &value, MKVM_MSR_BY_GUEST))
		return refuse(v, index, not_allowed, false, 0);
	v->regs[MKVM_RAX] = (u32)value;
	v->regs[MKVM_RDX] = value >> 32;
	return MKVM_RESUME;
}

int mkvm_wrmsr(struct mkvm_vcpu *v)
{
	u64 value = mkvm_edx_eax(v);
	u32 index = v->regs[MKVM_RCX];
	bool not_allowed = filtered(v, index, KVM_MSR_FILTER_WRITE);

	if (not_allowed || mkvm_set_msr(v, index, value, MKVM_MSR_BY_GUEST))
		return refuse(v, index, not_allowed, true, value);
	return MKVM_RESUME;
}
