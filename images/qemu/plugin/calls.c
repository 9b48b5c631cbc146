/*
 * A QEMU plugin that counts the instructions of every marked call, core by core.
 *
 * Argument: out=FILE. A call lies between two landmarks, no-operations with a
 * constant of their own (images/guest/landmark). Written to out, at each:
 *   begin COUNT0 COUNT1     instructions of cores 0 and 1 since the start
 *   end COUNT0 COUNT1
 * and at the end of the machine:
 *   total COUNT0 COUNT1
 * Counts are as fine as a block of code.
 */
#include "plugin.h"

EXPORT int qemu_plugin_version = 1;

enum { CORES = 2, BEGIN = 0x6d636d01, END = 0x6d636d02 };

static uint64_t counts[CORES];
static FILE *out;

static void tell(const char *what)
{
	fprintf(out, "%s %" PRIu64 " %" PRIu64 "\n", what, counts[0], counts[1]);
}

static void begins(unsigned int vcpu, void *data)
{
	tell("begin");
}

static void ends(unsigned int vcpu, void *data)
{
	tell("end");
}

static void executed(unsigned int vcpu, void *data)
{
	if (vcpu < CORES)
		counts[vcpu] += (uintptr_t)data;
}

/* The constant of a landmark, or 0. */
static uint32_t landmark(const struct qemu_plugin_insn *insn)
{
	const uint8_t *code = qemu_plugin_insn_data(insn);
	size_t size = qemu_plugin_insn_size(insn);
	uint32_t word;

	if (size == 7 && code[0] == 0x0f && code[1] == 0x1f && code[2] == 0x80) {
		memcpy(&word, code + 3, sizeof(word));
		return word;
	}
	if (size == 4) {
		memcpy(&word, code, sizeof(word));
		if ((word & 0xffe0001f) == 0xd280001f) /* MOVZ to the zero register */
			return (BEGIN & 0xffff0000) | (word >> 5 & 0xffff);
	}
	return 0;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, CB_NO_REGS, (void *)(uintptr_t)n);
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint32_t mark = landmark(insn);

		if (mark == BEGIN)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, begins, CB_NO_REGS, NULL);
		else if (mark == END)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, ends, CB_NO_REGS, NULL);
	}
}

static void finish(qemu_plugin_id_t id, void *data)
{
	tell("total");
	fclose(out);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
	if (!out)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, finish, NULL);
	return 0;
}
