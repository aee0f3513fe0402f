// SPDX-License-Identifier: GPL-2.0-only
/* The rules of VMRUN as tables, one per section of the APM. */
#include "vmcb_check.h"
#include "x86_bits.h"

/* The layout, for the module as well. */
#define MKVM_VMCB_AT(member, offset) \
	static_assert(offsetof(struct mkvm_vmcb, member) == (offset), "VMCB: " #member)
MKVM_VMCB_AT(pause_threshold, 0x03c);
MKVM_VMCB_AT(iopm_pa, 0x040);
MKVM_VMCB_AT(asid, 0x058);
MKVM_VMCB_AT(interrupt_control, 0x060);
MKVM_VMCB_AT(exit_code, 0x070);
MKVM_VMCB_AT(nested_control, 0x090);
MKVM_VMCB_AT(event_inj, 0x0a8);
MKVM_VMCB_AT(next_rip, 0x0c8);
MKVM_VMCB_AT(es, 0x400);
MKVM_VMCB_AT(cpl, 0x4cb);
MKVM_VMCB_AT(efer, 0x4d0);
MKVM_VMCB_AT(cr4, 0x548);
MKVM_VMCB_AT(rip, 0x578);
MKVM_VMCB_AT(rsp, 0x5d8);
MKVM_VMCB_AT(rax, 0x5f8);
MKVM_VMCB_AT(cr2, 0x640);
MKVM_VMCB_AT(g_pat, 0x668);

#define FEATURE_NP	MKVM_BIT(0)	/* CPUID 8000_000A EDX */

/* Bytes: a bit per MSR and access, a bit per port and three more. */
#define MSRPM_SIZE	0x2000
#define IOPM_SIZE	0x3000

struct view {
	const struct mkvm_vmcb *vmcb;
	const struct mkvm_svm_caps *caps;
};

struct place {
	u16 offset;
	u8 size;
};

struct rule {
	bool (*holds)(const struct view *v);
	const char *text;
	struct place field[MKVM_VMCB_FINDING_FIELDS];	/* size 0: none */
};

#define AT(member) \
	{ offsetof(struct mkvm_vmcb, member), sizeof(((struct mkvm_vmcb *)0)->member) }
#define RULE(predicate, words, ...)	{ predicate, words, { __VA_ARGS__ } }

static bool implies(bool a, bool b)
{
	return !a || b;
}

/* ---- "Canonicalization and Consistency Checks" ---- */

static bool svme(const struct view *v)
{
	return v->vmcb->efer & MKVM_EFER_SVME;
}

static bool efer_reserved(const struct view *v)
{
	u64 defined = v->caps->efer_mask | MKVM_EFER_LME | MKVM_EFER_LMA;

	return !(v->vmcb->efer & ~defined);
}

static bool long_mode_exists(const struct view *v)
{
	return implies(v->vmcb->efer & (MKVM_EFER_LME | MKVM_EFER_LMA),
		       v->caps->efer_mask & MKVM_EFER_LME);
}

static bool cr0_cache(const struct view *v)
{
	return implies(v->vmcb->cr0 & X86_CR0_NW, v->vmcb->cr0 & X86_CR0_CD);
}

static bool cr0_high(const struct view *v)
{
	return mkvm_fits(v->vmcb->cr0, 32);
}

/* Not LMA, which VMRUN computes. */
static bool is_long(const struct view *v)
{
	return (v->vmcb->efer & MKVM_EFER_LME) && (v->vmcb->cr0 & X86_CR0_PG);
}

/* Elsewhere CR3 has 32 bits, and the rest of it does not matter. */
static bool cr3_reserved(const struct view *v)
{
	return implies(is_long(v), mkvm_fits(v->vmcb->cr3, v->caps->maxphyaddr));
}

static bool cr4_reserved(const struct view *v)
{
	return !(v->vmcb->cr4 & ~v->caps->cr4_mask);
}

static bool cet_protection(const struct view *v)
{
	return implies(v->vmcb->cr4 & MKVM_CR4_CET, v->vmcb->cr0 & X86_CR0_WP);
}

static bool dr6_high(const struct view *v)
{
	return mkvm_fits(v->vmcb->dr6, 32);
}

static bool dr7_high(const struct view *v)
{
	return mkvm_fits(v->vmcb->dr7, 32);
}

static bool long_has_pae(const struct view *v)
{
	return implies(is_long(v), v->vmcb->cr4 & X86_CR4_PAE);
}

/* Paging without protection is otherwise legal here: "Paged Real Mode". */
static bool long_has_protection(const struct view *v)
{
	return implies(is_long(v), v->vmcb->cr0 & X86_CR0_PE);
}

static bool is_64bit(const struct view *v)
{
	return is_long(v) && (v->vmcb->cr4 & X86_CR4_PAE) && (v->vmcb->cs.attr & MKVM_SVM_ATTR_L);
}

static bool cs_size(const struct view *v)
{
	return implies(is_64bit(v), !(v->vmcb->cs.attr & MKVM_SVM_ATTR_DB));
}

#define VMRUN_WORD	MKVM_SVM_INTERCEPT_WORD(SVM_EXIT_VMRUN)

static bool vmrun_intercept(const struct view *v)
{
	return v->vmcb->intercept[VMRUN_WORD] & MKVM_SVM_INTERCEPT_BIT(SVM_EXIT_VMRUN);
}

/* The low twelve bits are ignored. */
static bool table_in_phys(const struct view *v, u64 pa, u32 size)
{
	u64 last = (pa | 0xfff) + size - 0x1000;

	return last >= pa && mkvm_fits(last, v->caps->maxphyaddr);
}

static bool msrpm(const struct view *v)
{
	return table_in_phys(v, v->vmcb->msrpm_pa, MSRPM_SIZE);
}

static bool iopm(const struct view *v)
{
	return table_in_phys(v, v->vmcb->iopm_pa, IOPM_SIZE);
}

static bool asid_not_hosts(const struct view *v)
{
	return v->vmcb->asid;
}

static const struct rule consistency_rules[] = {
	RULE(svme, "EFER.SVME is 1", AT(efer)),
	RULE(efer_reserved, "EFER: reserved bits are 0", AT(efer)),
	RULE(long_mode_exists, "EFER.LME and LMA are 0 on a CPU without long mode", AT(efer)),
	RULE(cr0_cache, "CR0.NW is set only together with CR0.CD", AT(cr0)),
	RULE(cr0_high, "CR0: bits 63:32 are 0", AT(cr0)),
	RULE(cr3_reserved, "CR3: bits beyond the physical-address width are 0 in long mode",
	     AT(cr3), AT(efer)),
	RULE(cr4_reserved, "CR4: reserved bits are 0", AT(cr4)),
	RULE(cet_protection, "CR4.CET needs CR0.WP", AT(cr4), AT(cr0)),
	RULE(dr6_high, "DR6: bits 63:32 are 0", AT(dr6)),
	RULE(dr7_high, "DR7: bits 63:32 are 0", AT(dr7)),
	RULE(long_has_pae, "EFER.LME with CR0.PG needs CR4.PAE", AT(cr4), AT(efer), AT(cr0)),
	RULE(long_has_protection, "EFER.LME with CR0.PG needs CR0.PE", AT(cr0), AT(efer)),
	RULE(cs_size, "CS of long mode: L and D are not both set", AT(cs.attr), AT(efer)),
	RULE(vmrun_intercept, "the VMRUN intercept is set", AT(intercept[VMRUN_WORD])),
	RULE(msrpm, "the MSR permissions map is within the physical-address width", AT(msrpm_pa)),
	RULE(iopm, "the I/O permissions map is within the physical-address width", AT(iopm_pa)),
	RULE(asid_not_hosts, "ASID is not 0, the host's", AT(asid)),
};

/* ---- "VMRUN Instruction" ---- */

static bool asid_exists(const struct view *v)
{
	return v->vmcb->asid < v->caps->nr_asids;
}

static const struct rule vmrun_rules[] = {
	RULE(asid_exists, "ASID is below the number of ASIDs, CPUID 8000_000A EBX", AT(asid)),
};

/* ---- "Event Injection" ---- */

#define VECTOR_OF	4
#define VECTOR_BR	5
/* #DE to #XF and #CP, #HV, #VC, #SX; not NMI, 9, 15, nor #VE, which is Intel's. */
#define EXCEPTIONS	0x702f7dfbu

static u32 injected_type(const struct view *v)
{
	return (u32)v->vmcb->event_inj & MKVM_SVM_EVENT_TYPE;
}

static bool injects(const struct view *v)
{
	return v->vmcb->event_inj & MKVM_SVM_EVENT_VALID;
}

static bool injects_exception(const struct view *v)
{
	return injects(v) && injected_type(v) == MKVM_SVM_EVENT_EXCEPTION;
}

static bool event_type(const struct view *v)
{
	u32 type = injected_type(v);

	return !injects(v) || type == MKVM_SVM_EVENT_INTR || type == MKVM_SVM_EVENT_NMI ||
	       type == MKVM_SVM_EVENT_EXCEPTION || type == MKVM_SVM_EVENT_SOFTWARE;
}

static bool event_vector(const struct view *v)
{
	u8 vector = (u8)v->vmcb->event_inj;

	return implies(injects_exception(v), vector < 32 && (EXCEPTIONS & MKVM_BIT(vector & 31)));
}

/* INTO and BOUND do not exist there. */
static bool event_mode(const struct view *v)
{
	u8 vector = (u8)v->vmcb->event_inj;

	return implies(injects_exception(v) && is_64bit(v),
		       vector != VECTOR_OF && vector != VECTOR_BR);
}

static const struct rule injection_rules[] = {
	RULE(event_type, "EVENTINJ: the type is not a reserved one", AT(event_inj)),
	RULE(event_vector, "EVENTINJ: the vector of an exception is one of an exception, not 2",
	     AT(event_inj)),
	RULE(event_mode, "EVENTINJ: there is no #OF and no #BR in 64-bit mode",
	     AT(event_inj), AT(cs.attr)),
};

/* ---- "Nested Paging and VMRUN/#VMEXIT" ---- */

/* A CPU without it ignores the flag. */
static bool is_nested(const struct view *v)
{
	return (v->caps->features & FEATURE_NP) && (v->vmcb->nested_control & MKVM_SVM_NP_ENABLE);
}

static bool nested_cr3(const struct view *v)
{
	return implies(is_nested(v), mkvm_fits(v->vmcb->nested_cr3, v->caps->maxphyaddr));
}

static bool guest_pat(const struct view *v)
{
	return implies(is_nested(v), mkvm_pat_valid(v->vmcb->g_pat));
}

static const struct rule nested_rules[] = {
	RULE(nested_cr3, "nCR3: bits beyond the physical-address width are 0", AT(nested_cr3)),
	RULE(guest_pat, "G_PAT: each type is UC, WC, WT, WP, WB or UC-", AT(g_pat)),
};

/* ---- all of them ---- */

#define SECTION(title, table)	{ title, table, ARRAY_SIZE(table) }

static const struct section {
	const char *title;
	const struct rule *rules;
	unsigned int nr;
} sections[] = {
	SECTION("Canonicalization and Consistency Checks", consistency_rules),
	SECTION("VMRUN Instruction", vmrun_rules),
	SECTION("Event Injection", injection_rules),
	SECTION("Nested Paging and VMRUN/#VMEXIT", nested_rules),
};

u64 mkvm_vmcb_read(const struct mkvm_vmcb *vmcb, u32 offset, u32 size)
{
	u64 value = 0;

	memcpy(&value, (const u8 *)vmcb + offset, size);
	return value;
}

static void report(const struct view *v, const char *section, const struct rule *rule,
		   struct mkvm_vmcb_finding *out)
{
	unsigned int i;

	out->rule = rule->text;
	out->section = section;
	out->nr = 0;
	for (i = 0; i < ARRAY_SIZE(rule->field) && rule->field[i].size; i++) {
		const struct place *p = &rule->field[i];

		out->field[out->nr++] = (struct mkvm_vmcb_value){
			p->offset, p->size, mkvm_vmcb_read(v->vmcb, p->offset, p->size),
		};
	}
}

int mkvm_vmcb_check(const struct mkvm_vmcb *vmcb, const struct mkvm_svm_caps *caps,
		    struct mkvm_vmcb_finding *out, int max)
{
	struct view v = { .vmcb = vmcb, .caps = caps };
	unsigned int s, r;
	int found = 0;

	for (s = 0; s < ARRAY_SIZE(sections); s++) {
		for (r = 0; r < sections[s].nr; r++) {
			const struct rule *rule = &sections[s].rules[r];

			if (rule->holds(&v))
				continue;
			if (found < max)
				report(&v, sections[s].title, rule, &out[found]);
			found++;
		}
	}
	return found;
}

unsigned int mkvm_vmcb_nr_rules(void)
{
	unsigned int s, nr = 0;

	for (s = 0; s < ARRAY_SIZE(sections); s++)
		nr += sections[s].nr;
	return nr;
}
