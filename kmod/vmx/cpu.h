/* SPDX-License-Identifier: GPL-2.0-only */
/* VT-x as this machine has it, and VMX operation on and off per CPU. */
#ifndef MKVM_VMX_CPU_H
#define MKVM_VMX_CPU_H

#include <minikvm.h>

#include "pure/vmx_controls.h"

/* Set by vmx_cpu_setup, the same on every CPU, constant afterwards. */
struct vmx_host {
	struct mkvm_vmx_caps caps;
	u32 word[MKVM_NR_CTLS];	/* the controls that a new VMCS starts with */
	u32 slice;		/* VMX-preemption timer of an entry; control clear: no timer */
};

extern struct vmx_host vmx_host;

/*
 * Parts of vmx_hardware_setup and _unsetup: names in one log line each thing that is
 * missing, and what to do.
 */
int vmx_cpu_setup(void);
void vmx_cpu_unsetup(void);

#endif /* MKVM_VMX_CPU_H */
