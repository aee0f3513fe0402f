// SPDX-License-Identifier: GPL-2.0-only
/* The vCPU fd: life of a vCPU, its mmap and its ioctls. */
#include <linux/anon_inodes.h>

#include "host/mitigate.h"
#include "irq/board.h"
#include "x86/x86.h"

/* ---- life ---- */

static int alloc_pages_of(struct mkvm_vcpu *v)
{
	int i;

	v->pages[MKVM_RING_PAGE] = v->vm->board->ring;
	get_page(v->vm->board->ring);
	for (i = 0; i < MKVM_RING_PAGE; i++) {
		v->pages[i] = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!v->pages[i])
			return -ENOMEM;
	}
	v->run = page_address(v->pages[0]);
	v->pio_data = page_address(v->pages[1]);
	return 0;
}

static void free_pages_of(struct mkvm_vcpu *v)
{
	int i;

	for (i = 0; i < MKVM_VCPU_PAGES; i++)
		if (v->pages[i])
			__free_page(v->pages[i]);
}

/* What EDX has after RESET and INIT: family 6 as long as userspace has said nothing else. */
static u32 processor_signature(const struct mkvm_vcpu *v)
{
	const struct kvm_cpuid_entry2 *e = mkvm_cpuid_find(v->cpuid, v->nr_cpuid, 1, 0);

	return e ? e->eax : 0x600;
}

/* SDM vol. 3, "Processor State After Reset": what no hardware area holds. */
static void reset_state(struct mkvm_vcpu *v)
{
	bool boots = v->id == v->vm->boot_cpu_id;

	v->regs[MKVM_RDX] = processor_signature(v);
	v->cpu = -1;
	v->apic_base = MKVM_APIC_BASE_DEFAULT | MKVM_APIC_BASE_ENABLE |
		       (boots ? MKVM_APIC_BASE_BSP : 0);
	v->dr6 = MKVM_DR6_RESET;
	v->dr7 = MKVM_DR7_RESET;
	v->mp_state = boots || !v->apic ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_UNINITIALIZED;
	mkvm_init_tsc(v);
	set_bit(MKVM_REQ_MSR_FILTER, &v->requests);
	mkvm_msr_reset(&v->msrs);
	*mkvm_msr_stored(&v->msrs, MSR_IA32_ARCH_CAPABILITIES) = mkvm_host_arch_capabilities();
	mkvm_derive_guest_cpu(v);
}

/* INIT: as RESET, but for MSRs, FPU, CR0's cache bits and what the APIC keeps. */
void mkvm_vcpu_reset(struct mkvm_vcpu *v)
{
	u64 cache;

	v->complete = NULL;
	v->skip_len = 0;
	v->exception.valid = false;
	v->irq.valid = false;
	v->nmi_injected = false;
	v->exit_due = 0;
	v->nmi_pending = 0;
	mkvm_set_smm(v, false);
	memset(v->dr, 0, sizeof(v->dr));
	v->dr6 = MKVM_DR6_RESET;
	v->dr7 = MKVM_DR7_RESET;
	v->cr2 = 0;
	memset(v->regs, 0, sizeof(v->regs));
	v->regs[MKVM_RDX] = processor_signature(v);
	mkvm_apic_reset(v, true);
	mkvm_vcpu_load(v);
	cache = mkvm_vendor->get_cr0(v) & (X86_CR0_CD | X86_CR0_NW);
	mkvm_vendor->vcpu_reset(v);	/* RSP and RIP, too */
	mkvm_vendor->set_cr0(v, cache | X86_CR0_ET);
	mkvm_vendor->set_nmi_blocked(v, false);
	mkvm_vcpu_put(v);
}

/* What is there of it, but the vendor's. */
static void free_parts(struct mkvm_vcpu *v)
{
	mkvm_apic_free(v);
	kfree(v->fpu);
	free_pages_of(v);
	kvfree(v->cpuid);
	kfree(v);
}

