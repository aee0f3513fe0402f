// SPDX-License-Identifier: GPL-2.0-only
/*
 * NMIs and machine checks that ended a stay in the guest. VM exit has consumed
 * them: the host hears of them only if we call its handlers.
 */
#include <asm/mce.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>
#include <asm/traps.h>

#include "host/host.h"

#define CR4_FRED	BIT_ULL(32)

/* Under FRED an INT 2 from ring 0 is a bad event type, on which the kernel dies. */
int mkvm_host_nmi_check(void)
{
	if (!(__read_cr4() & CR4_FRED))
		return 0;
	pr_err("this kernel takes events through FRED, where minikvm cannot hand on NMIs: boot with fred=off\n");
	return -EOPNOTSUPP;
}

/*
 * NMIs are blocked since the VM exit, as after a real one, and the handler's
 * IRET unblocks them. SDM vol. 3, sections "Handling Multiple NMIs" and
 * "Updating Non-Register State".
 */
noinstr void mkvm_host_nmi(void)
{
	asm volatile("int $2" : : : "cc", "memory");
}

/*
 * The guest's registers are nothing to the handler, but ring 3 is: it may then
 * recover by killing this thread instead of the host.
 */
void mkvm_host_machine_check(void)
{
#ifdef CONFIG_X86_MCE
	struct pt_regs regs = { .cs = 3, .flags = X86_EFLAGS_IF };

	do_machine_check(&regs);
#else
	pr_emerg("a machine check, and this kernel is built without CONFIG_X86_MCE\n");
#endif
}
