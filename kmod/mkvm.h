/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The core's types: a VM, a vCPU, and what one file offers another.
 *
 * Lock order: vcpu->lock > vm->lock > vm->slots_lock > mmap_lock > vm->mmu.lock;
 * vm->clock_lock inside any of them, and nothing inside it.
 * A legend in brackets says what guards a member:
 *   [I] set before the object is published, constant afterwards
 *   [v] vcpu->lock: only the thread in an ioctl of this vCPU
 *   [l] vm->lock   [c] vm->clock_lock   [m] vm->mmu.lock
 *   [s] vm->slots_lock, readers under vm->srcu
 *   [a] atomic or READ_ONCE/WRITE_ONCE, anybody
 */
#ifndef MKVM_H
#define MKVM_H

/* What most of kmod/ uses is included here, and nowhere else. */
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/fpu/xcr.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include <asm/tsc.h>
#include <uapi/asm/kvm_para.h>
#include <minikvm.h>

#include "host/compat.h"
#include "host/host.h"
#include "pure/access.h"
#include "pure/cpuid.h"
#include "pure/insn.h"
#include "pure/msr.h"
#include "pure/slots.h"

#define MKVM_MAX_VCPUS		255	/* per VM; ids are below MKVM_MAX_VCPU_ID */
#define MKVM_MAX_VCPU_ID	255
#define MKVM_VCPU_PAGES		3	/* of the vCPU's mmap: kvm_run, PIO data, */
#define MKVM_RING_PAGE		2	/* and the VM's ring of coalesced accesses */
#define MKVM_MAX_CPUID		256

struct mkvm_vm;
struct mkvm_vcpu;
struct mkvm_apic_page;
struct mkvm_msr_filter;

/*
 * What an exit handler or a deferred step says; below 0 it is an errno for
 * KVM_RUN. The run loop (run.c) is the only reader.
 */
enum mkvm_next {
	MKVM_RESUME,		/* enter the guest again */
	MKVM_TO_USER,		/* kvm_run is filled: return 0 from KVM_RUN */
	MKVM_BREAK,		/* leave the loop, let the host have its interrupts, resume */
	MKVM_DEFER,		/* leave the loop, call vcpu->deferred, obey what it returns */
	MKVM_FAULT,		/* exit handlers only: resume, the instruction raised an event */
};

/* ---- memslot.c: guest physical address space, as userspace lays it ---- */

/* Before mkvm_mmu_init, freed after mkvm_mmu_free. */
int mkvm_slots_init(struct mkvm_vm *vm);
void mkvm_slots_free(struct mkvm_vm *vm);
int mkvm_set_memory_region(struct mkvm_vm *vm, void *arg);	/* KVM_SET_USER_MEMORY_REGION */
/* What the vCPU sees at gfn, in its address space; NULL: no memory. Under vm->srcu. */
const struct mkvm_memslot *mkvm_find_slot(struct mkvm_vcpu *v, mkvm_gfn_t gfn);
/*
 * Copy between the kernel and the memory that the vCPU sees, through the slots; may sleep, may
 * cross pages and slots; what is written is logged. -ENXIO: there is no slot, or
 * a read-only one to write to; -EFAULT: no memory behind it.
 */
int mkvm_read_guest(struct mkvm_vcpu *v, u64 gpa, void *data, size_t len);
int mkvm_write_guest(struct mkvm_vcpu *v, u64 gpa, const void *data, size_t len);
/*
 * Where the process has it; NULL: no slot. Any context. Good until vm->slots_version
 * changes, and after that still an address that may be read as any of the process's.
 */
const void __user *mkvm_guest_memory(struct mkvm_vcpu *v, u64 gpa);
/* One access to the size (4 or 8) aligned bytes at gpa, zero-extended; errors as above. */
int mkvm_read_entry(struct mkvm_vcpu *v, u64 gpa, u64 *value, u32 size);
/*
 * Replace the size (4 or 8) aligned bytes at gpa by next if they are still old.
 * -EAGAIN: they were not; else as mkvm_write_guest, but a read-only slot is left
 * as it is, and that is 0: accessed and dirty bits in a ROM are nobody's concern.
 */