static struct mkvm_vcpu *vcpu_alloc(struct mkvm_vm *vm, u32 id)
{
	static atomic64_t serials;
	struct mkvm_vcpu *v = kzalloc(sizeof(*v), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!v)
		return ERR_PTR(-ENOMEM);
	v->vm = vm;
	v->id = id;
	v->serial = atomic64_inc_return(&serials);
	mutex_init(&v->lock);
	ret = alloc_pages_of(v) ?: mkvm_fpu_init(v) ?: mkvm_apic_create(v);
	if (!ret) {
		reset_state(v);
		ret = mkvm_vendor->vcpu_init(v);
	}
	if (!ret)
		return v;
	free_parts(v);
	return ERR_PTR(ret);
}

void mkvm_vcpu_free(struct mkvm_vcpu *v)
{
	mkvm_vendor->vcpu_free(v);
	free_parts(v);
}

static int check_new_id(struct mkvm_vm *vm, u32 id)
{
	u32 i;

	if (vm->nr_vcpus == MKVM_MAX_VCPUS || (vm->max_vcpu_id && id >= vm->max_vcpu_id))
		return -EINVAL;
	for (i = 0; i < vm->nr_vcpus; i++)
		if (vm->vcpus[i]->id == id)
			return -EEXIST;
	return 0;
}

/*
 * The fd is installed last and owns a reference by then: another thread may
 * close it before we return. The vCPU itself lives as long as its VM.
 */
static long publish(struct mkvm_vm *vm, struct mkvm_vcpu *v)
{
	long fd;

	refcount_inc(&vm->refs);
	fd = anon_inode_getfd("minikvm-vcpu", &mkvm_vcpu_fops, v, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		refcount_dec(&vm->refs);	/* not the last: the caller holds the VM's fd */
		return fd;
	}
	vm->vcpus[vm->nr_vcpus] = v;
	/* Pairs with mkvm_request_all, which takes no lock. */
	smp_store_release(&vm->nr_vcpus, vm->nr_vcpus + 1);
	return fd;
}

/* KVM_CREATE_VCPU: the new fd. */
long mkvm_vcpu_create(struct mkvm_vm *vm, unsigned long id)
{
	struct mkvm_vcpu *v;
	long ret;

	if (id >= MKVM_MAX_VCPU_ID)
		return -EINVAL;
	guard(mutex)(&vm->lock);
	ret = check_new_id(vm, id);
	if (ret)
		return ret;
	v = vcpu_alloc(vm, id);
	if (IS_ERR(v))
		return PTR_ERR(v);
	ret = publish(vm, v);
	if (ret < 0)
		mkvm_vcpu_free(v);
	return ret;
}

int mkvm_vcpu_release(struct inode *inode, struct file *file)
{
	struct mkvm_vcpu *v = file->private_data;

	mkvm_vm_put(v->vm);
	return 0;
}

/* ---- mmap ---- */

