// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's debug registers. MOV DR always exits, so DR0-DR3 and DR6 are
 * values of ours; they go into the CPU only while the guest's DR7 arms a
 * breakpoint. SDM vol. 3, chapter "Debug, Branch Profile, TSC, ... Features".
 */
#include "x86/x86.h"

#define DR7_ARMED	0xff		/* L0, G0 .. L3, G3 */
#define DR7_DEFINED	0xffff2fff

/* A debugger's breakpoints replace the guest's, which it does not notice. */
static bool has_hw_breakpoints(const struct mkvm_vcpu *v)
{
	return v->debug.control & KVM_GUESTDBG_USE_HW_BP;
}

static u64 effective_dr7(const struct mkvm_vcpu *v)
{
	return has_hw_breakpoints(v) ? v->debug.dr7 : v->dr7;
}

void mkvm_update_dr7(struct mkvm_vcpu *v)
{
	mkvm_vendor->set_dr7(v, effective_dr7(v));
}

/*
 * What the host had there, host/state.c has saved and disarmed. The guest's
 * addresses stay behind, harmless: DR7 is 0x400 after a VM exit.
 */
void mkvm_load_guest_drs(struct mkvm_vcpu *v)
{
	const u64 *dr = has_hw_breakpoints(v) ? v->debug.dr : v->dr;
	int i;

	if (likely(!(effective_dr7(v) & DR7_ARMED)))
		return;
	for (i = 0; i < 4; i++)
		set_debugreg(dr[i], i);
}

static u64 read_dr(struct mkvm_vcpu *v, unsigned int dr)
{
	if (dr < 4)
		return v->dr[array_index_nospec(dr, 4)];
	return dr == 6 ? v->dr6 : v->dr7;
}

/* False: #GP(0). */
static bool write_dr(struct mkvm_vcpu *v, unsigned int dr, u64 value)
{
	if (dr >= 4 && value >> 32)
		return false;
	if (dr < 4) {
		v->dr[array_index_nospec(dr, 4)] = value;
	} else if (dr == 6) {
		v->dr6 = (value & ~(u64)BIT(12)) | MKVM_DR6_RESET;
	} else {
		v->dr7 = (value & DR7_DEFINED) | MKVM_DR7_RESET;
		mkvm_update_dr7(v);
	}
	if (v->in_loop)
		mkvm_load_guest_drs(v);
	return true;
}

int mkvm_insn_mov_dr(struct mkvm_vcpu *v, unsigned int dr, bool read, enum mkvm_reg reg)
{
	if (dr == 4 || dr == 5) {
		if (mkvm_vendor->get_cr4(v) & X86_CR4_DE)
			return mkvm_insn_undefined(v);
		dr += 2;	/* the old names of DR6 and DR7 */
	}
	if (effective_dr7(v) & MKVM_DR7_GD) {
		mkvm_queue_debug_exception(v, MKVM_DR6_BD);
		return MKVM_FAULT;
	}
	if (read)
		mkvm_write_reg(v, reg, read_dr(v, dr));
	else if (!write_dr(v, dr, mkvm_read_reg(v, reg)))
		return mkvm_insn_gp(v);
	return MKVM_RESUME;
}

/* ---- KVM_SET_GUEST_DEBUG ---- */

void mkvm_debug_exit(struct mkvm_vcpu *v, u8 vector, u64 dr6)
{
	v->debug.vector = vector;
	v->debug.dr6 = dr6 | MKVM_DR6_RESET;
	mkvm_leave(v, KVM_EXIT_DEBUG);
}

void mkvm_fill_debug_exit(struct mkvm_vcpu *v)
{
	struct kvm_segment cs = {};

	mkvm_vcpu_load(v);
	if (!mkvm_vendor->is_64bit(v))
		mkvm_vendor->get_segment(v, MKVM_SEG_CS, &cs);
	v->run->debug.arch = (struct kvm_debug_exit_arch){
		.exception = v->debug.vector, .pc = cs.base + mkvm_read_rip(v),
		.dr6 = v->debug.dr6, .dr7 = effective_dr7(v),
	};
	mkvm_vcpu_put(v);
}

/* What the debugger saw and does not want. INT3 ends where it saw it begin. */
static int inject(struct mkvm_vcpu *v, u32 control)
{
	if (v->exception.valid)
		return -EBUSY;
	if (!(control & KVM_GUESTDBG_INJECT_DB))
		mkvm_write_rip(v, mkvm_read_rip(v) + 1);
	mkvm_queue_exception(v, control & KVM_GUESTDBG_INJECT_DB ? X86_TRAP_DB : X86_TRAP_BP);
	return 0;
}

/* RFLAGS.TF is set before each entry (run.c), and hidden from KVM_GET_REGS. */
int mkvm_set_guest_debug(struct mkvm_vcpu *v, void *arg)
{
	const struct kvm_guest_debug *d = arg;
	int ret = 0;

	if (d->control & (KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP))
		ret = inject(v, d->control);
	if (ret)
		return ret;
	if (v->debug.control & KVM_GUESTDBG_SINGLESTEP)
		mkvm_vendor->set_rflags(v, mkvm_vendor->get_rflags(v) & ~X86_EFLAGS_TF);
	v->debug.control = d->control & KVM_GUESTDBG_ENABLE ? d->control : 0;
	memcpy(v->debug.dr, d->arch.debugreg, sizeof(v->debug.dr));
	v->debug.dr7 = (d->arch.debugreg[7] & DR7_DEFINED) | MKVM_DR7_RESET;
	mkvm_update_dr7(v);
	mkvm_vendor->intercept_exception(v, X86_TRAP_BP, v->debug.control & KVM_GUESTDBG_USE_SW_BP);
	return 0;
}
