package kernel_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/images/isa"
	"microcosm/images/kernel"
)

func TestCommandLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		isa     isa.ISA
		clock   kernel.Clock
		want    []string
		without string
	}{
		{"gem5, x86 at 3 GHz: nothing is measured", isa.X86, kernel.Gem5Clock(3_000_000),
			[]string{"root=/dev/sda", "console=ttyS0", "tsc=reliable", "tsc_early_khz=3000000", "lapic_timer_khz=187500", "lpj=30000000"}, "ttyAMA0"},
		{"QEMU, x86: the counter is the host's", isa.X86, kernel.Clock{LocalAPICKHz: 1_000_000},
			[]string{"lapic_timer_khz=1000000", "lpj=40000000"}, "tsc_early_khz"},
		{"arm64 needs no clock", isa.Arm, kernel.Gem5Clock(3_000_000), []string{"root=/dev/vda", "console=ttyAMA0"}, "tsc"},
	} {
		args := kernel.CommandLine(c.isa, c.clock)
		for _, want := range append(c.want, "ro", "init=/init", "panic=-1", "quiet") {
			require.Truef(t, slices.Contains(args, want), "%s: %s in %v", c.name, want, args)
		}
		require.NotContains(t, strings.Join(args, " "), c.without, c.name)
	}
	require.Equal(t, "/dev/sdb", kernel.JobDevice(isa.X86))
	require.Equal(t, "/dev/vdb", kernel.JobDevice(isa.Arm))
}