static vm_fault_t vcpu_fault(struct vm_fault *vmf)
{
	struct mkvm_vcpu *v = vmf->vma->vm_file->private_data;

	if (vmf->pgoff >= MKVM_VCPU_PAGES)
		return VM_FAULT_SIGBUS;
	vmf->page = v->pages[array_index_nospec(vmf->pgoff, MKVM_VCPU_PAGES)];
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = { .fault = vcpu_fault };

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

/* ---- ioctls of a fixed size: check, then commit ---- */

/* What struct kvm_regs begins with; RIP and RFLAGS follow. */
static const u8 regs_order[] = {
	MKVM_RAX, MKVM_RBX, MKVM_RCX, MKVM_RDX, MKVM_RSI, MKVM_RDI, MKVM_RSP, MKVM_RBP,
	MKVM_R8, MKVM_R9, MKVM_R10, MKVM_R11, MKVM_R12, MKVM_R13, MKVM_R14, MKVM_R15,
};

/* Loaded */
static int get_regs(struct mkvm_vcpu *v, void *arg)
{
	struct kvm_regs *r = arg;
	u32 i;

	mkvm_vendor->cache_regs(v);
	for (i = 0; i < ARRAY_SIZE(regs_order); i++)
		((u64 *)arg)[i] = v->regs[regs_order[i]];
	r->rip = v->regs[MKVM_RIP];
	r->rflags = mkvm_vendor->get_rflags(v);
	if (v->debug.control & KVM_GUESTDBG_SINGLESTEP)
		r->rflags &= ~X86_EFLAGS_TF;
	return 0;
}

/*
 * Loaded. A moved RIP abandons the instruction that userspace was completing,
 * and new registers the exception that the old ones had raised.
 */
static int set_regs(struct mkvm_vcpu *v, void *arg)
{
	const struct kvm_regs *r = arg;
	u32 i;

	if (r->rip != mkvm_read_rip(v)) {
		v->complete = NULL;
		v->skip_len = 0;
	}
	if (!v->exception.interrupted)
		v->exception.valid = false;
	for (i = 0; i < ARRAY_SIZE(regs_order); i++)
		mkvm_write_reg(v, regs_order[i], ((const u64 *)arg)[i]);
	mkvm_write_rip(v, r->rip);
	mkvm_vendor->set_rflags(v, r->rflags | X86_EFLAGS_FIXED);
	return 0;
}

static int get_xcrs(struct mkvm_vcpu *v, void *arg)
{
	struct kvm_xcrs *x = arg;

	x->nr_xcrs = 1;
	x->xcrs[0].value = v->xcr0;
	return 0;
}

static int set_xcrs(struct mkvm_vcpu *v, void *arg)
{
	const struct kvm_xcrs *x = arg;
	u32 i;

	if (x->nr_xcrs > KVM_MAX_XCRS || x->flags)
		return -EINVAL;
	for (i = 0; i < x->nr_xcrs; i++)
		if (x->xcrs[i].xcr == 0)
			return mkvm_set_xcr(v, 0, x->xcrs[i].value) ? -EINVAL : 0;
	return 0;
}

static int get_debugregs(struct mkvm_vcpu *v, void *arg)
{
	struct kvm_debugregs *d = arg;

	memcpy(d->db, v->dr, sizeof(d->db));
	d->dr6 = v->dr6;
	d->dr7 = v->dr7;
	return 0;
}

/* Loaded */
static int set_debugregs(struct mkvm_vcpu *v, void *arg)
{
	const struct kvm_debugregs *d = arg;

	if (d->flags || !mkvm_fits(d->dr6 | d->dr7, 32))
		return -EINVAL;
	memcpy(v->dr, d->db, sizeof(v->dr));
	v->dr6 = d->dr6;
	v->dr7 = d->dr7 | MKVM_DR7_RESET;
	mkvm_update_dr7(v);
	return 0;
}

static int get_mp_state(struct mkvm_vcpu *v, void *arg)
{
	mkvm_apic_events(v);
	((struct kvm_mp_state *)arg)->mp_state = v->mp_state;
	return 0;
}

/* The states but RUNNABLE belong to a local APIC in the kernel. */
static int set_mp_state(struct mkvm_vcpu *v, void *arg)
{
	const struct kvm_mp_state *state = arg;

	if (state->mp_state > (v->apic ? KVM_MP_STATE_SIPI_RECEIVED : KVM_MP_STATE_RUNNABLE))
		return -EINVAL;
	v->mp_state = state->mp_state;
	if (v->mp_state == KVM_MP_STATE_SIPI_RECEIVED) {
		v->mp_state = KVM_MP_STATE_INIT_RECEIVED;
		set_bit(MKVM_REQ_SIPI, &v->requests);
	}
	return 0;
}

static int interrupt(struct mkvm_vcpu *v, void *arg)
{
	const struct kvm_interrupt *irq = arg;

	if (irq->irq > 255)
		return -EINVAL;
	if (v->vm->irqchip == MKVM_IRQCHIP_KERNEL)
		return -ENXIO;
	if (v->apic)
		return mkvm_apic_give_extint(v, irq->irq);
	v->irq = (struct mkvm_event){ .valid = true, .vector = irq->irq, .type = MKVM_EVENT_IRQ };
	return 0;
}

/* Loaded. One NMI can wait behind another that is being handled; more are one. */
int mkvm_vcpu_nmi(struct mkvm_vcpu *v, void *unused)
{
	bool handling = v->nmi_injected || mkvm_vendor->nmi_blocked(v);

	v->nmi_pending = min(v->nmi_pending + 1, handling ? 1 : 2);
	return 0;
}

static int smi(struct mkvm_vcpu *v, void *unused)
{
	v->smm.pending = true;
	return 0;
}

static int enable_cap(struct mkvm_vcpu *v, void *arg)
{
	const struct kvm_enable_cap *cap = arg;

	if (cap->flags || cap->cap != KVM_CAP_ENFORCE_PV_FEATURE_CPUID)
		return -EINVAL;
	v->enforce_pv = cap->args[0];
	mkvm_derive_guest_cpu(v);
	return 0;
}

/* As a supervisor that may look at everything. */
static int translate(struct mkvm_vcpu *v, void *arg)
{
	struct kvm_translation *t = arg;
	struct mkvm_guest_context c;
	u32 error;
	u64 gpa;

	mkvm_take_context(v, &c);
	c.cpl = 0;
	c.rflags |= X86_EFLAGS_AC;
	t->valid = !mkvm_walk(v, &c, t->linear_address, MKVM_ACCESS_READ, &gpa, &error);
	t->physical_address = t->valid ? gpa : ~0ull;
	t->writeable = 1;
	t->usermode = 0;
	return 0;
}

/* Where 32-bit guests would find their TPR, if we told of accesses to it: taken and not used. */
static int set_vapic_addr(struct mkvm_vcpu *v, void *arg)
{
	return v->apic ? 0 : -EINVAL;
}

static int get_stats(struct mkvm_vcpu *v, void *arg)
{
	memcpy(arg, &v->stats, sizeof(v->stats));
	return 0;
}

static int get_vmcb(struct mkvm_vcpu *v, void *arg)
{
	return mkvm_vendor->dump_vmcb ? mkvm_vendor->dump_vmcb(v, arg) : -EOPNOTSUPP;
}

#define LOADED	true

static const struct vcpu_request {
	unsigned int cmd;
	int (*run)(struct mkvm_vcpu *v, void *arg);
	bool loaded;			/* run between mkvm_vcpu_load and _put: may not sleep */
} requests[] = {
	{ KVM_GET_REGS,		get_regs,	LOADED },
	{ KVM_SET_REGS,		set_regs,	LOADED },
	{ KVM_GET_SREGS,	mkvm_get_sregs,	LOADED },
	{ KVM_SET_SREGS,	mkvm_set_sregs },
	{ KVM_GET_SREGS2,	mkvm_get_sregs2 },
	{ KVM_SET_SREGS2,	mkvm_set_sregs2 },
	{ KVM_TRANSLATE,	translate },
	{ KVM_SET_GUEST_DEBUG,	mkvm_set_guest_debug, LOADED },
	{ KVM_INTERRUPT,	interrupt },
	{ KVM_NMI,		mkvm_vcpu_nmi,	LOADED },
	{ KVM_SMI,		smi },
	{ KVM_GET_LAPIC,	mkvm_get_lapic },
	{ KVM_SET_LAPIC,	mkvm_set_lapic },
	{ KVM_SET_VAPIC_ADDR,	set_vapic_addr },
	{ KVM_GET_FPU,		mkvm_get_fpu },
	{ KVM_SET_FPU,		mkvm_set_fpu },
	{ KVM_GET_XSAVE,	mkvm_get_xsave },
	{ KVM_GET_XSAVE2,	mkvm_get_xsave },
	{ KVM_SET_XSAVE,	mkvm_set_xsave },
	{ KVM_GET_XCRS,		get_xcrs },
	{ KVM_SET_XCRS,		set_xcrs },
	{ KVM_GET_DEBUGREGS,	get_debugregs },
	{ KVM_SET_DEBUGREGS,	set_debugregs,	LOADED },
	{ KVM_GET_VCPU_EVENTS,	mkvm_get_vcpu_events,	LOADED },
	{ KVM_SET_VCPU_EVENTS,	mkvm_set_vcpu_events,	LOADED },
	{ KVM_GET_MP_STATE,	get_mp_state },
	{ KVM_SET_MP_STATE,	set_mp_state },
	{ KVM_X86_SETUP_MCE,	mkvm_setup_mce },
	{ KVM_X86_SET_MCE,	mkvm_set_mce,	LOADED },
	{ KVM_ENABLE_CAP,	enable_cap },
	{ MKVM_GET_STATS,	get_stats },
	{ MKVM_GET_VMCB,	get_vmcb,	LOADED },
};

static const struct vcpu_request *find_request(unsigned int cmd)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(requests); i++)
		if (requests[i].cmd == cmd)
			return &requests[i];
	return NULL;
}