int mkvm_cmpxchg_guest(struct mkvm_vcpu *v, u64 gpa, u64 old, u64 next, u32 size);

/* ---- dirty.c: which pages of a slot were written ---- */

/* The value of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
#define MKVM_DIRTY_LOG_MODES (KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET)

/*
 * A bitmap for a slot that starts to log, and NULL for none. Caller holds
 * vm->slots_lock.
 */
unsigned long *mkvm_dirty_alloc(struct mkvm_vm *vm, u64 npages);
/* KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
int mkvm_get_dirty_log(struct mkvm_vm *vm, void *arg);	/* struct kvm_dirty_log */
int mkvm_clear_dirty_log(struct mkvm_vm *vm, void *arg);	/* struct kvm_clear_dirty_log */
int mkvm_set_dirty_log_mode(struct mkvm_vm *vm, u64 mode);

/* The page has been written, or is about to be with vm->mmu.lock held. Under vm->srcu. */
static inline void mkvm_mark_dirty(const struct mkvm_memslot *slot, mkvm_gfn_t gfn)
{
	if (slot->dirty)
		set_bit(mkvm_slot_page(slot, gfn), slot->dirty);
}

/* ---- mmu.c: second-stage page table, fault path, MMU notifier ---- */

struct mkvm_mmu {
	void *root[MKVM_ADDRESS_SPACES];	/* [I] root tables, one page each */
	struct mmu_notifier notifier;	/* [I] registered on vm->mm */
	spinlock_t lock;		/* guards [m]; never taken with interrupts off */
	unsigned int inval_running;	/* [m] invalidations between start and end */
	unsigned long inval_seq;	/* [m] +1 at every end */
	bool apic_hidden;		/* [m]; [a] readers: mkvm_mmu_hide_apic() was called */
};

int mkvm_mmu_init(struct mkvm_vm *vm);
/* While the vCPUs still exist: until it returns the host may want them flushed. */
void mkvm_mmu_free(struct mkvm_vm *vm);
/*
 * Resolve a second-stage fault. May sleep. MKVM_RESUME: mapped, or the guest
 * should just try again. -ENXIO: no slot, the access is MMIO. -EFAULT: a slot,
 * but no usable host memory behind it. -ENOMEM, -EINTR.
 */
int mkvm_mmu_fault(struct mkvm_vcpu *v, u64 gpa, u32 access);
/*
 * Publish next, which follows by change, as the VM's slots and unmap the old
 * slot's range in one step; a slot that starts to log is only made unwritable.
 * No vCPU maps or uses anything there through the old slots once this returns.
 * Readers under vm->srcu may still see the old array. Caller holds vm->slots_lock.
 */
void mkvm_mmu_replace_slots(struct mkvm_vm *vm, struct mkvm_slots *next,
			    const struct mkvm_slot_change *change);
/*
 * Clear the bits in mask from the slot's bitmap, nr words from word on, and
 * forbid to write to their pages; mask is left with those that were set. Once
 * this returns a write sets the bit again. Caller holds vm->slots_lock.
 */
void mkvm_mmu_clear_dirty(struct mkvm_vm *vm, const struct mkvm_memslot *slot,
			  u64 word, u32 nr, unsigned long *mask);

/*
 * At the xAPIC's default address, where no slot is: map page, which the CPUs know; MKVM_RESUME
 * or an errno. For all vCPUs, so the first that has its APIC elsewhere or otherwise forbids it,
 * for good. May sleep; sleeps not, but needs interrupts on.
 */
int mkvm_mmu_map_apic(struct mkvm_vcpu *v, struct page *page);
void mkvm_mmu_hide_apic(struct mkvm_vm *vm);

/* ---- dev.c: the system fd, and what all fds share; 32-bit callers are refused ---- */

extern const struct file_operations mkvm_dev_fops;	/* dev.c */
extern const struct file_operations mkvm_vm_fops;	/* vm.c */
extern const struct file_operations mkvm_vcpu_fops;	/* vcpu.c */

/* The fd goes, and with it its reference to the VM. */
int mkvm_vm_release(struct inode *inode, struct file *file);
int mkvm_vcpu_release(struct inode *inode, struct file *file);

