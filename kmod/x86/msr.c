// SPDX-License-Identifier: GPL-2.0-only
/*
 * RDMSR and WRMSR of the guest, KVM_GET_MSRS and KVM_SET_MSRS: where a value
 * lives. Which MSRs exist and what they may hold is pure/msr.c. The vCPU is
 * loaded throughout.
 */
#include "x86/x86.h"

/* ---- MSRs with a meaning ---- */

/* A write to one moves the other, except from userspace, which restores both. */
static void set_tsc(struct mkvm_vcpu *v, u64 value, enum mkvm_msr_by by)
{
	u64 offset = value - mkvm_host_tsc();

	if (by == MKVM_MSR_BY_USER) {
		mkvm_sync_tsc(v, value ? offset : READ_ONCE(v->vm->tsc_offset), false);
		return;
	}
	v->tsc_adjust += offset - v->tsc_offset;
	mkvm_set_tsc_offset(v, offset);
}

static int set_efer(struct mkvm_vcpu *v, u64 value, enum mkvm_msr_by by)
{
	u64 now = mkvm_vendor->get_efer(v), cr0 = mkvm_vendor->get_cr0(v);

	/* Userspace may restore EFER before the CR0 that goes with it. */
	if (by == MKVM_MSR_BY_GUEST && !mkvm_efer_write_valid(now, value, cr0, &v->guest_cpu))
		return 1;
	mkvm_vendor->set_efer(v, (value & ~(u64)EFER_LMA) | (now & EFER_LMA));
	return 0;
}

static int set_apic_base(struct mkvm_vcpu *v, u64 value, enum mkvm_msr_by by)
{
	if (by == MKVM_MSR_BY_GUEST && v->apic &&
	    !mkvm_lapic_may_change(MKVM_APIC_MODE(v->apic_base), MKVM_APIC_MODE(value)))
		return 1;
	mkvm_apic_set_base(v, value);
	return 0;
}

static u64 get_special(struct mkvm_vcpu *v, u32 index)
{
	switch (index) {
	case MSR_IA32_TSC:		return mkvm_host_tsc() + v->tsc_offset;
	case MSR_IA32_TSC_ADJUST:	return v->tsc_adjust;
	case MSR_IA32_APICBASE:		return v->apic_base;
	case MSR_EFER:			return mkvm_vendor->get_efer(v);
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:	return v->clock_msr;
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:	return v->wall_clock_msr;
	case MSR_KVM_STEAL_TIME:	return v->steal_msr;
	case MSR_KVM_PV_EOI_EN:		return v->pv_eoi_msr;
	default:			return 0;
	}
}

/* KVM's clocks are in guest memory, which is written before the next entry, where it may sleep. */
static int set_special(struct mkvm_vcpu *v, u32 index, u64 value, enum mkvm_msr_by by)
{
	switch (index) {
	case MSR_IA32_TSC:
		set_tsc(v, value, by);
		break;
	case MSR_IA32_TSC_ADJUST:
		if (by == MKVM_MSR_BY_GUEST)
			mkvm_set_tsc_offset(v, v->tsc_offset + value - v->tsc_adjust);
		v->tsc_adjust = value;
		break;
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		v->clock_msr = value;
		set_bit(MKVM_REQ_CLOCK, &v->requests);
		break;
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		v->wall_clock_msr = value;
		set_bit(MKVM_REQ_WALL_CLOCK, &v->requests);
		break;
	case MSR_KVM_STEAL_TIME:
		v->steal_msr = value;
		break;
	case MSR_KVM_PV_EOI_EN:
		v->pv_eoi_msr = value;
		break;
	case MSR_IA32_APICBASE:
		return set_apic_base(v, value, by);
	case MSR_EFER:
		return set_efer(v, value, by);
	case MSR_IA32_TSC_DEADLINE:
		return mkvm_apic_wrmsr(v, index, value);
	}
	return 0;
}

/* ---- the two entries ---- */

static __always_inline const struct mkvm_msr_rule *
find_rule(struct mkvm_vcpu *v, u32 index, u8 right, enum mkvm_msr_by by)
{
	const struct mkvm_msr_rule *rule = v->msr_rule;

	if (!rule || index - rule->index >= rule->count)
		rule = mkvm_msr_find(index);
	v->msr_rule = rule;
	/* Userspace restores MSRs before it sets CPUID. */
	if (!rule || by == MKVM_MSR_BY_USER)
		return rule;
	if (index == MSR_PLATFORM_INFO && READ_ONCE(v->vm->no_platform_info))
		return NULL;
	return rule->flags & right && mkvm_msr_offered(rule, &v->guest_cpu) ? rule : NULL;
}

int mkvm_get_msr(struct mkvm_vcpu *v, u32 index, u64 *value, enum mkvm_msr_by by)
{
	const struct mkvm_msr_rule *rule = find_rule(v, index, MKVM_MSR_GUEST_READ, by);

	if (!rule)
		return !mkvm_is_x2apic_msr(index) || mkvm_apic_rdmsr(v, index, value);
	switch (rule->home) {
	case MKVM_MSR_STORED:
		*value = *mkvm_msr_stored(&v->msrs, index);
		break;
	case MKVM_MSR_VENDOR:
		*value = mkvm_vendor->get_msr(v, index);
		break;
	case MKVM_MSR_CONSTANT:
	case MKVM_MSR_IGNORED:
		*value = rule->reset;
		break;
	default:
		if (index == MSR_IA32_TSC_DEADLINE)
			return mkvm_apic_rdmsr(v, index, value);
		*value = get_special(v, index);
	}
	return 0;
}

int mkvm_set_msr(struct mkvm_vcpu *v, u32 index, u64 value, enum mkvm_msr_by by)
{
	const struct mkvm_msr_rule *rule = find_rule(v, index, MKVM_MSR_GUEST_WRITE, by);

	if (!rule && mkvm_is_x2apic_msr(index))
		return mkvm_apic_wrmsr(v, index, value);
	if (!rule || !mkvm_msr_valid(rule, index, value, &v->guest_cpu))
		return 1;
	if (by == MKVM_MSR_BY_GUEST && rule->flags & MKVM_MSR_GUEST_DROPPED)
		return 0;
	switch (rule->home) {
	case MKVM_MSR_STORED:
		*mkvm_msr_stored(&v->msrs, index) = value;
		return 0;
	case MKVM_MSR_VENDOR:
		mkvm_vendor->set_msr(v, index, value);
		return 0;
	case MKVM_MSR_SPECIAL:
		return set_special(v, index, value, by);
	default:
		return 0;	/* constant: only its own value is valid; ignored */
	}
}
