// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's debug registers. MOV DR always exits, so DR0-DR3 and DR6 are
 * values of ours; they go into the CPU only while the guest's DR7 arms a
 * breakpoint. SDM vol. 3, chapter "Debug, Branch Profile, TSC, ... Features".
 */
#include <linux/sched.h>
#include <asm/debugreg.h>
#include <asm/trapnr.h>

#include "x86/x86.h"
#include "pure/sregs.h"
#include "pure/x86_bits.h"

#define DR7_ARMED	0xff		/* L0, G0 .. L3, G3 */

/*
 * What the host had there, host/state.c has saved and disarmed. The guest's
 * addresses stay behind, harmless: DR7 is 0x400 after a VM exit.
 */
void mkvm_load_guest_drs(struct mkvm_vcpu *v)
{
	if (likely(!(v->dr7 & DR7_ARMED)))
		return;
	set_debugreg(v->dr[0], 0);
	set_debugreg(v->dr[1], 1);
	set_debugreg(v->dr[2], 2);
	set_debugreg(v->dr[3], 3);
}

static u64 read_dr(struct mkvm_vcpu *v, unsigned int dr)
{
	if (dr < 4)
		return v->dr[dr];
	return dr == 6 ? v->dr6 : v->dr7;
}

/* False: #GP(0). */
static bool write_dr(struct mkvm_vcpu *v, unsigned int dr, u64 value)
{
	if (dr >= 4 && value >> 32)
		return false;
	if (dr < 4) {
		v->dr[dr] = value;
	} else if (dr == 6) {
		v->dr6 = (value & ~(u64)BIT(12)) | MKVM_DR6_RESET;
	} else {
		v->dr7 = (value & 0xffff2fff) | MKVM_DR7_RESET;
		mkvm_vendor->set_dr7(v, v->dr7);
	}
	if (v->in_loop)
		mkvm_load_guest_drs(v);
	return true;
}

int mkvm_mov_dr(struct mkvm_vcpu *v, unsigned int dr, bool read, enum mkvm_reg reg)
{
	if (dr == 4 || dr == 5) {
		if (mkvm_vendor->get_cr4(v) & X86_CR4_DE) {
			mkvm_queue_exception(v, X86_TRAP_UD);
			return 1;
		}
		dr += 2;	/* the old names of DR6 and DR7 */
	}
	if (v->dr7 & MKVM_DR7_GD) {
		mkvm_queue_debug_exception(v, MKVM_DR6_BD);
		return 1;
	}
	if (read) {
		mkvm_write_reg(v, reg, read_dr(v, dr));
	} else if (!write_dr(v, dr, mkvm_read_reg(v, reg))) {
		mkvm_queue_exception_error(v, X86_TRAP_GP, 0);
		return 1;
	}
	return 0;
}
