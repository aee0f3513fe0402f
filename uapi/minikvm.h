/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The ABI of /dev/minikvm: the subset of <linux/kvm.h> listed in docs/abi.md,
 * with the same numbers, structs and errors, and the extensions below. The
 * extensions only look; nothing that a guest needs is behind them.
 */
#ifndef _UAPI_MINIKVM_H
#define _UAPI_MINIKVM_H

#include <linux/ioctl.h>
#include <linux/kvm.h>
#include <linux/types.h>

#define MKVM_DEVICE_PATH	"/dev/minikvm"

/* The extensions' own ioctl type letter (KVM's is 0xAE). */
#define MKVMIO			0xBE

/*
 * The capability MSRs that decide what a VMCS may hold, as RDMSR gave them at
 * module load. SDM vol. 3, appendix "VMX Capability Reporting Facility". The
 * four control words are the TRUE forms where the CPU has them.
 */
struct mkvm_vmx_caps {
	__u64 basic;		/* IA32_VMX_BASIC */
	__u64 pinbased;		/* allowed 0-settings low, 1-settings high */
	__u64 procbased;
	__u64 procbased2;
	__u64 exit;
	__u64 entry;
	__u64 misc;		/* IA32_VMX_MISC */
	__u64 cr0_fixed0;
	__u64 cr0_fixed1;
	__u64 cr4_fixed0;
	__u64 cr4_fixed1;
	__u64 ept_vpid;		/* IA32_VMX_EPT_VPID_CAP */
	__u64 efer_mask;	/* IA32_EFER bits that the CPU defines */
	__u32 maxphyaddr;	/* physical-address width in bits, at most 52 */
	__u32 maxlinaddr;	/* linear-address width in bits: 48 or 57 */
};

/*
 * What decides what a VMCB may hold, as CPUID gave it at module load. APM vol. 2,
 * chapter "Secure Virtual Machine".
 */
struct mkvm_svm_caps {
	__u64 efer_mask;	/* EFER bits that the CPU defines */
	__u64 cr4_mask;		/* CR4 bits that the CPU defines */
	__u32 features;		/* CPUID 8000_000A EDX */
	__u32 nr_asids;		/* CPUID 8000_000A EBX */
	__u32 maxphyaddr;	/* physical-address width in bits, at most 52 */
	__u32 pad;		/* 0 */
};

struct mkvm_vmcs_field {
	__u32 encoding;		/* SDM vol. 3, appendix "Field Encoding in VMCS" */
	__u32 pad;		/* 0 */
	__u64 value;		/* zero-extended */
};

/* The most fields that a dump returns. */
#define MKVM_VMCS_MAX_FIELDS	256

/*
 * MKVM_GET_VMCS (vCPU fd, _IOWR): every field of the vCPU's VMCS that this CPU
 * implements. nr is the room in fields[] on the way in, the count on the way
 * out; too small a nr gives E2BIG with the count that is needed. EOPNOTSUPP
 * on AMD-V.
 */
struct mkvm_vmcs_dump {
	__u32 nr;
	__u32 pad;		/* 0 */
	struct mkvm_vmx_caps caps;
	struct mkvm_vmcs_field fields[];
};

#define MKVM_GET_VMCS		_IOWR(MKVMIO, 0x01, struct mkvm_vmcs_dump)

/*
 * MKVM_GET_STATS (vCPU fd, _IOR): counts since the vCPU was created. The VMCS
 * access counts stay 0 unless the module was built with MKVM_DEBUG=1.
 */
#define MKVM_STATS_REASONS	168
struct mkvm_vcpu_stats {
	__u64 entries;		/* VM entries that led to a VM exit */
	__u64 user_exits;	/* returns from KVM_RUN with an exit reason */
	__u64 faults;		/* second-stage faults resolved in the kernel */
	__u64 vmreads;
	__u64 vmwrites;
	__u64 vcpu_switches;	/* stays in the guest on a CPU where another vCPU had run since */
	/* By basic exit reason; AMD-V: by exit code, and nested page faults at MKVM_STATS_NPF. */
	__u64 exits[MKVM_STATS_REASONS];
};

#define MKVM_STATS_NPF		0xa5

#define MKVM_GET_STATS		_IOR(MKVMIO, 0x02, struct mkvm_vcpu_stats)

/*
 * MKVM_GET_VMCB (vCPU fd, _IOR): the vCPU's VMCB, in the CPU's own layout: APM
 * vol. 2, appendix "VMCB Layout". EOPNOTSUPP on VT-x.
 */
struct mkvm_vmcb_dump {
	struct mkvm_svm_caps caps;
	__u8 vmcb[4096];
};

#define MKVM_GET_VMCB		_IOR(MKVMIO, 0x03, struct mkvm_vmcb_dump)

#endif /* _UAPI_MINIKVM_H */