static int call_request(struct mkvm_vcpu *v, const struct vcpu_request *request, void *arg)
{
	int ret;

	if (!request->loaded)
		return request->run(v, arg);
	mkvm_vcpu_load(v);
	ret = request->run(v, arg);
	mkvm_vcpu_put(v);
	return ret;
}

static long fixed_size_ioctl(struct mkvm_vcpu *v, unsigned int cmd, void __user *user)
{
	const struct vcpu_request *request = find_request(cmd);
	void *arg;

	if (!request)
		return -EINVAL;		/* what KVM's vCPU fd says */
	arg = mkvm_arg_in(cmd, user);
	return IS_ERR(arg) ? PTR_ERR(arg) :
	       mkvm_arg_out(cmd, user, arg, call_request(v, request, arg));
}

/* ---- state that travels in kvm_run ---- */

static const struct {
	u32 bit;
	u32 offset;
	unsigned int get, set;
} synced[] = {
	{ KVM_SYNC_X86_REGS, offsetof(struct kvm_sync_regs, regs), KVM_GET_REGS, KVM_SET_REGS },
	{ KVM_SYNC_X86_SREGS, offsetof(struct kvm_sync_regs, sregs), KVM_GET_SREGS, KVM_SET_SREGS },
	{ KVM_SYNC_X86_EVENTS, offsetof(struct kvm_sync_regs, events), KVM_GET_VCPU_EVENTS,
	  KVM_SET_VCPU_EVENTS },
};

