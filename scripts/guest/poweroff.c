// SPDX-License-Identifier: GPL-2.0-only
/*
 * Power the virtual machine off. There is no ACPI; the VMM takes a 16-bit write of SLP_EN to the port where PIIX4-like
 * chipsets have their PM1a control register (ACPI, "PM1 Control Registers"). /dev/port would write it as two bytes.
 */
#include <stdio.h>
#include <sys/io.h>

#define PM1A_CONTROL	0x604
#define PM1_SLP_EN	(1 << 13)

int main(void)
{
	if (ioperm(PM1A_CONTROL, 2, 1)) {
		perror("poweroff");
		return 1;
	}
	outw(PM1_SLP_EN, PM1A_CONTROL);
	fprintf(stderr, "poweroff: nothing listens on port %#x\n", PM1A_CONTROL);
	return 1;
}