int mkvm_check_extension(unsigned long cap);	/* the same for the system and a VM */
/*
 * Requests whose number tells the size and direction of a struct, which is copied
 * from userspace once: the struct, zeroed where nothing comes in, or ERR_PTR.
 */
void *mkvm_arg_in(unsigned int cmd, const void __user *user);
/* Copies it out if ret is 0, and frees it: ret, or -EFAULT. */
long mkvm_arg_out(unsigned int cmd, void __user *user, void *arg, long ret);
/* To a struct kvm_cpuid2. Too small an nent is E2BIG: clients grow it and ask again. */
int mkvm_put_cpuid(struct kvm_cpuid2 __user *user, const struct kvm_cpuid_entry2 *entries, u32 nr);

/* ---- vm.c ---- */

/* Who has the interrupt controllers; a vCPU has its local APIC here, or none has. */
enum mkvm_irqchip { MKVM_IRQCHIP_NONE, MKVM_IRQCHIP_SPLIT, MKVM_IRQCHIP_KERNEL };

struct mkvm_vm {
	refcount_t refs;		/* one per fd: the VM's and each vCPU's */
	struct mm_struct *mm;		/* [I] creator; VM and vCPU ioctls only from it */
	struct mutex lock;		/* guards [l]: vCPU creation, VM-wide settings */
	struct mutex slots_lock;	/* guards [s] */
	struct srcu_struct srcu;
	struct mkvm_slots __rcu *slots;	/* [s] */
	u64 slots_version;		/* [s]; [a] readers: +1 after each change of slots */
	u64 dirty_log_mode;		/* [s] KVM_DIRTY_LOG_* */
	struct mkvm_mmu mmu;
	struct mkvm_board *board;	/* [I] irq/board.h */
	struct mkvm_vcpu *vcpus[MKVM_MAX_VCPUS];	/* [l] writer; [a] readers */
	u32 nr_vcpus;			/* [l] */
	enum mkvm_irqchip irqchip;	/* [l] constant once there is a vCPU */
	u32 ioapic_pins;		/* [l] of userspace's I/O APIC, with the split one */
	u32 boot_cpu_id;		/* [l] likewise */

	/* KVM_ENABLE_CAP */
	u32 max_vcpu_id;		/* [l] ids are below it; 0: MKVM_MAX_VCPU_ID */
	bool no_platform_info;		/* [a] that MSR is #GP for the guest */
	u32 disabled_quirks;		/* [a] KVM_X86_QUIRK_* */
	u32 user_msrs;			/* [a] KVM_MSR_EXIT_REASON_* that go to userspace */
	struct mkvm_msr_filter __rcu *msr_filter;	/* [l] writers; readers: RCU */

	spinlock_t clock_lock;		/* guards [c]; never taken with interrupts off */
	u64 clock_start_ns;		/* [c] of the host's raw clock, when the VM's was 0 */
	struct {
		u64 tsc, ns;		/* of one moment: mkvm_host_tsc(), the VM's clock */
	} clock;			/* [c] */
	u64 tsc_offset;			/* [c] of the vCPUs whose TSCs agree */
};

long mkvm_vm_create(unsigned long type);
void mkvm_vm_put(struct mkvm_vm *vm);

/*
 * Set request on every vCPU of the VM and force each out of the guest; when
 * this returns no vCPU runs in the guest with state from before the call, and
 * each handles the request before its next VM entry. Sleeps not, but needs
 * interrupts on.
 */
void mkvm_request_all(struct mkvm_vm *vm, unsigned int request);

/* ---- stats.c ---- */

long mkvm_stats_fd(struct mkvm_vm *vm, struct mkvm_vcpu *v);

/* ---- vcpu.c, run.c ---- */