/* Out of line for its large local, which the compiler clears. */
static noinline int take_synced(struct mkvm_vcpu *v, u64 dirty)
{
	struct kvm_run *run = v->run;
	struct kvm_sync_regs regs;
	size_t i;

	memcpy(&regs, &run->s.regs, sizeof(regs));	/* once: userspace may change it */
	for (i = 0; i < ARRAY_SIZE(synced); i++) {
		if (!(dirty & synced[i].bit))
			continue;
		if (call_request(v, find_request(synced[i].set), (void *)&regs + synced[i].offset))
			return -EINVAL;
		run->kvm_dirty_regs &= ~(u64)synced[i].bit;
	}
	return 0;
}

int mkvm_sync_in(struct mkvm_vcpu *v)
{
	u64 dirty = READ_ONCE(v->run->kvm_dirty_regs);

	if (unlikely((dirty | READ_ONCE(v->run->kvm_valid_regs)) & ~(u64)KVM_SYNC_X86_VALID_FIELDS))
		return -EINVAL;
	return unlikely(dirty) ? take_synced(v, dirty) : 0;
}

void mkvm_sync_out(struct mkvm_vcpu *v)
{
	u64 valid = READ_ONCE(v->run->kvm_valid_regs);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(synced); i++)
		if (valid & synced[i].bit)
			call_request(v, find_request(synced[i].get),
				     (void *)&v->run->s.regs + synced[i].offset);
}

