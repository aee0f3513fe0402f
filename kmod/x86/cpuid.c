// SPDX-License-Identifier: GPL-2.0-only
/* CPUID and the hypercall instruction: the policy is pure/cpuid.c. */
#include <uapi/linux/kvm_para.h>

#include "x86/x86.h"

static void read_cpu(void *unused, u32 leaf, u32 subleaf, u32 regs[4])
{
	cpuid_count(leaf, subleaf, &regs[MKVM_EAX], &regs[MKVM_EBX], &regs[MKVM_ECX],
		    &regs[MKVM_EDX]);
	if (leaf == 7 && subleaf == 0)
		regs[MKVM_EBX] |= BIT(1);	/* TSC_ADJUST: we make it, whatever the CPU has */
}

static struct mkvm_cpuid_policy policy(void)
{
	struct mkvm_cpuid_policy p = {
		.xcr0 = mkvm_fpu_features,
		.amd = boot_cpu_data.x86_vendor == X86_VENDOR_AMD ||
		       boot_cpu_data.x86_vendor == X86_VENDOR_HYGON,
	};

	mkvm_vendor->cpuid_policy(&p);
	return p;
}

/* KVM_GET_SUPPORTED_CPUID: the count, or -E2BIG. */
int mkvm_supported_cpuid(struct kvm_cpuid_entry2 *entries, u32 max)
{
	struct mkvm_cpuid_policy p = policy();
	int nr = mkvm_cpuid_supported(read_cpu, NULL, &p, entries, max);

	return nr < 0 ? -E2BIG : nr;
}

/* What a guest has that is given all we support. */
void mkvm_most_capable_cpu(struct mkvm_guest_cpu *cpu)
{
	struct mkvm_cpuid_policy p = policy();

	mkvm_cpuid_derive(NULL, 0, &p, cpu);
}

/* Without CPUID entries, as in KVM, all that we support is allowed. */
void mkvm_derive_guest_cpu(struct mkvm_vcpu *v)
{
	struct mkvm_cpuid_policy p = policy();

	p.enforce_pv = v->enforce_pv;
	mkvm_cpuid_derive(v->cpuid, v->nr_cpuid, &p, &v->guest_cpu);
	mkvm_apic_derive(v);
}

/* As many entries as the vCPU has: sets what follows its registers, as the instruction shows it. */
static void refresh(struct mkvm_vcpu *v, struct kvm_cpuid_entry2 *entries)
{
	struct mkvm_cpuid_state state = { .xcr0 = v->xcr0, .apic_base = v->apic_base };
	struct kvm_cpuid_entry2 *e;
	u32 regs[4];

	mkvm_vcpu_load(v);
	state.cr4 = mkvm_vendor->get_cr4(v);
	mkvm_vcpu_put(v);
	for (e = entries; e < entries + v->nr_cpuid; e++) {
		mkvm_cpuid_execute(entries, v->nr_cpuid, e->function, e->index, &state, regs);
		e->ebx = regs[MKVM_EBX];
		e->ecx = regs[MKVM_ECX];
		e->edx = regs[MKVM_EDX];
	}
}

struct kvm_cpuid_entry2 *mkvm_get_cpuid(struct mkvm_vcpu *v)
{
	size_t size = v->nr_cpuid * sizeof(*v->cpuid);
	struct kvm_cpuid_entry2 *entries = kvmalloc(size, GFP_KERNEL_ACCOUNT);

	if (entries) {
		memcpy(entries, v->cpuid, size);
		refresh(v, entries);
	}
	return entries;
}

/* Changes @entries: what follows the guest's registers does not count. 0 or an error. */
static int check_same_cpuid(struct mkvm_vcpu *v, struct kvm_cpuid_entry2 *entries, u32 nr)
{
	struct kvm_cpuid_entry2 *mine;
	int ret;

	if (v->nr_cpuid != nr)
		return -EINVAL;
	mine = mkvm_get_cpuid(v);
	if (!mine)
		return -ENOMEM;
	refresh(v, entries);
	ret = memcmp(mine, entries, nr * sizeof(*entries)) ? -EINVAL : 0;
	kvfree(mine);
	return ret;
}

/* As KVM: linear addresses have 48 or 57 bits, or CPUID does not say. */
static int check_cpuid(const struct kvm_cpuid_entry2 *entries, u32 nr)
{
	const struct kvm_cpuid_entry2 *e = mkvm_cpuid_find(entries, nr, 0x80000008, 0);
	u8 bits = e ? e->eax >> 8 : 0;

	return bits == 0 || bits == 48 || bits == 57 ? 0 : -EINVAL;
}

/* A guest that ran may have acted on its CPUID: only the same again is taken then. */
int mkvm_set_cpuid(struct mkvm_vcpu *v, struct kvm_cpuid_entry2 *entries, u32 nr)
{
	int ret = v->has_run ? check_same_cpuid(v, entries, nr) : check_cpuid(entries, nr);

	if (ret || v->has_run) {
		kvfree(entries);
		return ret;
	}
	kvfree(v->cpuid);
	v->cpuid = entries;
	v->nr_cpuid = nr;
	mkvm_derive_guest_cpu(v);
	mkvm_vcpu_load(v);
	mkvm_vendor->set_cr4(v, mkvm_vendor->get_cr4(v));	/* whose bits it owns has changed */
	mkvm_vcpu_put(v);
	return 0;
}

#define F1C_MWAIT		BIT(3)
#define MISC_ENABLE_MWAIT	BIT(18)

