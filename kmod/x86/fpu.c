// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's x87, SSE and AVX state. The kernel's own kernel_fpu_begin/end
 * keeps the thread's state safe and is there on every kernel; between the two
 * the registers are the guest's. SDM vol. 1, chapter "Managing State Using the
 * XSAVE Feature Set".
 */
#include <asm/fpu/api.h>

#include "x86/x86.h"

#define XSAVE_LEGACY_SIZE	512
#define XSAVE_HEADER_SIZE	64
#define MXCSR_RESET		0x1f80
#define MXCSR_MASK		0xffff
#define FCW_RESET		0x37f

/* The standard (not compacted) format, as KVM_GET_XSAVE shows it. */
struct mkvm_fpu {
	u16 fcw, fsw;
	u8 ftw, reserved1;
	u16 fop;
	u64 fip, fdp;
	u32 mxcsr, mxcsr_mask;
	u8 st[8][16];
	u8 xmm[16][16];
	u8 reserved2[96];
	u64 xstate_bv, xcomp_bv;
	u8 header_reserved[48];
	u8 extended[4096 - XSAVE_LEGACY_SIZE - XSAVE_HEADER_SIZE];
} __aligned(64);

u64 mkvm_fpu_features __ro_after_init;
u64 mkvm_host_xcr0 __ro_after_init;

void mkvm_fpu_setup(void)
{
	u32 i, size, offset, ecx, edx;

	BUILD_BUG_ON(sizeof(struct mkvm_fpu) != sizeof(struct kvm_xsave));
	/* The kernel turns XSAVE off where it distrusts its layout, as in some emulators. */
	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return;
	mkvm_host_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	mkvm_fpu_features = mkvm_host_xcr0 &
			    (MKVM_XCR0_X87 | MKVM_XCR0_SSE | MKVM_XCR0_AVX | MKVM_XCR0_AVX512);
	/* The components must fit struct kvm_xsave; its size is part of the ABI. */
	for (i = 2; i < 8; i++) {
		cpuid_count(0xd, i, &size, &offset, &ecx, &edx);
		if (offset + size > sizeof(struct mkvm_fpu))
			mkvm_fpu_features &= ~BIT_ULL(i);
	}
}

int mkvm_fpu_init(struct mkvm_vcpu *v)
{
	/* kmalloc of a power of two is aligned to its size: XSAVE wants 64. */
	v->fpu = kzalloc(sizeof(*v->fpu), GFP_KERNEL_ACCOUNT);
	if (!v->fpu)
		return -ENOMEM;
	v->fpu->fcw = FCW_RESET;
	v->fpu->mxcsr = MXCSR_RESET;
	v->fpu->mxcsr_mask = MXCSR_MASK;
	v->xcr0 = MKVM_XCR0_X87;
	return 0;
}

/* mkvm_set_xsave let nothing in that XRSTOR refuses. */
void mkvm_fpu_load(struct mkvm_vcpu *v)
{
	kernel_fpu_begin();
	if (mkvm_fpu_features)
		asm volatile("xrstor64 %0"
			     : : "m" (*v->fpu), "a" ((u32)mkvm_fpu_features), "d" (0) : "memory");
	else
		asm volatile("fxrstor64 %0" : : "m" (*v->fpu) : "memory");
}

void mkvm_fpu_put(struct mkvm_vcpu *v)
{
	if (mkvm_fpu_features) {
		asm volatile("xsave64 %0"
			     : "+m" (*v->fpu) : "a" ((u32)mkvm_fpu_features), "d" (0) : "memory");
	} else {
		asm volatile("fxsave64 %0" : "+m" (*v->fpu) : : "memory");
		v->fpu->xstate_bv = MKVM_XCR0_X87 | MKVM_XCR0_SSE;
	}
	kernel_fpu_end();
}

int mkvm_set_xcr(struct mkvm_vcpu *v, u32 index, u64 value)
{
	if (!mkvm_fpu_features || index != XCR_XFEATURE_ENABLED_MASK ||
	    !mkvm_xcr0_valid(value, &v->guest_cpu))
		return 1;
	v->xcr0 = value;
	if (v->in_loop)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, value);
	return 0;
}

void *mkvm_fpu_xmm(struct mkvm_vcpu *v, unsigned int n)
{
	v->fpu->xstate_bv |= MKVM_XCR0_SSE;
	return v->fpu->xmm[n & 15];
}

/* ---- KVM_GET/SET_FPU and _XSAVE: the vCPU is not in its loop ---- */

/* The abridged tag word has a bit per register: 1 is not empty. */
int mkvm_get_fpu(struct mkvm_vcpu *v, void *arg)
{
	const struct mkvm_fpu *area = v->fpu;
	struct kvm_fpu *fpu = arg;

	memcpy(fpu->fpr, area->st, sizeof(fpu->fpr));
	memcpy(fpu->xmm, area->xmm, sizeof(fpu->xmm));
	fpu->fcw = area->fcw;
	fpu->fsw = area->fsw;
	fpu->ftwx = area->ftw;
	fpu->last_opcode = area->fop;
	fpu->last_ip = area->fip;
	fpu->last_dp = area->fdp;
	fpu->mxcsr = area->mxcsr;
	return 0;
}

int mkvm_set_fpu(struct mkvm_vcpu *v, void *arg)
{
	const struct kvm_fpu *fpu = arg;
	struct mkvm_fpu *area = v->fpu;

	if (fpu->mxcsr & ~MXCSR_MASK)
		return -EINVAL;
	memcpy(area->st, fpu->fpr, sizeof(fpu->fpr));
	memcpy(area->xmm, fpu->xmm, sizeof(fpu->xmm));
	area->fcw = fpu->fcw;
	area->fsw = fpu->fsw;
	area->ftw = fpu->ftwx;
	area->fop = fpu->last_opcode;
	area->fip = fpu->last_ip;
	area->fdp = fpu->last_dp;
	area->mxcsr = fpu->mxcsr;
	area->xstate_bv |= MKVM_XCR0_X87 | MKVM_XCR0_SSE;
	return 0;
}

int mkvm_get_xsave(struct mkvm_vcpu *v, void *arg)
{
	memcpy(arg, v->fpu, sizeof(struct kvm_xsave));
	return 0;
}

/* SDM vol. 1, "Operation of XRSTOR": each of these would be a #GP in the host. */
static bool xsave_valid(const struct mkvm_fpu *area)
{
	u64 known = mkvm_fpu_features | MKVM_XCR0_X87 | MKVM_XCR0_SSE;

	return !(area->xstate_bv & ~known) && !area->xcomp_bv &&
	       !memchr_inv(area->header_reserved, 0, sizeof(area->header_reserved)) &&
	       !(area->mxcsr & ~MXCSR_MASK);
}

int mkvm_set_xsave(struct mkvm_vcpu *v, void *arg)
{
	if (!xsave_valid(arg))
		return -EINVAL;
	memcpy(v->fpu, arg, sizeof(struct kvm_xsave));
	return 0;
}
