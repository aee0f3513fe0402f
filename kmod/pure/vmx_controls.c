// SPDX-License-Identifier: GPL-2.0-only
/* The controls minikvm uses and their negotiation. */
#include "vmx_controls.h"

/* bit and name: as in the SDM's table of that word */
#define CONTROL(word, policy, bit, name) \
	{ MKVM_CTL_##word, MKVM_##policy, BIT_ULL(bit), name }

/*
 * Not listed and therefore clear wherever the CPU allows it: CR3-load and
 * CR3-store exiting (the guest owns CR3 under EPT), INVLPG exiting, RDTSC
 * exiting, and acknowledge interrupt on exit (the host takes its
 * interrupts through its IDT once they are enabled again).
 */
const struct mkvm_vmx_control mkvm_vmx_controls[] = {
	CONTROL(PIN, REQUIRED, 0, "external-interrupt exiting"),
	CONTROL(PIN, REQUIRED, 3, "NMI exiting"),
	CONTROL(PIN, WANTED, 5, "virtual NMIs"),
	CONTROL(PIN, WANTED, 6, "activate VMX-preemption timer"),

	CONTROL(PROC, REQUIRED, 7, "HLT exiting"),
	CONTROL(PROC, REQUIRED, 24, "unconditional I/O exiting"),
	CONTROL(PROC, REQUIRED, 28, "use MSR bitmaps"),
	CONTROL(PROC, REQUIRED, 31, "activate secondary controls"),
	CONTROL(PROC, REQUIRED, 3, "use TSC offsetting"),
	CONTROL(PROC, REQUIRED, 10, "MWAIT exiting"),
	CONTROL(PROC, REQUIRED, 29, "MONITOR exiting"),
	CONTROL(PROC, REQUIRED, 11, "RDPMC exiting"),
	CONTROL(PROC, REQUIRED, 19, "CR8-load exiting"),
	CONTROL(PROC, REQUIRED, 20, "CR8-store exiting"),
	CONTROL(PROC, SWITCHED, 2, "interrupt-window exiting"),
	CONTROL(PROC, SWITCHED, 23, "MOV-DR exiting"),
	CONTROL(PROC, OPTIONAL, 21, "use TPR shadow"),
	CONTROL(PROC, OPTIONAL, 22, "NMI-window exiting"),
	CONTROL(PROC, OPTIONAL, 27, "monitor trap flag"),

	CONTROL(PROC2, REQUIRED, 1, "enable EPT"),
	CONTROL(PROC2, REQUIRED, 5, "enable VPID"),
	CONTROL(PROC2, REQUIRED, 7, "unrestricted guest"),
	CONTROL(PROC2, OPTIONAL, 0, "virtualize APIC accesses"),
	CONTROL(PROC2, OPTIONAL, 4, "virtualize x2APIC mode"),
	CONTROL(PROC2, OPTIONAL, 9, "virtual-interrupt delivery"),
	CONTROL(PROC2, WANTED, 3, "enable RDTSCP"),
	CONTROL(PROC2, WANTED, 12, "enable INVPCID"),
	CONTROL(PROC2, WANTED, 20, "enable XSAVES/XRSTORS"),
	CONTROL(PROC2, WANTED, 6, "WBINVD exiting"),

	CONTROL(EXIT, REQUIRED, 9, "host address-space size"),
	CONTROL(EXIT, REQUIRED, 2, "save debug controls"),
	CONTROL(EXIT, REQUIRED, 20, "save IA32_EFER"),
	CONTROL(EXIT, REQUIRED, 21, "load IA32_EFER on exit"),
	CONTROL(EXIT, REQUIRED, 18, "save IA32_PAT"),
	CONTROL(EXIT, REQUIRED, 19, "load IA32_PAT on exit"),

	CONTROL(ENTRY, REQUIRED, 2, "load debug controls"),
	CONTROL(ENTRY, REQUIRED, 15, "load IA32_EFER on entry"),
	CONTROL(ENTRY, REQUIRED, 14, "load IA32_PAT on entry"),
	CONTROL(ENTRY, SWITCHED, 9, "IA-32e mode guest"),

	CONTROL(EPT, REQUIRED, 6, "EPT page-walk length of 4"),
	CONTROL(EPT, REQUIRED, 14, "write-back EPT paging structures"),
	CONTROL(EPT, REQUIRED, 20, "INVEPT"),
	CONTROL(EPT, REQUIRED, 25, "single-context INVEPT"),
	CONTROL(EPT, REQUIRED, 32, "INVVPID"),
	CONTROL(EPT, REQUIRED, 41, "single-context INVVPID"),
	CONTROL(EPT, WANTED, 26, "all-context INVEPT"),
	CONTROL(EPT, WANTED, 42, "all-context INVVPID"),
	CONTROL(EPT, WANTED, 16, "2-MiB EPT pages"),
	CONTROL(EPT, WANTED, 17, "1-GiB EPT pages"),
};

const unsigned int mkvm_vmx_nr_controls = ARRAY_SIZE(mkvm_vmx_controls);
static_assert(ARRAY_SIZE(mkvm_vmx_controls) <= 64, "a row is a bit of a u64");

/* The capability MSR of a word: what must be 1 in the low half, what may be in the high. */
static u64 word_cap(const struct mkvm_vmx_caps *caps, unsigned int word)
{
	const u64 cap[MKVM_NR_CTLS] = {
		[MKVM_CTL_PIN] = caps->pinbased, [MKVM_CTL_PROC] = caps->procbased,
		[MKVM_CTL_PROC2] = caps->procbased2, [MKVM_CTL_EXIT] = caps->exit,
		[MKVM_CTL_ENTRY] = caps->entry,
	};

	return cap[word];
}

bool mkvm_vmx_has(const struct mkvm_vmx_caps *caps, unsigned int word, u64 bits)
{
	u64 has = word == MKVM_CTL_EPT ? caps->ept_vpid : word_cap(caps, word) >> 32;

	return (has & bits) == bits;
}

u64 mkvm_vmx_negotiate(const struct mkvm_vmx_caps *caps, u32 word[MKVM_NR_CTLS])
{
	u64 missing = 0;
	unsigned int i;

	for (i = 0; i < MKVM_NR_CTLS; i++)
		word[i] = word_cap(caps, i);
	for (i = 0; i < ARRAY_SIZE(mkvm_vmx_controls); i++) {
		const struct mkvm_vmx_control *ctl = &mkvm_vmx_controls[i];

		if (!mkvm_vmx_has(caps, ctl->word, ctl->bit))
			missing |= ctl->policy & MKVM_MUST_EXIST ? BIT_ULL(i) : 0;
		else if (ctl->policy & MKVM_STARTS_SET && ctl->word < MKVM_NR_CTLS)
			word[ctl->word] |= ctl->bit;
	}
	return missing;
}