/* The quirk: CPUID says what userspace gave, whatever IA32_MISC_ENABLE does. */
bool mkvm_has_mwait(struct mkvm_vcpu *v)
{
	const struct kvm_cpuid_entry2 *e = mkvm_cpuid_find(v->cpuid, v->nr_cpuid, 1, 0);

	if (READ_ONCE(v->vm->disabled_quirks) & KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT)
		return *mkvm_msr_stored(&v->msrs, MSR_IA32_MISC_ENABLE) & MISC_ENABLE_MWAIT;
	return e && e->ecx & F1C_MWAIT;
}

int mkvm_insn_cpuid(struct mkvm_vcpu *v)
{
	struct mkvm_cpuid_state state = { .xcr0 = v->xcr0, .apic_base = v->apic_base };
	u32 leaf = v->regs[MKVM_RAX], regs[4];

	if (mkvm_cpuid_follows_cr4(leaf))
		state.cr4 = mkvm_vendor->get_cr4(v);
	mkvm_cpuid_execute(v->cpuid, v->nr_cpuid, leaf, v->regs[MKVM_RCX], &state, regs);
	if (leaf == 1)
		regs[MKVM_ECX] = mkvm_has_mwait(v) ? regs[MKVM_ECX] | F1C_MWAIT :
						     regs[MKVM_ECX] & ~F1C_MWAIT;
	v->regs[MKVM_RAX] = regs[MKVM_EAX];
	v->regs[MKVM_RBX] = regs[MKVM_EBX];
	v->regs[MKVM_RCX] = regs[MKVM_ECX];
	v->regs[MKVM_RDX] = regs[MKVM_EDX];
	return MKVM_RESUME;
}

#define ICR_NOT_A_BITMAP	(BIT(11) | 3u << 18)	/* logical destination, shorthands */

/*
 * KVM_HC_SEND_IPI: RBX, RCX are a bitmap of APIC IDs from RDX on, RSI is as ICR. How many
 * took it. Documentation/virt/kvm/x86/hypercalls.rst. Out of line for what is on its stack.
 */
static noinline long send_ipis(struct mkvm_vcpu *v, bool is_64bit)
{
	u64 map[2] = { v->regs[MKVM_RBX], v->regs[MKVM_RCX] };
	u32 icr = v->regs[MKVM_RSI], width = is_64bit ? 64 : 32, i;
	struct mkvm_apic_message m = {
		.vector = icr, .mode = icr >> 8 & 7,
		.assert = icr & BIT(14), .level = icr & BIT(15),
	};
	long taken = 0;

	if (icr & ICR_NOT_A_BITMAP)
		return -KVM_EINVAL;
	for (i = 0; i < 2 * width; i++) {
		m.dest = (u32)v->regs[MKVM_RDX] + i;
		if (map[i / width] >> i % width & 1)
			taken += max(mkvm_apic_send(v->vm, v, &m), 0);
	}
	return taken;
}

/*
 * What we do not offer gets KVM's answer for what it does not know. But KVM takes a
 * yield to another vCPU, which is no more than a hint, from whoever it was not denied.
 */
int mkvm_insn_hypercall(struct mkvm_vcpu *v)
{
	bool is_64bit = mkvm_vendor->is_64bit(v);
	u64 nr = is_64bit ? v->regs[MKVM_RAX] : (u32)v->regs[MKVM_RAX];
	long ret = -KVM_ENOSYS;

	if (mkvm_vendor->get_cpl(v))
		ret = -KVM_EPERM;
	else if (nr == KVM_HC_SCHED_YIELD && v->guest_cpu.pv_yield)
		ret = 0;
	else if (nr == KVM_HC_SEND_IPI && v->guest_cpu.pv_send_ipi)
		ret = send_ipis(v, is_64bit);
	v->regs[MKVM_RAX] = is_64bit ? (unsigned long)ret : (u32)ret;
	return MKVM_RESUME;
}

/* 1: the other vendor's hypercall was there, or the guest has another fault to take first. */
static int fix_hypercall(struct mkvm_vcpu *v)
{
	const u8 *ours = mkvm_vendor->hypercall, *bytes = v->fetched.bytes;
	u64 linear;

	if (READ_ONCE(v->vm->disabled_quirks) & KVM_X86_QUIRK_FIX_HYPERCALL_INSN ||
	    memcmp(bytes, ours, 2) || bytes[2] != (ours[2] ^ 0xc1 ^ 0xd9) ||
	    !mkvm_linear(v, MKVM_SEG_CS, v->context.rip, 3, MKVM_ACCESS_EXEC, &linear))
		return 0;
	return mkvm_access_linear(v, linear, (void *)ours, 3, MKVM_ACCESS_WRITE) ?: 1;
}

#define OPCODE_RSM	0x0faa

/* Deferred */
static int undefined(struct mkvm_vcpu *v)
{
	int ret;

	mkvm_take_context(v, &v->context);
	ret = mkvm_fetch_and_decode(v);
	if (!ret && v->insn->opcode == OPCODE_RSM && v->smm.active)
		return mkvm_rsm(v);
	if (!ret)
		ret = fix_hypercall(v);
	if (ret < 0 && ret != -ENXIO)
		return ret;
	if (ret <= 0)
		mkvm_queue_exception(v, X86_TRAP_UD);
	return MKVM_RESUME;
}

int mkvm_exit_undefined(struct mkvm_vcpu *v)
{
	return mkvm_defer(v, undefined);
}