/* Bits of vcpu->requests, handled before the next VM entry. */
enum mkvm_request {
	MKVM_REQ_TLB_FLUSH,	/* second-stage translations of this vCPU */
	MKVM_REQ_KICK,		/* only come out once */
	MKVM_REQ_CLOCK,		/* the guest's page of x86/clock.c is old */
	MKVM_REQ_WALL_CLOCK,	/* the guest asked for the time of day */
	MKVM_REQ_NMI,		/* of the local APIC's: one */
	MKVM_REQ_INIT,		/* of the local APIC's; and the start-up IPI */
	MKVM_REQ_SIPI,
	MKVM_REQ_IOAPIC_EOI,	/* userspace hears of eoi_vector */
	MKVM_REQ_APIC_MODE,	/* or address of the local APIC, has changed */
	MKVM_REQ_MSR_FILTER,	/* vm->msr_filter has come or gone */
	MKVM_REQ_SMI,		/* of the local APIC's */
	MKVM_REQ_PV_EOI,	/* mkvm_apic_end_pv_eoi where it may sleep */
};

/* Where a vCPU is, for mkvm_request_all. */
enum mkvm_mode {
	MKVM_OUTSIDE_GUEST,
	MKVM_IN_GUEST,		/* from before the last look at requests to after the VM exit */
};

/* Index into vcpu->regs: the order of ModRM and of the SDM. */
enum mkvm_reg {
	MKVM_RAX, MKVM_RCX, MKVM_RDX, MKVM_RBX, MKVM_RSP, MKVM_RBP, MKVM_RSI, MKVM_RDI,
	MKVM_R8, MKVM_R9, MKVM_R10, MKVM_R11, MKVM_R12, MKVM_R13, MKVM_R14, MKVM_R15,
	MKVM_RIP, MKVM_NR_REGS,
};

/* Bits 10:8 of VT-x's interruption information; the first four also of AMD-V's EVENTINJ. */
enum mkvm_event_type {
	MKVM_EVENT_IRQ,
	MKVM_EVENT_NMI = 2,
	MKVM_EVENT_EXCEPTION,
	MKVM_EVENT_SOFT_IRQ,	/* INT n */
};

/* An event that waits for its VM entry. */
struct mkvm_event {
	bool valid;
	bool interrupted;	/* in its delivery, by a VM exit: must go in again */
	u8 vector;
	u8 type;		/* enum mkvm_event_type, or another of VT-x's */
	bool has_error;
	u32 error;
	u32 insn_len;		/* of INT n, INT3, INTO: re-injection pushes RIP + this */
};

/* Which of them the next or last VM entry delivers. */
enum mkvm_injected { MKVM_INJECTED_NOTHING, MKVM_INJECTED_EXCEPTION, MKVM_INJECTED_NMI,
		     MKVM_INJECTED_IRQ };

enum mkvm_seg { MKVM_SEG_ES, MKVM_SEG_CS, MKVM_SEG_SS, MKVM_SEG_DS, MKVM_SEG_FS,
		MKVM_SEG_GS, MKVM_SEG_LDTR, MKVM_SEG_TR, MKVM_NR_SEGS };

/*
 * What instruction decoding and guest page walks need of the guest's state, as
 * it was at the exit; taken under load, used afterwards without. In 64-bit mode
 * seg has only CS's L bit; mkvm_take_segment() adds FS or GS.
 */
struct mkvm_guest_context {
	u64 cr0, cr3, cr4, efer, rip, rflags;
	u8 cpl;
	struct kvm_segment seg[6];	/* enum mkvm_seg, ES..GS */
};

/*
 * x86/fetch.c: a decoded instruction of 64-bit code, with all that its translation and
 * decoding have read. Where that is still so, the outcome is the same.
 */
struct mkvm_code {
	bool valid;
	u8 cpl, maxphyaddr;
	u8 levels;			/* of the guest's page tables: entries of at and entry */
	u64 cr0, cr3, cr4, efer, rip;
	u64 slots_version;		/* at and bytes_at follow from the slots */
	const u64 __user *at[5], *bytes_at;
	u64 entry[5];
	u64 bytes[2], mask[2];		/* mask: those that are the instruction's */
	struct mkvm_insn insn;
};

#define MKVM_NR_CODE	8		/* a power of two */

/* x86/fetch.c: the bytes at RIP, as far as they were needed, and what they are. */
struct mkvm_fetched {
	u8 bytes[MKVM_INSN_MAX_LEN];
	u8 len;
	struct mkvm_insn insn;		/* unless it was remembered */
};

