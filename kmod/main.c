// SPDX-License-Identifier: GPL-2.0-only
/* Load and unload: each step of the bring-up is undone in the reverse order. */
#include <linux/miscdevice.h>

#include "host/mitigate.h"
#include "x86/x86.h"

const struct mkvm_vendor *mkvm_vendor;

static struct miscdevice mkvm_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "minikvm",
	.mode	= 0600,
	.fops	= &mkvm_dev_fops,
};

static int __init mkvm_init(void)
{
	int ret;

	/* By what the CPU says of itself; whether it will do is hardware_setup's question. */
	mkvm_vendor = boot_cpu_has(X86_FEATURE_SVM) ? &mkvm_svm : &mkvm_vmx;
	mkvm_fpu_setup();
	mkvm_host_mitigate_setup();
	ret = mkvm_vendor->hardware_setup();
	if (ret)
		return ret;
	ret = mkvm_host_claim(mkvm_vendor);
	if (ret)
		goto unsetup;
	/* Last: whoever sees the node can use it. */
	ret = misc_register(&mkvm_misc);
	if (ret)
		goto release;
	pr_info("loaded: %s\n", mkvm_vendor->name);
	return 0;

release:
	mkvm_host_release();
unsetup:
	mkvm_vendor->hardware_unsetup();
	return ret;
}

/* Not reached while a file descriptor is open: each holds the module. */
static void __exit mkvm_exit(void)
{
	misc_deregister(&mkvm_misc);
	mkvm_host_release();
	mkvm_vendor->hardware_unsetup();
}

module_init(mkvm_init);
module_exit(mkvm_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The minikvm authors");
MODULE_DESCRIPTION("A small hypervisor that speaks KVM's ABI on /dev/minikvm");
