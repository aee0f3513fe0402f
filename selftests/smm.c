// SPDX-License-Identifier: GPL-2.0-only
/*
 * System Management Mode: SMIs from userspace and from a local APIC, the state-save
 * map, RSM, and SMRAM as memory that only a vCPU in SMM sees.
 */
#include "kselftest_harness.h"
#include "guest.h"
#include "thread.h"

#include <sys/mman.h>
#include <unistd.h>

#define MSR_SMBASE	0x9e
#define SMRAM		0x200000	/* in address space 1; other memory is there in 0 */
#define SMRAM_SIZE	0x10000
#define SMRAM_SLOT	(1 << 16 | 1)
#define SMI_PORT	0x20
#define SMM_DATA	0x9000		/* in SMRAM: what the handler reports */
#define SMI_VECTOR_BITS	(2 << 8)	/* delivery mode of ICR and MSI */

/* The state-save map. APM vol. 2, "AMD64 Architecture SMM State-Save Area" */
#define SAVED(g, type, offset) (*(volatile type *)((g)->smram + 0xfe00 + (offset)))
#define SAVED_CS_SELECTOR 0x10
#define SAVED_CS_RIGHTS	0x12
#define SAVED_IDT_LIMIT	0x84
#define SAVED_TR_BASE	0x98
#define SAVED_EFER	0xd0
#define SAVED_REVISION	0xfc
#define SAVED_SMBASE	0x100
#define SAVED_CR3	0x150
#define SAVED_CR0	0x158
#define SAVED_DR7	0x160
#define SAVED_RIP	0x178
#define SAVED_R15	0x180
#define SAVED_RAX	0x1f8

GUEST(two_outs, 64, "1: out %al, $0x10; out %al, $0x11; jmp 1b");
GUEST(reads_smram, 64, "1: mov 0x209000, %eax; out %al, $0x10; jmp 1b");
GUEST(handler, 16, "mov %cs:0x9000, %al; out %al, $0x20; rsm");
GUEST(rsm, 64, "rsm");
GUEST(rdmsr_smbase, 64, "mov $0x9e, %ecx; rdmsr");
GUEST(smi_to_itself, 64, "mov $0x830, %ecx; mov $0x44200, %eax; xor %edx, %edx; wrmsr;"
      "out %al, $0x10");
GUEST(halts, 64, "sti; hlt; out %al, $0x10");

struct smm_guest {
	struct guest g;
	u8 *smram;
};

/* A guest in long mode, SMRAM in its address space, and the handler in it. */
static void start(struct smm_guest *g, const u8 *code, size_t len, bool irqchip)
{
	vm_create(&g->g.vm, GUEST_RAM);
	if (irqchip)
		irqchip_split(&g->g.vm);
	vcpu_create(&g->g.cpu, &g->g.vm, 0);
	guest_tables(&g->g.vm);
	guest_code(&g->g, code, len);
	set_long_mode(&g->g.cpu);
	g->smram = map_anon(SMRAM_SIZE);
	if (vm_slot(&g->g.vm, SMRAM_SLOT, 0, SMRAM, SMRAM_SIZE, g->smram))
		die("no slot in address space 1");
	memcpy(g->smram + 0x8000, handler, handler_end - handler);
	g->smram[SMM_DATA] = 0xa5;
	if (!set_msr(&g->g.cpu, MSR_SMBASE, SMRAM))
		die("SMBASE");
}
#define SMM_GUEST(g, name) start(g, name, name##_end - name, false)
#define SMM_GUEST_APIC(g, name) start(g, name, name##_end - name, true)

/* The port of the OUT that ends this KVM_RUN, or the exit reason, negative. */
static int run_to_out(struct smm_guest *g)
{
	u32 exit = guest_run(&g->g.cpu);

	return exit == KVM_EXIT_IO ? g->g.cpu.run->io.port : -(int)exit;
}

static u8 data_of_out(struct smm_guest *g)
{
	return *((u8 *)g->g.cpu.run + g->g.cpu.run->io.data_offset);
}

static int smi(struct smm_guest *g)
{
	return kvm_val(g->g.cpu.fd, KVM_SMI, 0);
}

static struct kvm_vcpu_events get_events(struct smm_guest *g)
{
	struct kvm_vcpu_events e = { 0 };

	if (kvm(g->g.cpu.fd, KVM_GET_VCPU_EVENTS, &e))
		die("KVM_GET_VCPU_EVENTS");
	return e;
}