struct mkvm_fpu;		/* x86/fpu.c */

struct mkvm_vcpu {
	/* Hot: touched on each VM exit. */
	unsigned long regs[MKVM_NR_REGS];	/* [v] RSP and RIP valid where regs_avail says so */
	u32 regs_avail;			/* [v] bit per enum mkvm_reg, RSP and RIP only */
	u32 regs_dirty;			/* [v] to be written back before entry; RSP and RIP only */
	unsigned long requests;		/* [a] bits of enum mkvm_request */
	int mode;			/* [a] enum mkvm_mode */
	bool irq_look;			/* [a] apic may have an interrupt to inject */
	int cpu;			/* [a] CPU that it is loaded on, or was last; -1: none */
	unsigned long cr2;		/* [v] */
	struct kvm_run *run;		/* page 0 of the mmap: the user writes here at any time */
	struct mkvm_vm *vm;		/* [I] */
	int id;				/* [I] the vCPU's APIC id */
	u64 serial;			/* [I] among all vCPUs that ever were; never 0 */

	struct mutex lock;		/* guards [v]: held throughout each ioctl */

	/* Events, in the order of their priority. */
	struct mkvm_event exception;	/* [v] pending or to be re-injected */
	struct mkvm_event irq;		/* [v] KVM_INTERRUPT, or interrupted in its delivery */
	bool nmi_injected;		/* [v] NMI interrupted in its delivery */
	u8 nmi_pending;			/* [v] 0..2, waits until NMIs are not blocked */
	enum mkvm_injected injected;	/* [v] */
	struct {
		bool active;		/* in System Management Mode */
		bool pending;		/* an SMI waits */
		bool inside_nmi;	/* NMIs were blocked when it came */
		bool latched_init;	/* an INIT waits for RSM */
	} smm;				/* [v] */
	bool windows;			/* [v] a VM exit was asked for when one can go in */
	u32 exit_due;			/* [v] KVM_EXIT_* before the next entry; 0: none */

	/* What the last exit left to do. */
	int (*deferred)(struct mkvm_vcpu *v);	/* [v] with MKVM_DEFER: may sleep */
	int (*complete)(struct mkvm_vcpu *v);	/* [v] at the next KVM_RUN: may sleep */
	u8 skip_len;			/* [v] advance RIP by this before entry; 0: no */
	u8 insn_len;			/* [v] with MKVM_DEFER: of the instruction, if it is one */
	struct {
		u64 gpa;
		u32 access;
		bool of_operand;	/* not a fetch, nor the guest's page walk */
		bool in_delivery;	/* of an event, which waits to be injected again */
	} fault;			/* [v] for mkvm_handle_fault */
	struct {
		mkvm_gfn_t gfn;
		u64 version;		/* vm->slots_version then; 0: none had been set */
	} no_slot;			/* [v] x86/mmio.c */
	struct {
		mkvm_gfn_t gfn;		/* behind the last page mapped */
		u32 nr;			/* pages mapped with it */
	} ahead;			/* [v] mmu.c: is the guest going on from there? */
	struct {
		u16 port;
		u8 insn_len;
		u8 size;
		bool in, rep;
		u8 addr_size;		/* string forms: bytes, 2, 4 or 8 */
		u8 seg;			/* string forms: enum mkvm_seg of the memory operand */
		u32 count;		/* items in the PIO page */
		u32 data;		/* of IN and OUT */
	} pio;
	struct {
		u8 number;		/* 0 or 4 */
		u64 value;
	} cr;				/* [v] for mkvm_write_cr */
	bool msr_write;			/* [v] of RDMSR and WRMSR that userspace answers */
	struct {
		struct mkvm_transfer {
			u64 gpa[2];	/* of the operand; of its part on the next page, - split */
			u64 data[2];
			u8 split;	/* bytes before that part */
			bool write;
			bool faulted;	/* made the VM exit: no memory is there */
		} transfer[2];
		u8 nr;			/* of them */
		u8 now;			/* the one under way */
		u8 done;		/* bytes of it already had */
		u8 asked;		/* bytes that userspace is to read or write */
	} mmio;				/* [v] */
	const struct mkvm_insn *insn;	/* [v] under way: one of the next two has it */
	struct mkvm_fetched fetched;	/* [v] */
	struct mkvm_code code[MKVM_NR_CODE];	/* [v] by RIP */
	struct mkvm_guest_context context;	/* [v] of the instruction under way */
	struct mkvm_code *learns;	/* [v] what the walk under way adds its entries to */

