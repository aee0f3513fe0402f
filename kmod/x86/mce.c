// SPDX-License-Identifier: GPL-2.0-only
/*
 * Machine checks that userspace gives to the guest. The banks are MSRs like others;
 * none of the host's ever shows in them. SDM vol. 3, chapter "Machine-Check Architecture".
 */
#include <asm/mce.h>

#include "x86/x86.h"

/* KVM_X86_SETUP_MCE: IA32_MCG_CAP, and every bank reports. */
int mkvm_setup_mce(struct mkvm_vcpu *v, void *arg)
{
	u64 cap = *(u64 *)arg, *bank = mkvm_msr_stored(&v->msrs, MSR_IA32_MC0_CTL);
	u32 i, nr = cap & MCG_BANKCNT_MASK;

	if (!nr || nr > MKVM_MCE_BANKS || cap & ~(MKVM_MCG_CAPS | 0xff00ffull))
		return -EINVAL;
	*mkvm_msr_stored(&v->msrs, MSR_IA32_MCG_CAP) = cap;
	for (i = 0; i < nr; i++)
		bank[4 * i] = ~0ull;
	return 0;
}

static void raise_mce(struct mkvm_vcpu *v, const struct kvm_x86_mce *mce)
{
	u64 *status = mkvm_msr_stored(&v->msrs, MSR_IA32_MCG_STATUS);

	if (*status & MCG_STATUS_MCIP || !(mkvm_vendor->get_cr4(v) & X86_CR4_MCE)) {
		mkvm_leave(v, KVM_EXIT_SHUTDOWN);
		return;
	}
	*status = mce->mcg_status;
	mkvm_queue_exception(v, X86_TRAP_MC);
}

/*
 * KVM_X86_SET_MCE: an uncorrected error is a #MC unless the guest has turned that
 * off; a corrected one waits in its bank, where it does not replace an uncorrected one.
 */
int mkvm_set_mce(struct mkvm_vcpu *v, void *arg)
{
	struct kvm_x86_mce *mce = arg;
	u64 cap = *mkvm_msr_stored(&v->msrs, MSR_IA32_MCG_CAP), *bank;
	bool uncorrected = mce->status & MCI_STATUS_UC;

	if (mce->bank >= (cap & MCG_BANKCNT_MASK) || !(mce->status & MCI_STATUS_VAL))
		return -EINVAL;
	bank = mkvm_msr_stored(&v->msrs, MSR_IA32_MC0_CTL) +
	       4 * array_index_nospec(mce->bank, MKVM_MCE_BANKS);
	if (uncorrected && (bank[0] != ~0ull ||	/* its reports are off, or all are */
			    (cap & MCG_CTL_P &&
			     *mkvm_msr_stored(&v->msrs, MSR_IA32_MCG_CTL) != ~0ull)))
		return 0;
	if (!uncorrected && bank[1] & MCI_STATUS_VAL && bank[1] & MCI_STATUS_UC) {
		bank[1] |= MCI_STATUS_OVER;
		return 0;
	}
	if (uncorrected)
		raise_mce(v, mce);
	if (v->exit_due)
		return 0;
	bank[1] = mce->status | (bank[1] & MCI_STATUS_VAL ? MCI_STATUS_OVER : 0);
	bank[2] = mce->addr;
	bank[3] = mce->misc;
	return 0;
}