/* ---- ioctls with an array behind a header ---- */

static int set_cpuid2(struct mkvm_vcpu *v, struct kvm_cpuid2 __user *user)
{
	struct kvm_cpuid_entry2 *entries;
	u32 nr;

	if (get_user(nr, &user->nent))
		return -EFAULT;
	if (nr > MKVM_MAX_CPUID)
		return -E2BIG;
	entries = vmemdup_user(user->entries, nr * sizeof(*entries));
	return IS_ERR(entries) ? PTR_ERR(entries) : mkvm_set_cpuid(v, entries, nr);
}

static int get_cpuid2(struct mkvm_vcpu *v, struct kvm_cpuid2 __user *user)
{
	struct kvm_cpuid_entry2 *entries = mkvm_get_cpuid(v);
	int ret = entries ? mkvm_put_cpuid(user, entries, v->nr_cpuid) : -ENOMEM;

	kvfree(entries);
	return ret;
}

#define MSRS_PER_CALL	256	/* KVM's limit: one more is E2BIG */

/* What is the same for every vCPU. */
static int get_feature_msr(u32 index, __u64 *value)
{
	const struct mkvm_msr_rule *rule = mkvm_msr_find(index);

	if (!rule || !(rule->flags & MKVM_MSR_FEATURE))
		return 1;
	*value = index == MSR_IA32_ARCH_CAPABILITIES ? mkvm_host_arch_capabilities() : rule->reset;
	return 0;
}

/* Loaded. How many were done before one was refused. */
static int access_msrs(struct mkvm_vcpu *v, struct kvm_msr_entry *entry, u32 nr, bool write)
{
	int refused;
	u32 i;

	for (i = 0; i < nr; i++, entry++) {
		if (!v)
			refused = get_feature_msr(entry->index, &entry->data);
		else if (write)
			refused = mkvm_set_msr(v, entry->index, entry->data, MKVM_MSR_BY_USER);
		else
			refused = mkvm_get_msr(v, entry->index, &entry->data, MKVM_MSR_BY_USER);
		if (refused)
			break;
	}
	return i;
}

int mkvm_msrs_ioctl(struct mkvm_vcpu *v, struct kvm_msrs __user *user, bool write)
{
	struct kvm_msr_entry *entries __free(kfree) = NULL;
	u32 nr, done;

	if (get_user(nr, &user->nmsrs))
		return -EFAULT;
	if (nr >= MSRS_PER_CALL)
		return -E2BIG;
	entries = memdup_user(user->entries, nr * sizeof(*entries));
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	if (v)
		mkvm_vcpu_load(v);
	done = access_msrs(v, entries, nr, write);
	if (v)
		mkvm_vcpu_put(v);
	if (!write && copy_to_user(user->entries, entries, nr * sizeof(*entries)))
		return -EFAULT;
	return done;
}

static int set_signal_mask(struct mkvm_vcpu *v, struct kvm_signal_mask __user *user)
{
	struct kvm_signal_mask head;
	sigset_t set;

	v->sigset_active = false;
	if (!user)
		return 0;
	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.len != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, user->sigset, sizeof(set)))
		return -EFAULT;
	sigdelsetmask(&set, sigmask(SIGKILL) | sigmask(SIGSTOP));
	v->sigset = set;
	v->sigset_active = true;
	return 0;
}

