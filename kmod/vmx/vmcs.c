// SPDX-License-Identifier: GPL-2.0-only
/* The states of a VMCS, and what is told when a VMX instruction fails. */
#include <linux/gfp.h>
#include <linux/smp.h>

#include "host/host.h"
#include "pure/vmfail.h"
#include "vmx/vmx.h"

DEFINE_PER_CPU(struct vmx_vmcs *, vmcs_current);
/* struct vmx_vmcs; changed with interrupts off */
static DEFINE_PER_CPU(struct list_head, vmcs_active);

#ifdef MKVM_DEBUG
DEFINE_PER_CPU(struct vmcs_counts, vmcs_counts);
#endif

/* ---- instructions ---- */

/* A function's whole body: the instruction, and what is told where it fails. True: it failed. */
#define vmx_insn(name, operands, what, inputs...) do {					\
	asm goto("1: " name " " operands "\n\t"						\
		 "jbe %l[failed]\n\t"							\
		 _ASM_EXTABLE(1b, %l[faulted])						\
		 : : inputs : "cc", "memory" : failed, faulted);			\
	return false;									\
failed:											\
	vmx_insn_failed(name, what);							\
	return true;									\
faulted:										\
	vmx_insn_faulted(name);								\
	return true;									\
} while (0)

static bool vmclear(u64 pa)
{
	vmx_insn("VMCLEAR", "%0", pa, "m" (pa));
}

static bool vmptrld(u64 pa)
{
	vmx_insn("VMPTRLD", "%0", pa, "m" (pa));
}

struct invalidate_descriptor {
	u64 id, zero;
};

bool vmx_invept(enum vmx_invalidate_type type, u64 eptp)
{
	struct invalidate_descriptor d = { eptp };

	vmx_insn("INVEPT", "%0, %1", eptp, "m" (d), "r" ((unsigned long)type));
}

bool vmx_invvpid(enum vmx_invalidate_type type, u16 vpid)
{
	struct invalidate_descriptor d = { vpid };

	vmx_insn("INVVPID", "%0, %1", vpid, "m" (d), "r" ((unsigned long)type));
}

/* ---- failures. SDM vol. 3, section "Conventions" of the VMX instruction reference ---- */

/*
 * Only VMfailValid has an error number, and it is in the current VMCS. With
 * VMfailInvalid there is no current VMCS, so reading the number fails too.
 */
const char *vmcs_instruction_error(void)
{
	u64 error;

	if (!vmcs_try_read(VM_INSTRUCTION_ERROR, &error))
		return "no current VMCS";
	return mkvm_vm_instruction_error_name(error);
}

noinstr void vmx_insn_failed(const char *insn, u64 operand)
{
	if (mkvm_host_going_down())
		return;
	instrumentation_begin();
	pr_warn_ratelimited("%s with operand %#llx failed: %s\n", insn, operand,
			    vmcs_instruction_error());
	instrumentation_end();
}

noinstr void vmx_insn_faulted(const char *insn)
{
	if (mkvm_host_going_down())
		return;
	instrumentation_begin();
	WARN_ONCE(1, "%s faulted on CPU %d: VMX is off\n", insn, raw_smp_processor_id());
	instrumentation_end();
}

/* ---- states ---- */

void vmcs_setup(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		INIT_LIST_HEAD(&per_cpu(vmcs_active, cpu));
}

int vmcs_alloc(struct vmx_vmcs *vmcs)
{
	void *region = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);

	if (!region)
		return -ENOMEM;
	*(u32 *)region = vmx_basic_vmcs_revision_id(vmx_host.caps.basic);
	*vmcs = (struct vmx_vmcs) { .region = region, .pa = __pa(region), .cpu = -1 };
	return 0;
}

/*
 * Interrupts off, on the CPU where it is active. Others may take it over as
 * soon as they see cpu -1, so that comes last.
 */
static void deactivate(struct vmx_vmcs *vmcs)
{
	WARN_ON_ONCE(vmcs->cpu != smp_processor_id());
	vmclear(vmcs->pa);
	if (__this_cpu_read(vmcs_current) == vmcs)
		__this_cpu_write(vmcs_current, NULL);
	list_del(&vmcs->node);
	vmcs->launched = false;
	smp_store_release(&vmcs->cpu, -1);	/* pairs with vmcs_clear */
}

static void clear_ipi(void *data)
{
	struct vmx_vmcs *vmcs = data;

	/* Else VMX went off here meanwhile, and vmcs_clear_all_here did it. */
	if (vmcs->cpu == smp_processor_id())
		deactivate(vmcs);
}

void vmcs_clear(struct vmx_vmcs *vmcs)
{
	int cpu = smp_load_acquire(&vmcs->cpu);	/* pairs with deactivate */

	if (cpu < 0)
		return;
	/* Fails on a CPU that is offline: it cleared its own before it went. */
	smp_call_function_single(cpu, clear_ipi, vmcs, true);
	WARN_ON_ONCE(READ_ONCE(vmcs->cpu) != -1);
}

void vmcs_free(struct vmx_vmcs *vmcs)
{
	if (!vmcs->region)
		return;
	vmcs_clear(vmcs);
	free_page((unsigned long)vmcs->region);
	vmcs->region = NULL;
}

void vmcs_clear_all_here(void)
{
	struct vmx_vmcs *vmcs, *next;

	/* In NMI context the list may be half changed: walk forward, leave it alone. */
	list_for_each_entry_safe(vmcs, next, this_cpu_ptr(&vmcs_active), node)
		if (mkvm_host_going_down())
			vmclear(vmcs->pa);
		else
			deactivate(vmcs);
}

/* Inactive to active: in the list first, so that a crash in between finds it. */
static void activate(struct vmx_vmcs *vmcs)
{
	WARN_ON_ONCE(vmcs->cpu != -1 || vmcs->launched);
	if (!vmcs->initialized)
		vmclear(vmcs->pa);
	vmcs->initialized = true;
	list_add(&vmcs->node, this_cpu_ptr(&vmcs_active));
	vmcs->cpu = smp_processor_id();
}

/*
 * Without a current VMCS every access fails and is logged, and so does the VM
 * entry, of which userspace is told: better than another guest's VMCS.
 */
static void load_failed(struct vmx_vmcs *vmcs)
{
	struct vmx_vmcs *other = __this_cpu_read(vmcs_current);

	deactivate(vmcs);
	if (other)
		deactivate(other);
}

void vmcs_load(struct vmx_vmcs *vmcs)
{
	int cpu = smp_processor_id();
	unsigned long flags;

	if (vmcs->cpu != cpu)
		vmcs_clear(vmcs);

	local_irq_save(flags);
	if (vmcs->cpu != cpu)
		activate(vmcs);
	if (vmptrld(vmcs->pa))
		load_failed(vmcs);
	else
		__this_cpu_write(vmcs_current, vmcs);
	local_irq_restore(flags);
}