	/* Architectural state that no hardware area holds. */
	u64 cr8;			/* [v] TPR bits 7:4, without apic: mkvm_get_cr8() */
	struct mkvm_apic_page *apic_page;	/* [I] apic's registers; NULL without it */
	u64 apic_base;			/* [v] */
	u64 xcr0;			/* [v] the guest's */
	bool in_loop;			/* [v] the CPU holds the guest's XCR0, MSRs, DR0-DR3 */
	u64 dr[4], dr6, dr7;		/* [v] */
	struct {
		u32 control;		/* KVM_GUESTDBG_* */
		u8 vector;		/* of the KVM_EXIT_DEBUG that is due */
		u64 dr6;		/* likewise */
		u64 dr[4], dr7;		/* with USE_HW_BP, in place of the guest's */
	} debug;			/* [v] KVM_SET_GUEST_DEBUG */
	struct mkvm_msr_file msrs;	/* [v] MSRs that are only values */
	const struct mkvm_msr_rule *msr_rule;	/* [v] the last one used; NULL: none was */
	u64 tsc_offset;			/* [v] guest TSC = mkvm_host_tsc() + this */
	u64 tsc_base;			/* [c] vm->tsc_offset when userspace last set the TSC */
	u64 tsc_lost;			/* [v] mkvm_host_tsc_lost in the hardware's offset */
	u64 tsc_adjust;			/* [v] IA32_TSC_ADJUST */
	u64 clock_msr;			/* [v] MSR_KVM_SYSTEM_TIME */
	u64 wall_clock_msr;		/* [v] MSR_KVM_WALL_CLOCK */
	u64 steal_msr;			/* [v] MSR_KVM_STEAL_TIME */
	u64 pv_eoi_msr;			/* [v] MSR_KVM_PV_EOI_EN */
	bool pv_eoi_offered;		/* [v] by the byte there, for the interrupt in service */
	u64 run_delay;			/* [v] of the thread, as far as the guest was told */
	bool clock_stopped;		/* [v] KVM_KVMCLOCK_CTRL, for the guest's page */
	u32 mp_state;			/* [v] KVM_MP_STATE_* */
	struct mkvm_apic *apic;		/* [I] irq/lapic.c; NULL without an irqchip */
	int extint;			/* [v] split irqchip: KVM_INTERRUPT's vector; -1: none */
	u8 eoi_vector;			/* [v] with MKVM_REQ_IOAPIC_EOI */
	u8 sipi_vector;			/* [a] with MKVM_REQ_SIPI */
	bool sigset_active;		/* [v] KVM_SET_SIGNAL_MASK */
	sigset_t sigset;		/* [v] */
	struct kvm_cpuid_entry2 *cpuid;	/* [v] nr_cpuid entries */
	u32 nr_cpuid;			/* [v] */
	struct mkvm_guest_cpu guest_cpu;	/* [v] what its CPUID allows */
	bool enforce_pv;		/* [v] KVM's MSRs only where its CPUID says so */
	bool has_run;			/* [v] */
	bool run_synced;		/* [v] kvm_run tells the state at the end of this KVM_RUN */

	struct mkvm_fpu *fpu;		/* [I] to be kfreed */
	void *pio_data;			/* [I] page 1 of the mmap */
	struct page *pages[MKVM_VCPU_PAGES];	/* [I] */

	struct mkvm_vcpu_stats stats;	/* [v] */
	void *vendor;			/* [I] struct vmx_vcpu or svm_vcpu */
};