static int set_events(struct smm_guest *g, struct kvm_vcpu_events e)
{
	return kvm(g->g.cpu.fd, KVM_SET_VCPU_EVENTS, &e);
}

static void to_handler(struct smm_guest *g)
{
	if (run_to_out(g) != 0x10 || smi(g) || run_to_out(g) != SMI_PORT)
		die("no SMI");
}

/* Distinct values in all registers but RSP, RIP and RFLAGS. */
static void fill_regs(struct smm_guest *g)
{
	struct kvm_regs r = get_regs(&g->g.cpu);
	u64 *first = (u64 *)&r;

	for (int i = 0; i < 16; i++)
		if (&first[i] != (u64 *)&r.rsp)
			first[i] = 0x1111111111111111ull * (i + 1);
	set_regs(&g->g.cpu, &r);
}

TEST(smi_saves_the_state_and_starts_the_handler)
{
	struct kvm_sregs before, s;
	struct kvm_regs regs;
	struct smm_guest g;

	SMM_GUEST(&g, two_outs);
	fill_regs(&g);
	regs = get_regs(&g.g.cpu);
	before = get_sregs(&g.g.cpu);
	ASSERT_EQ(0x10, run_to_out(&g));
	EXPECT_EQ(0, g.g.cpu.run->flags & KVM_RUN_X86_SMM);
	ASSERT_EQ(0, smi(&g));
	ASSERT_EQ(SMI_PORT, run_to_out(&g));
	EXPECT_EQ(KVM_RUN_X86_SMM, g.g.cpu.run->flags & KVM_RUN_X86_SMM);
	s = get_sregs(&g.g.cpu);
	EXPECT_EQ(SMRAM, s.cs.base);
	EXPECT_EQ(SMRAM >> 4 & 0xffff, s.cs.selector);
	EXPECT_EQ(0xffffffff, s.cs.limit);
	EXPECT_EQ(0, s.ds.base | s.ds.selector);
	EXPECT_EQ(0, s.cr0 & (X86_CR0_PE | X86_CR0_PG));
	EXPECT_EQ(0, s.cr4 | s.efer | s.idt.limit);
	EXPECT_EQ(before.gdt.base, s.gdt.base);
	/* Behind the OUT that was under way */
	EXPECT_EQ(GUEST_CODE + 2, SAVED(&g, u64, SAVED_RIP));
	EXPECT_EQ(regs.rax, SAVED(&g, u64, SAVED_RAX));
	EXPECT_EQ(regs.r15, SAVED(&g, u64, SAVED_R15));
	EXPECT_EQ(before.cr0, SAVED(&g, u64, SAVED_CR0));
	EXPECT_EQ(before.cr3, SAVED(&g, u64, SAVED_CR3));
	EXPECT_EQ(before.efer, SAVED(&g, u64, SAVED_EFER));
	EXPECT_EQ(0x400, SAVED(&g, u64, SAVED_DR7));
	EXPECT_EQ(GUEST_CS64, SAVED(&g, u16, SAVED_CS_SELECTOR));
	EXPECT_EQ(0xa09b, SAVED(&g, u16, SAVED_CS_RIGHTS));
	EXPECT_EQ(0xfff, SAVED(&g, u32, SAVED_IDT_LIMIT));
	EXPECT_EQ(GUEST_TSS, SAVED(&g, u64, SAVED_TR_BASE));
	EXPECT_EQ(SMRAM, SAVED(&g, u32, SAVED_SMBASE));
	EXPECT_EQ(0x20064, SAVED(&g, u32, SAVED_REVISION));
	EXPECT_EQ(0xa5, data_of_out(&g));
}

TEST(rsm_restores_the_state)
{
	struct kvm_sregs before, after;
	struct kvm_regs regs, now;
	struct smm_guest g;

	SMM_GUEST(&g, two_outs);
	fill_regs(&g);
	ASSERT_EQ(0x10, run_to_out(&g));
	regs = get_regs(&g.g.cpu);
	before = get_sregs(&g.g.cpu);
	ASSERT_EQ(0, smi(&g));
	ASSERT_EQ(SMI_PORT, run_to_out(&g));
	ASSERT_EQ(0x11, run_to_out(&g));
	EXPECT_EQ(0, g.g.cpu.run->flags & KVM_RUN_X86_SMM);
	now = get_regs(&g.g.cpu);
	EXPECT_EQ(GUEST_CODE + 2, now.rip);
	now.rip = regs.rip;
	EXPECT_EQ(0, memcmp(&regs, &now, sizeof(now)));
	after = get_sregs(&g.g.cpu);
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(after)));
}

