/*
 * A QEMU plugin that counts the instructions a guest executes.
 *
 * Arguments: out=FILE, and marks=FILE with one address (hexadecimal) a line.
 * Written to out:
 *   mark ADDRESS COUNT          each time a marked address is reached
 *   block ADDRESS LENGTH RUNS   at the end: a block of LENGTH instructions
 *   total COUNT                 at the end
 *
 * Counters are not atomic: emulate all cores in one thread
 * (-accel tcg,thread=single).
 */
#include "plugin.h"

EXPORT int qemu_plugin_version = 1;

struct block {
	uint64_t address, length, runs;
	struct block *next;
};

static struct block *blocks[1 << 16];
static uint64_t *marks;
static size_t n_marks;
static uint64_t total;
static FILE *out;

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* A block may be translated again; its counter stays the same. */
static struct block *find(uint64_t address, uint64_t length)
{
	struct block **bucket = &blocks[(address >> 1 ^ address >> 17 ^ length * 31) & 0xffff];
	struct block *b;

	for (b = *bucket; b; b = b->next)
		if (b->address == address && b->length == length)
			return b;
	b = calloc(1, sizeof(*b));
	if (!b)
		abort();
	b->address = address;
	b->length = length;
	b->next = *bucket;
	return *bucket = b;
}

static void reached(unsigned int vcpu, void *data)
{
	fprintf(out, "mark %" PRIx64 " %" PRIu64 "\n", (uint64_t)(uintptr_t)data, total);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	uint64_t address = qemu_plugin_tb_vaddr(tb), length = qemu_plugin_tb_n_insns(tb);

	if (n_marks && bsearch(&address, marks, n_marks, sizeof(*marks), compare))
		qemu_plugin_register_vcpu_tb_exec_cb(tb, reached, CB_NO_REGS, (void *)(uintptr_t)address);
	qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, &find(address, length)->runs, 1);
	qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, &total, length);
}

static void finish(qemu_plugin_id_t id, void *data)
{
	for (size_t i = 0; i < sizeof(blocks) / sizeof(*blocks); i++)
		for (struct block *b = blocks[i]; b; b = b->next)
			if (b->runs)
				fprintf(out, "block %" PRIx64 " %" PRIu64 " %" PRIu64 "\n", b->address, b->length, b->runs);
	fprintf(out, "total %" PRIu64 "\n", total);
	fclose(out);
}

static int read_marks(const char *path)
{
	FILE *f = fopen(path, "r");
	uint64_t address;

	if (!f)
		return -1;
	while (fscanf(f, "%" SCNx64, &address) == 1) {
		marks = realloc(marks, (n_marks + 1) * sizeof(*marks));
		if (!marks)
			abort();
		marks[n_marks++] = address;
	}
	fclose(f);
	qsort(marks, n_marks, sizeof(*marks), compare);
	return 0;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
		else if (!strncmp(argv[i], "marks=", 6) && read_marks(argv[i] + 6))
			return -1;
	}
	if (!out)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, finish, NULL);
	return 0;
}