long mkvm_vcpu_create(struct mkvm_vm *vm, unsigned long id);
/* KVM_GET_MSRS, KVM_SET_MSRS: how many were done. v NULL: reads what all vCPUs have. */
int mkvm_msrs_ioctl(struct mkvm_vcpu *v, struct kvm_msrs __user *user, bool write);
void mkvm_vcpu_free(struct mkvm_vcpu *v);	/* its VM is going: nobody else has it */
void mkvm_vcpu_reset(struct mkvm_vcpu *v);	/* INIT. May sleep. */
int mkvm_vcpu_nmi(struct mkvm_vcpu *v, void *unused);	/* KVM_NMI. Loaded. */

/*
 * Make the vCPU's VMCS (VMCB) current on this CPU; preemption is off from load
 * to put. Anything that reads or writes vendor state stands between the two.
 * Nothing in between may sleep. They do not nest.
 */
void mkvm_vcpu_load(struct mkvm_vcpu *v);
void mkvm_vcpu_put(struct mkvm_vcpu *v);

int mkvm_vcpu_run(struct mkvm_vcpu *v);
/* KVM_CAP_SYNC_REGS: what kvm_run brings, before KVM_RUN, and takes, after it. */
int mkvm_sync_in(struct mkvm_vcpu *v);
void mkvm_sync_out(struct mkvm_vcpu *v);
/* Leave the inner loop: KVM_RUN ends with this exit reason. */
void mkvm_leave(struct mkvm_vcpu *v, u32 reason);

/*
 * Interrupts off, right before VM entry: false when something asks for the
 * vCPU first. The full barrier pairs with the one in mkvm_request_all: either
 * it sees MKVM_IN_GUEST and sends an IPI, or this sees the request.
 */
static inline bool mkvm_guest_mode_enter(struct mkvm_vcpu *v)
{
	smp_store_mb(v->mode, MKVM_IN_GUEST);	/* before the look at requests */
	if (likely(!READ_ONCE(v->requests) && !xfer_to_guest_mode_work_pending()))
		return true;
	WRITE_ONCE(v->mode, MKVM_OUTSIDE_GUEST);
	return false;
}

static inline void mkvm_guest_mode_exit(struct mkvm_vcpu *v)
{
	WRITE_ONCE(v->mode, MKVM_OUTSIDE_GUEST);
	v->stats.entries++;
}

/* The vCPU's address space, as the bit of mkvm_gfn_t, and as its second-stage root. */
static inline u64 mkvm_space(const struct mkvm_vcpu *v)
{
	return v->smm.active ? MKVM_SMM_GFN : 0;
}

static inline void *mkvm_root(const struct mkvm_vcpu *v)
{
	return v->vm->mmu.root[v->smm.active];
}

static inline int mkvm_defer(struct mkvm_vcpu *v, int (*fn)(struct mkvm_vcpu *))
{
	v->deferred = fn;
	return MKVM_DEFER;
}

/* A second-stage fault described in v->fault: in the run loop, and its deferred step. */
int mkvm_fault(struct mkvm_vcpu *v);
int mkvm_handle_fault(struct mkvm_vcpu *v);

/* ---- x86/ ---- */

/* x86/walk.c: the guest's own page tables (none, 32-bit, PAE, 4- and 5-level). */
/*
 * Translate a linear address for an access with these rights at CPL c->cpl;
 * sets accessed and dirty bits as the hardware does. 0 and *gpa, or -EFAULT and
 * a page fault to inject in *error (its error code), or another errno.
 */
int mkvm_walk(struct mkvm_vcpu *v, const struct mkvm_guest_context *c, u64 linear,
	      u32 access, u64 *gpa, u32 *error);

/* x86/mmio.c, x86/pio.c: deferred steps; each returns enum mkvm_next or an errno. */
/* No slot has it. Any context; where that was so last is remembered until the slots change. */
bool mkvm_is_device(struct mkvm_vcpu *v, u64 gpa);
int mkvm_mmio(struct mkvm_vcpu *v);		/* v->fault is an access without a slot */
int mkvm_pio(struct mkvm_vcpu *v);		/* v->pio set; IN/OUT: done with MKVM_RESUME */
int mkvm_pio_string(struct mkvm_vcpu *v);	/* v->pio set; INS/OUTS with or without REP */

#endif /* MKVM_H */
