package kernel_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/images/isa"
	"microcosm/images/kernel"
)

func TestParse(t *testing.T) {
	t.Parallel()
	config, err := kernel.Parse("f", strings.NewReader("# a comment\n\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=n\nCONFIG_D=\"x y\"\nCONFIG_E=0x10\nCONFIG_A=y\n"))
	require.NoError(t, err)
	require.Equal(t, kernel.Config{"A": "y", "B": "n", "C": "n", "D": `"x y"`, "E": "0x10"}, config)
	require.Equal(t, "n", config.Value("MISSING"))
}

func TestEveryMistakeOfAFragmentIsReportedWithItsLine(t *testing.T) {
	t.Parallel()
	_, err := kernel.Parse("x.config", strings.NewReader("CONFIG_A=y\nCONFIG_B=m\nA=y\nCONFIG_A=n\nCONFIG_D=\"open\n"))
	require.ErrorContains(t, err, "x.config:2: CONFIG_B=m: guests load no modules")
	require.ErrorContains(t, err, `x.config:3: "A=y" is not CONFIG_SYMBOL=value`)
	require.ErrorContains(t, err, "x.config:4: A is n here and y above")
	require.ErrorContains(t, err, "x.config:5:")
}

func FuzzParse(f *testing.F) {
	f.Add("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"\\\"\"\nCONFIG_D=-1\n")
	f.Fuzz(func(t *testing.T, text string) {
		config, err := kernel.Parse("fuzz", strings.NewReader(text))
		if err != nil {
			return
		}
		for _, symbol := range config.Symbols() {
			require.NotEmpty(t, symbol)
			require.NotEmpty(t, config[symbol])
		}
	})
}

// source is a tiny kernel source: Kconfig files only.
func source(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "net"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "net", "Kconfig"), []byte(`
menu "Net"
if NET
config BRIDGE
	tristate "bridge"
	depends on INET && !TINY
	depends on SYSFS
endif
config FORCED
	bool
endmenu
`), 0o644))
	return dir
}

func TestASymbolThatDidNotTakeIsNamedWithItsUnmetDependencies(t *testing.T) {
	t.Parallel()
	asked := kernel.Config{"BRIDGE": "y", "FORCED": "n", "NOSUCH": "y", "NET": "n"}
	got := kernel.Config{"INET": "y", "TINY": "y", "FORCED": "y"}
	err := kernel.Check(asked, got, source(t))
	require.ErrorContains(t, err, "CONFIG_BRIDGE: asked for y, got n: it stands inside if NET (NET is n); depends on INET && !TINY (TINY is y); depends on SYSFS (SYSFS is n)")
	require.ErrorContains(t, err, "CONFIG_FORCED: asked for n, got y: another symbol forces it")
	require.ErrorContains(t, err, "CONFIG_NOSUCH: asked for y, got n: the kernel has no such symbol")
	require.NotContains(t, err.Error(), "CONFIG_NET:", "a symbol that is off as asked is no error")
	var symbol *kernel.SymbolError
	require.ErrorAs(t, err, &symbol)
}

func TestAConfigurationAsAskedPasses(t *testing.T) {
	t.Parallel()
	require.NoError(t, kernel.Check(kernel.Config{"A": "y", "B": "n", "C": "8"}, kernel.Config{"A": "y", "C": "8", "D": "y"}, ""))
	err := kernel.Check(kernel.Config{"C": "8"}, kernel.Config{"C": "64"}, "")
	require.ErrorContains(t, err, "CONFIG_C: asked for 8, got 64")
}

func TestFragmentsAskForContainersOnEveryISA(t *testing.T) {
	t.Parallel()
	for _, i := range isa.All() {
		config, err := kernel.Fragments(i)
		require.NoError(t, err)
		require.NoErrorf(t, kernel.Containers(config), "%s", i)
		for _, symbol := range []string{"SMP", "HIGH_RES_TIMERS", "EXT4_FS", "PCI"} {
			require.Equalf(t, "y", config.Value(symbol), "%s: %s", i, symbol)
		}
	}
	arm, err := kernel.Fragments(isa.Arm)
	require.NoError(t, err)
	require.Contains(t, arm, "ARM64_LSE_ATOMICS", "gem5 #3057: it must be asked to be off, not just be off by luck")
	require.Equal(t, "n", arm["ARM64_LSE_ATOMICS"])
	_, err = kernel.Fragments(isa.Invalid)
	require.Error(t, err)
}

func TestAContainerFeatureThatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	config, err := kernel.Fragments(isa.X86)
	require.NoError(t, err)
	for _, symbol := range []string{"OVERLAY_FS", "CPUSETS", "SECCOMP_FILTER", "VETH"} {
		broken := kernel.Config{}
		for s, v := range config {
			broken[s] = v
		}
		delete(broken, symbol)
		require.ErrorContains(t, kernel.Containers(broken), "CONFIG_"+symbol+" is n")
	}
	config["MODULES"] = "y"
	require.ErrorContains(t, kernel.Containers(config), "CONFIG_MODULES is y")
}

// TestBuiltKernels checks the configuration of the kernels that make has built
// in out/, if it has.
func TestBuiltKernels(t *testing.T) {
	t.Parallel()
	for _, i := range isa.All() {
		t.Run(i.String(), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("..", "out", i.String(), "kernel.config")
			if _, err := os.Stat(path); err != nil {
				t.Skipf("no kernel built: make -C images kernel ISA=%s", i)
			}
			got, err := kernel.ReadFile(path)
			require.NoError(t, err)
			asked, err := kernel.Fragments(i)
			require.NoError(t, err)
			require.NoError(t, kernel.Check(asked, got, ""), "the kernel in out/ is older than its fragments: make -C images kernel ISA=%s", i)
			require.NoError(t, kernel.Containers(got))
		})
	}
}