/* The save area is the handler's to change. */
TEST(rsm_takes_what_the_handler_changed)
{
	struct smm_guest g;
	u64 base = 0;

	SMM_GUEST(&g, two_outs);
	to_handler(&g);
	SAVED(&g, u64, SAVED_RAX) = 0x77;
	SAVED(&g, u32, SAVED_SMBASE) = 0x345000;
	ASSERT_EQ(0x11, run_to_out(&g));
	EXPECT_EQ(0x77, data_of_out(&g));
	EXPECT_EQ(1, get_msr(&g.g.cpu, MSR_SMBASE, &base));
	EXPECT_EQ(0x345000, base);
}

TEST(rsm_to_an_impossible_state_is_a_shutdown)
{
	struct smm_guest g;

	SMM_GUEST(&g, two_outs);
	to_handler(&g);
	SAVED(&g, u64, SAVED_CR0) = X86_CR0_PG;	/* without PE */
	EXPECT_EQ(-KVM_EXIT_SHUTDOWN, run_to_out(&g));
}

TEST(rsm_outside_of_smm_is_ud)
{
	struct guest g;

	guest_long(&g, rsm);
	EXPECT_EQ(UD_VECTOR, TRY(&g, rsm, NULL).vector);
}

TEST(smbase_is_userspaces)
{
	struct guest g;
	u64 base = 0;

	guest_long(&g, rdmsr_smbase);
	EXPECT_EQ(1, get_msr(&g.cpu, MSR_SMBASE, &base));
	EXPECT_EQ(0x30000, base);
	EXPECT_EQ(on_stock_kvm(), set_msr(&g.cpu, MSR_SMBASE, 1ull << 32));
	EXPECT_EQ(GP_VECTOR, TRY(&g, rdmsr_smbase, NULL).vector);
}

/* Each sees its own memory at one address, whatever was translated before. */
TEST(smram_is_another_address_space)
{
	struct smm_guest g;

	SMM_GUEST(&g, reads_smram);
	for (int i = 1; i < 5; i++) {
		g.g.vm.ram[SMRAM + SMM_DATA] = i;
		g.smram[SMM_DATA] = 0x80 + i;
		ASSERT_EQ(0x10, run_to_out(&g));
		EXPECT_EQ(i, data_of_out(&g));
		ASSERT_EQ(0, smi(&g));
		ASSERT_EQ(SMI_PORT, run_to_out(&g));
		EXPECT_EQ(0x80 + i, data_of_out(&g));
	}
	EXPECT_EQ(0, *(u64 *)(g.g.vm.ram + SMRAM + 0xfe00 + SAVED_RIP));
}

/* Whose page is gone, in both: the notifier and slots reach the space that is not used now. */
TEST(smram_goes_with_its_memory_and_its_slot)
{
	struct smm_guest g;

	SMM_GUEST(&g, two_outs);
	to_handler(&g);
	EXPECT_EQ(0xa5, data_of_out(&g));
	ASSERT_EQ(0x11, run_to_out(&g));
	ASSERT_EQ(0, madvise(g.smram + SMM_DATA, PAGE, MADV_DONTNEED));
	to_handler(&g);
	EXPECT_EQ(0, data_of_out(&g));
	ASSERT_EQ(0x11, run_to_out(&g));
	EXPECT_EQ(0, vm_slot(&g.g.vm, SMRAM_SLOT, 0, SMRAM, 0, g.smram));
	EXPECT_EQ(0x10, run_to_out(&g));
	ASSERT_EQ(0, smi(&g));
	EXPECT_EQ(-KVM_EXIT_INTERNAL_ERROR, run_to_out(&g));	/* a fetch from nowhere */
}

TEST(slots_of_each_address_space)
{
	struct kvm_dirty_log log = { .slot = 1 << 16 };
	u8 *memory = map_anon(2 * PAGE);
	unsigned long bits = 0;
	struct vm vm;

	vm_create(&vm, GUEST_RAM);
	log.dirty_bitmap = &bits;
	EXPECT_EQ(0, vm_slot(&vm, 1 << 16, KVM_MEM_LOG_DIRTY_PAGES, 0, 2 * PAGE, memory));
	EXPECT_EQ(-EEXIST, vm_slot(&vm, 1 << 16 | 1, 0, PAGE, PAGE, memory));
	EXPECT_EQ(-EINVAL, vm_slot(&vm, 2 << 16, 0, 0, PAGE, memory));
	if (!on_stock_kvm()) {	/* which has more slots, and takes any address */
		EXPECT_EQ(-EINVAL, vm_slot(&vm, 1 << 16 | 509, 0, 2 * PAGE, PAGE, memory));
		EXPECT_EQ(-EINVAL, vm_slot(&vm, 1 << 16 | 2, 0, 1ull << 48, PAGE, memory));
	}
	EXPECT_EQ(0, kvm(vm.fd, KVM_GET_DIRTY_LOG, &log));
	log.slot = 2 << 16;
	EXPECT_EQ(-EINVAL, kvm(vm.fd, KVM_GET_DIRTY_LOG, &log));
}

