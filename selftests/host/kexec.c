// SPDX-License-Identifier: GPL-2.0-only
/*
 * kexec load|crash BZIMAGE INITRD COMMAND-LINE: have a kernel ready for `kexec
 * start`, or for when this one crashes (which needs crashkernel= on its own
 * command line). kexec start: leave everything as it is and start it.
 *
 * By kexec_load, a boot loader of our own, for kexec_file_load spends minutes of
 * an emulator's time on checksums of what it loads, and as many on checking
 * them. The kernel is entered by the 64-bit boot protocol
 * (Documentation/x86/boot.rst).
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIB		(1024ul * 1024)
#define ENTRY_64	0x200
#define E820_RAM	1
#define E820_RESERVED	2
#define E820_ACPI	3
#define E820_NVS	4

struct file {
	void *data;
	size_t size;
};

/* What the new kernel gets of us in one page each. */
static struct boot_params params __attribute__((aligned(4096)));
static char command_line[4096] __attribute__((aligned(4096)));
static uint8_t entry_code[4096] __attribute__((aligned(4096)));

static long must(long result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "kexec: %s: %s\n", what, strerror(errno));
		exit(1);
	}
	return result;
}

static struct file map_file(const char *path)
{
	int fd = must(open(path, O_RDONLY), path);
	struct file file;
	struct stat st;

	must(fstat(fd, &st), path);
	file.size = st.st_size;
	file.data = mmap(NULL, file.size, PROT_READ, MAP_PRIVATE, fd, 0);
	must(file.data == MAP_FAILED ? -1 : 0, path);
	return file;
}

static void add_range(uint64_t start, uint64_t end, uint32_t type)
{
	struct boot_e820_entry *entry = &params.e820_table[params.e820_entries++];

	*entry = (struct boot_e820_entry){ .addr = start, .size = end + 1 - start, .type = type };
}

static uint32_t range_type(const char *name)
{
	if (!strncmp(name, "System RAM", 10))
		return E820_RAM;
	if (!strncmp(name, "ACPI Tables", 11))
		return E820_ACPI;
	if (!strncmp(name, "ACPI Non-volatile", 17))
		return E820_NVS;
	return E820_RESERVED;
}

/*
 * The memory map from /proc/iomem; returns where the kernel may go. A crash
 * kernel has the reserved range, and what it needs below 1 MiB to start CPUs.
 */
static uint64_t memory_map(bool crash)
{
	uint64_t place = crash ? 0 : 16 * MIB;
	FILE *f = fopen("/proc/iomem", "r");
	unsigned long start, end;
	char line[256];
	int name;

	must(f ? 0 : -1, "/proc/iomem");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %lx-%lx : %n", &start, &end, &name) != 2)
			continue;
		if (crash && !strncmp(line + name, "Crash kernel", 12)) {
			add_range(start, end, E820_RAM);
			place = start;
		}
		if (line[0] == ' ')
			continue;
		if (!crash || range_type(line + name) != E820_RAM || end < MIB)
			add_range(start, end, range_type(line + name));
	}
	fclose(f);
	must(place ? 0 : -1, "no memory for a crash kernel");
	return place;
}

/* The kernel starts at this with RSI = the boot parameters. */
static void write_entry_code(uint64_t params_at, uint64_t entry)
{
	static const uint8_t mov_rsi[] = { 0x48, 0xbe }, mov_rax[] = { 0x48, 0xb8 };
	static const uint8_t jmp_rax[] = { 0xff, 0xe0 };

	memcpy(entry_code, mov_rsi, 2);
	memcpy(entry_code + 2, &params_at, 8);
	memcpy(entry_code + 10, mov_rax, 2);
	memcpy(entry_code + 12, &entry, 8);
	memcpy(entry_code + 20, jmp_rax, 2);
}

static size_t page_align(size_t size)
{
	return (size + 4095) & ~4095ul;
}

static struct kexec_segment segment(const void *data, size_t size, uint64_t at, size_t room)
{
	return (struct kexec_segment){
		.buf = data, .bufsz = size, .mem = (void *)at, .memsz = page_align(room),
	};
}

static void load(const char *kernel_path, const char *initrd_path, const char *words, bool crash)
{
	struct file kernel = map_file(kernel_path), initrd = map_file(initrd_path);
	const struct setup_header *hdr = kernel.data + 0x1f1;
	size_t setup = (hdr->setup_sects + 1) * 512ul;
	uint64_t at = memory_map(crash), small, initrd_at;
	struct kexec_segment segments[5];

	/* The small ones, then the initrd, lie above the room that the kernel unpacks in. */
	small = page_align(at + hdr->init_size);
	initrd_at = small + 3 * 4096;
	memcpy(&params.hdr, hdr, 0x202 + (hdr->jump >> 8) - 0x1f1);	/* to where it jumps */
	params.hdr.type_of_loader = 0xff;
	params.hdr.cmd_line_ptr = small + 4096;
	params.hdr.ramdisk_image = initrd_at;
	params.hdr.ramdisk_size = initrd.size;
	strncpy(command_line, words, sizeof(command_line) - 1);
	write_entry_code(small, at + ENTRY_64);

	segments[0] = segment(kernel.data + setup, kernel.size - setup, at, hdr->init_size);
	segments[1] = segment(&params, 4096, small, 4096);
	segments[2] = segment(command_line, 4096, small + 4096, 4096);
	segments[3] = segment(entry_code, 4096, small + 2 * 4096, 4096);
	segments[4] = segment(initrd.data, initrd.size, initrd_at, initrd.size);
	must(syscall(SYS_kexec_load, small + 2 * 4096, 5ul, segments,
		     KEXEC_ARCH_X86_64 | (crash ? KEXEC_ON_CRASH : 0)), "kexec_load");
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "start"))
		return must(reboot(RB_KEXEC), "start");
	if (argc != 5)
		return 2;
	load(argv[2], argv[3], argv[4], !strcmp(argv[1], "crash"));
	return 0;
}