/* The one attribute that a vCPU has: its TSC as an offset to the host's. */
static int device_attr(struct mkvm_vcpu *v, unsigned int cmd, const void __user *user)
{
	struct kvm_device_attr attr;
	u64 offset;

	if (copy_from_user(&attr, user, sizeof(attr)))
		return -EFAULT;
	if (attr.group != KVM_VCPU_TSC_CTRL || attr.attr != KVM_VCPU_TSC_OFFSET)
		return -ENXIO;
	if (cmd == KVM_HAS_DEVICE_ATTR)
		return 0;
	if (cmd == KVM_GET_DEVICE_ATTR)
		return put_user(v->tsc_offset + mkvm_host_tsc_lost,
				(u64 __user *)u64_to_user_ptr(attr.addr));
	if (get_user(offset, (u64 __user *)u64_to_user_ptr(attr.addr)))
		return -EFAULT;
	mkvm_vcpu_load(v);
	mkvm_sync_tsc(v, offset - mkvm_host_tsc_lost, true);
	mkvm_vcpu_put(v);
	return 0;
}

static int get_vmcs(struct mkvm_vcpu *v, struct mkvm_vmcs_dump __user *user)
{
	struct mkvm_vmcs_dump *dump __free(kfree) = NULL;
	u32 room;

	if (!mkvm_vendor->dump_vmcs)
		return -EOPNOTSUPP;
	if (get_user(room, &user->nr))
		return -EFAULT;
	dump = kzalloc(struct_size(dump, fields, MKVM_VMCS_MAX_FIELDS), GFP_KERNEL_ACCOUNT);
	if (!dump)
		return -ENOMEM;
	mkvm_vcpu_load(v);
	dump->nr = mkvm_vendor->dump_vmcs(v, &dump->caps, dump->fields, MKVM_VMCS_MAX_FIELDS);
	mkvm_vcpu_put(v);
	if (room < dump->nr)
		return put_user(dump->nr, &user->nr) ? -EFAULT : -E2BIG;
	return copy_to_user(user, dump, struct_size(dump, fields, dump->nr)) ? -EFAULT : 0;
}

/* Out of line for what is on its stack: KVM_RUN does without. */
static noinline long locked_ioctl(struct mkvm_vcpu *v, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case KVM_SET_CPUID2:
		return set_cpuid2(v, user);
	case KVM_GET_CPUID2:
		return get_cpuid2(v, user);
	case KVM_GET_MSRS:
		return mkvm_msrs_ioctl(v, user, false);
	case KVM_SET_MSRS:
		return mkvm_msrs_ioctl(v, user, true);
	case KVM_GET_STATS_FD:
		return mkvm_stats_fd(v->vm, v);
	case KVM_SET_TSC_KHZ:
		return mkvm_set_tsc_khz(arg);
	case KVM_GET_TSC_KHZ:
		return tsc_khz;
	case KVM_KVMCLOCK_CTRL:
		return mkvm_clock_ctrl(v);
	case KVM_SET_DEVICE_ATTR:
	case KVM_GET_DEVICE_ATTR:
	case KVM_HAS_DEVICE_ATTR:
		return device_attr(v, cmd, user);
	case KVM_SET_SIGNAL_MASK:
		return set_signal_mask(v, user);
	case MKVM_GET_VMCS:
		return get_vmcs(v, user);
	default:
		return fixed_size_ioctl(v, cmd, user);
	}
}

static long vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct mkvm_vcpu *v = file->private_data;
	long ret;

	if (v->vm->mm != current->mm)
		return -EIO;
	if (mutex_lock_killable(&v->lock))
		return -EINTR;
	if (likely(cmd == KVM_RUN))
		ret = arg ? -EINVAL : mkvm_vcpu_run(v);
	else
		ret = locked_ioctl(v, cmd, arg);
	mutex_unlock(&v->lock);
	return ret;
}

const struct file_operations mkvm_vcpu_fops = {
	.owner		= THIS_MODULE,
	.release	= mkvm_vcpu_release,
	.unlocked_ioctl	= vcpu_ioctl,
	.mmap		= vcpu_mmap,
	.llseek		= noop_llseek,
};