TEST(saving_the_state_is_in_the_dirty_log)
{
	struct kvm_dirty_log log = { .slot = SMRAM_SLOT };
	unsigned long bits = 0;
	struct smm_guest g;

	SMM_GUEST(&g, two_outs);
	log.dirty_bitmap = &bits;
	ASSERT_EQ(0, vm_slot(&g.g.vm, SMRAM_SLOT, KVM_MEM_LOG_DIRTY_PAGES, SMRAM, SMRAM_SIZE,
			     g.smram));
	to_handler(&g);
	ASSERT_EQ(0, kvm(g.g.vm.fd, KVM_GET_DIRTY_LOG, &log));
	EXPECT_EQ(1 << 15, bits & 1 << 15);
	EXPECT_EQ(0, bits & 1 << 14);
}

TEST(a_second_smi_waits_for_rsm)
{
	struct smm_guest g;

	SMM_GUEST(&g, two_outs);
	to_handler(&g);
	ASSERT_EQ(0, smi(&g));
	EXPECT_EQ(1, get_events(&g).smi.pending);
	EXPECT_EQ(1, get_events(&g).smi.smm);
	ASSERT_EQ(SMI_PORT, run_to_out(&g));
	EXPECT_EQ(0, get_events(&g).smi.pending);
	EXPECT_EQ(GUEST_CODE + 2, SAVED(&g, u64, SAVED_RIP));
	EXPECT_EQ(0x11, run_to_out(&g));
}

TEST(nmis_wait_for_rsm)
{
	struct smm_guest g;

	SMM_GUEST(&g, two_outs);
	to_handler(&g);
	EXPECT_EQ(1, get_events(&g).nmi.masked);
	ASSERT_EQ(0, kvm_val(g.g.cpu.fd, KVM_NMI, 0));
	ASSERT_EQ(0x11, run_to_out(&g));
	if (!cpu_is_amd() && get_events(&g).nmi.masked)
		SKIP(return, "this CPU (Bochs) blocks NMIs on, against the VMCS; on KVM, too");
	EXPECT_EQ(1, traps(&g.g)->hits[NMI_VECTOR]);
}

TEST(nmis_stay_blocked_if_they_were)
{
	struct kvm_vcpu_events e;
	struct smm_guest g;

	SMM_GUEST(&g, two_outs);
	ASSERT_EQ(0x10, run_to_out(&g));
	e = get_events(&g);
	e.nmi.masked = 1;
	ASSERT_EQ(0, set_events(&g, e));
	ASSERT_EQ(0, smi(&g));
	ASSERT_EQ(SMI_PORT, run_to_out(&g));
	EXPECT_EQ(1, get_events(&g).smi.smm_inside_nmi);
	ASSERT_EQ(0x11, run_to_out(&g));
	EXPECT_EQ(1, get_events(&g).nmi.masked);
}

/* Of an exception and an SMI the exception goes in first; the guest takes it once. */
TEST(an_exception_on_its_way_is_not_lost)
{
	struct kvm_vcpu_events e;
	struct smm_guest g;

	SMM_GUEST(&g, two_outs);
	ASSERT_EQ(0x10, run_to_out(&g));
	e = get_events(&g);
	e.exception.injected = 1;
	e.exception.nr = DB_VECTOR;
	e.smi.pending = 1;
	ASSERT_EQ(0, set_events(&g, e));
	while (get_events(&g).smi.pending)
		ASSERT_LT(0, run_to_out(&g));
	EXPECT_NE(GUEST_CODE + 2, SAVED(&g, u64, SAVED_RIP));
	for (int i = 0; i < 3; i++)
		ASSERT_LT(0, run_to_out(&g));
	EXPECT_EQ(1, traps(&g.g)->hits[DB_VECTOR]);
}

