// SPDX-License-Identifier: GPL-2.0-only
/* The controls minikvm uses and their negotiation. */
#include "vmx_controls.h"

#define PIN(policy, bit, name) \
	{ MKVM_CTL_PIN, MKVM_##policy, VMX_PINBASED_##bit, name }
#define PROC(policy, bit, name) \
	{ MKVM_CTL_PROC, MKVM_##policy, VMX_PROCBASED_##bit, name }
#define PROC2(policy, bit, name) \
	{ MKVM_CTL_PROC2, MKVM_##policy, VMX_PROCBASED2_##bit, name }
#define EXIT(policy, bit, name) \
	{ MKVM_CTL_EXIT, MKVM_##policy, VMX_EXITCTL_##bit, name }
#define ENTRY(policy, bit, name) \
	{ MKVM_CTL_ENTRY, MKVM_##policy, VMX_ENTRYCTL_##bit, name }

/*
 * Not listed and therefore clear wherever the CPU allows it: CR3-load and
 * CR3-store exiting (the guest owns CR3 under EPT), INVLPG exiting, RDTSC
 * exiting, TPR shadow, and acknowledge interrupt on exit (the host takes its
 * interrupts through its IDT once they are enabled again).
 */
const struct mkvm_vmx_control mkvm_vmx_controls[] = {
	PIN(REQUIRED, EXTERNAL_INTERRUPT_EXITING, "external-interrupt exiting"),
	PIN(REQUIRED, NMI_EXITING, "NMI exiting"),
	PIN(WANTED, VIRTUAL_NMIS, "virtual NMIs"),
	PIN(WANTED, PREEMPTION_TIMER, "activate VMX-preemption timer"),

	PROC(REQUIRED, HLT_EXITING, "HLT exiting"),
	PROC(REQUIRED, UNCONDITIONAL_IO_EXITING, "unconditional I/O exiting"),
	PROC(REQUIRED, MSR_BITMAPS, "use MSR bitmaps"),
	PROC(REQUIRED, SECONDARY_CONTROLS, "activate secondary controls"),
	PROC(REQUIRED, TSC_OFFSETTING, "use TSC offsetting"),
	PROC(REQUIRED, MWAIT_EXITING, "MWAIT exiting"),
	PROC(REQUIRED, MONITOR_EXITING, "MONITOR exiting"),
	PROC(REQUIRED, RDPMC_EXITING, "RDPMC exiting"),
	PROC(REQUIRED, CR8_LOAD_EXITING, "CR8-load exiting"),
	PROC(REQUIRED, CR8_STORE_EXITING, "CR8-store exiting"),
	PROC(SWITCHED, INTERRUPT_WINDOW_EXITING, "interrupt-window exiting"),
	PROC(SWITCHED, MOV_DR_EXITING, "MOV-DR exiting"),
	PROC(OPTIONAL, NMI_WINDOW_EXITING, "NMI-window exiting"),
	PROC(OPTIONAL, MONITOR_TRAP_FLAG, "monitor trap flag"),

	PROC2(REQUIRED, EPT, "enable EPT"),
	PROC2(REQUIRED, VPID, "enable VPID"),
	PROC2(REQUIRED, UNRESTRICTED_GUEST, "unrestricted guest"),
	PROC2(WANTED, RDTSCP, "enable RDTSCP"),
	PROC2(WANTED, INVPCID, "enable INVPCID"),
	PROC2(WANTED, XSAVES, "enable XSAVES/XRSTORS"),
	PROC2(WANTED, WBINVD_EXITING, "WBINVD exiting"),

	EXIT(REQUIRED, HOST_ADDRESS_SPACE_SIZE, "host address-space size"),
	EXIT(REQUIRED, SAVE_DEBUG_CONTROLS, "save debug controls"),
	EXIT(REQUIRED, SAVE_EFER, "save IA32_EFER"),
	EXIT(REQUIRED, LOAD_EFER, "load IA32_EFER on exit"),
	EXIT(REQUIRED, SAVE_PAT, "save IA32_PAT"),
	EXIT(REQUIRED, LOAD_PAT, "load IA32_PAT on exit"),

	ENTRY(REQUIRED, LOAD_DEBUG_CONTROLS, "load debug controls"),
	ENTRY(REQUIRED, LOAD_EFER, "load IA32_EFER on entry"),
	ENTRY(REQUIRED, LOAD_PAT, "load IA32_PAT on entry"),
	ENTRY(SWITCHED, IA32E_MODE_GUEST, "IA-32e mode guest"),
};

const unsigned int mkvm_vmx_nr_controls = ARRAY_SIZE(mkvm_vmx_controls);
static_assert(ARRAY_SIZE(mkvm_vmx_controls) <= 64, "a row is a bit of a u64");

const struct mkvm_vmx_ept_cap mkvm_vmx_ept_caps[] = {
	{ MKVM_EPTCAP_WALK_4,		 true,	"EPT page-walk length of 4" },
	{ MKVM_EPTCAP_WB,		 true,	"write-back EPT paging structures" },
	{ MKVM_EPTCAP_INVEPT,		 true,	"INVEPT" },
	{ MKVM_EPTCAP_INVEPT_SINGLE,	 true,	"single-context INVEPT" },
	{ MKVM_VPIDCAP_INVVPID,		 true,	"INVVPID" },
	{ MKVM_VPIDCAP_INVVPID_SINGLE,	 true,	"single-context INVVPID" },
	{ MKVM_EPTCAP_INVEPT_ALL,	 false,	"all-context INVEPT" },
	{ MKVM_VPIDCAP_INVVPID_ALL,	 false,	"all-context INVVPID" },
	{ MKVM_EPTCAP_2M,		 false,	"2-MiB EPT pages" },
	{ MKVM_EPTCAP_1G,		 false,	"1-GiB EPT pages" },
	{ MKVM_EPTCAP_ACCESSED_DIRTY,	 false,	"EPT accessed and dirty flags" },
};

const unsigned int mkvm_vmx_nr_ept_caps = ARRAY_SIZE(mkvm_vmx_ept_caps);

u64 mkvm_vmx_word_cap(const struct mkvm_vmx_caps *caps, unsigned int word)
{
	switch (word) {
	case MKVM_CTL_PIN:
		return caps->pinbased;
	case MKVM_CTL_PROC:
		return caps->procbased;
	case MKVM_CTL_PROC2:
		return caps->procbased2;
	case MKVM_CTL_EXIT:
		return caps->exit;
	default:
		return caps->entry;
	}
}

const char *mkvm_vmx_word_name(unsigned int word)
{
	static const char * const names[MKVM_NR_CTLS] = {
		[MKVM_CTL_PIN]	 = "pin-based VM-execution controls",
		[MKVM_CTL_PROC]	 = "primary processor-based VM-execution controls",
		[MKVM_CTL_PROC2] = "secondary processor-based VM-execution controls",
		[MKVM_CTL_EXIT]	 = "VM-exit controls",
		[MKVM_CTL_ENTRY] = "VM-entry controls",
	};

	return word < MKVM_NR_CTLS ? names[word] : "unknown controls";
}

static bool must_exist(const struct mkvm_vmx_control *ctl)
{
	return ctl->policy == MKVM_REQUIRED || ctl->policy == MKVM_SWITCHED;
}

static bool starts_set(const struct mkvm_vmx_control *ctl)
{
	return ctl->policy == MKVM_REQUIRED || ctl->policy == MKVM_WANTED;
}

u64 mkvm_vmx_negotiate(const struct mkvm_vmx_caps *caps, u32 word[MKVM_NR_CTLS])
{
	u64 missing = 0;
	unsigned int i;

	for (i = 0; i < MKVM_NR_CTLS; i++)
		word[i] = (u32)mkvm_vmx_word_cap(caps, i);
	for (i = 0; i < ARRAY_SIZE(mkvm_vmx_controls); i++) {
		const struct mkvm_vmx_control *ctl = &mkvm_vmx_controls[i];

		if (!mkvm_vmx_can_set(caps, ctl->word, ctl->bit)) {
			if (must_exist(ctl))
				missing |= BIT_ULL(i);
		} else if (starts_set(ctl)) {
			word[ctl->word] |= ctl->bit;
		}
	}
	return missing;
}

u64 mkvm_vmx_ept_missing(u64 ept_vpid)
{
	u64 missing = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mkvm_vmx_ept_caps); i++)
		if (mkvm_vmx_ept_caps[i].required && !(ept_vpid & mkvm_vmx_ept_caps[i].bit))
			missing |= BIT_ULL(i);
	return missing;
}

const char *mkvm_vmx_control_name(unsigned int row)
{
	return row < ARRAY_SIZE(mkvm_vmx_controls) ? mkvm_vmx_controls[row].name : NULL;
}

const char *mkvm_vmx_ept_cap_name(unsigned int row)
{
	return row < ARRAY_SIZE(mkvm_vmx_ept_caps) ? mkvm_vmx_ept_caps[row].name : NULL;
}