TEST(events_round_trip)
{
	struct kvm_vcpu_events e, f;
	struct smm_guest g;

	SMM_GUEST(&g, two_outs);
	to_handler(&g);
	e = get_events(&g);
	EXPECT_EQ(KVM_VCPUEVENT_VALID_SMM, e.flags & KVM_VCPUEVENT_VALID_SMM);
	/* Out of it, without RSM, and in again: the handler goes on. */
	f = e;
	f.smi.smm = 0;
	ASSERT_EQ(0, set_events(&g, f));
	EXPECT_EQ(0, get_events(&g).smi.smm);
	ASSERT_EQ(0, set_events(&g, e));
	f = get_events(&g);
	EXPECT_EQ(0, memcmp(&e, &f, sizeof(e)));
	EXPECT_EQ(0x11, run_to_out(&g));
	/* Without the flag nothing changes. */
	e.flags &= ~KVM_VCPUEVENT_VALID_SMM;
	ASSERT_EQ(0, set_events(&g, e));
	EXPECT_EQ(0, get_events(&g).smi.smm);
}

TEST(no_smi_while_it_waits_for_sipi)
{
	struct kvm_mp_state mp = { KVM_MP_STATE_INIT_RECEIVED };
	struct kvm_vcpu_events e;
	struct smm_guest g;

	SMM_GUEST_APIC(&g, two_outs);
	ASSERT_EQ(0, kvm(g.g.cpu.fd, KVM_SET_MP_STATE, &mp));
	e = get_events(&g);
	EXPECT_EQ(0, set_events(&g, e));
	e.smi.pending = 1;
	EXPECT_EQ(-EINVAL, set_events(&g, e));
}

static void enable_x2apic(struct smm_guest *g)
{
	if (!set_msr(&g->g.cpu, MSR_APICBASE, 0xfee00d00))
		die("x2APIC");
}

TEST(smi_by_the_local_apic)
{
	struct smm_guest g;

	SMM_GUEST_APIC(&g, smi_to_itself);
	enable_x2apic(&g);
	ASSERT_EQ(SMI_PORT, run_to_out(&g));
	EXPECT_EQ(0x10, run_to_out(&g));
}

static int send(struct smm_guest *g, u32 data)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = data };

	return kvm(g->g.vm.fd, KVM_SIGNAL_MSI, &msi);
}

TEST(smi_ends_a_halt)
{
	struct kvm_mp_state mp;
	struct smm_guest g;

	if (on_stock_kvm())
		SKIP(return, "KVM_SIGNAL_MSI says 0 there, and no SMI comes");
	SMM_GUEST_APIC(&g, halts);
	do {
		interrupt_run_after(100000);
		EXPECT_EQ(-EINTR, vcpu_run(&g.g.cpu));
		ASSERT_EQ(0, kvm(g.g.cpu.fd, KVM_GET_MP_STATE, &mp));
	} while (mp.mp_state != KVM_MP_STATE_HALTED);
	ASSERT_LE(0, send(&g, SMI_VECTOR_BITS));
	ASSERT_EQ(SMI_PORT, run_to_out(&g));
	EXPECT_EQ(0x10, run_to_out(&g));	/* HLT is over */
}

TEST(smi_wakes_a_halted_vcpu)
{
	struct guest_thread t;
	struct smm_guest g;

	if (on_stock_kvm())
		SKIP(return, "KVM_SIGNAL_MSI says 0 there, and no SMI comes");
	SMM_GUEST_APIC(&g, halts);
	start_thread(&t, &g.g.cpu);
	usleep(300000);
	ASSERT_LE(0, send(&g, SMI_VECTOR_BITS));
	while (!t.done)		/* or the watchdog ends it */
		usleep(1000);
	EXPECT_FALSE(stop_thread(&t));
	EXPECT_EQ(SMI_PORT, g.g.cpu.run->io.port);
}

/* INIT waits for RSM. */
TEST(init_is_latched)
{
	struct smm_guest g;

	if (on_stock_kvm())
		SKIP(return, "KVM_SIGNAL_MSI says 0 there, and no INIT comes");
	SMM_GUEST_APIC(&g, two_outs);
	to_handler(&g);
	ASSERT_LE(0, send(&g, 5 << 8));
	EXPECT_EQ(1, get_events(&g).smi.latched_init);
	EXPECT_EQ(-KVM_EXIT_INTERNAL_ERROR, run_to_out(&g));	/* at the reset vector is no memory */
	EXPECT_EQ(0, get_events(&g).smi.latched_init);
	EXPECT_EQ(0, get_events(&g).smi.smm);
	EXPECT_EQ(0xffff0000, get_sregs(&g.g.cpu).cs.base);
}

TEST_HARNESS_MAIN
