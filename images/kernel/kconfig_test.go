package kernel_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/images/kernel"
)

// kconfig writes the Kconfig files of a source.
func kconfig(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return dir
}

// TestWhatStandsInTheWayIsReadFromKconfig: a symbol was asked for and is off.
func TestWhatStandsInTheWayIsReadFromKconfig(t *testing.T) {
	t.Parallel()
	const other = ": another symbol forces it, or its default is not ours to change"
	for situation, c := range map[string]struct {
		kconfig string
		got     kernel.Config
		want    string
	}{
		"a dependency is off":              {"config X\n\tbool\n\tdepends on PCI\n", nil, ": it depends on PCI (PCI is n)"},
		"a dependency is met":              {"config X\n\tbool\n\tdepends on PCI\n", kernel.Config{"PCI": "y"}, other},
		"one that must be off is on":       {"config X\n\tdepends on !SMP\n", kernel.Config{"SMP": "y"}, ": it depends on !SMP (SMP is y)"},
		"one of two":                       {"config X\n\tdepends on PCI && BLOCK\n", kernel.Config{"PCI": "y"}, ": it depends on PCI && BLOCK (BLOCK is n)"},
		"the same one twice":               {"config X\n\tdepends on PCI || (PCI && ISA)\n", nil, ": it depends on PCI || (PCI && ISA) (ISA is n, PCI is n)"},
		"several dependencies":             {"menuconfig X\n\tdepends on A1\n\tdepends on B1\n", nil, ": it depends on A1 (A1 is n); depends on B1 (B1 is n)"},
		"a symbol in an if":                {"if NET\nconfig X\n\tbool\nendif\n", nil, ": it stands inside if NET (NET is n)"},
		"a symbol in an if in an if":       {"if NET\nif INET\nconfig X\n\tbool\nendif\nendif\n", kernel.Config{"INET": "y"}, ": it stands inside if NET (NET is n)"},
		"a symbol behind an if":            {"if NET\nconfig Y\n\tbool\nendif\nconfig X\n\tbool\n", nil, other},
		"a symbol behind a commented end":  {"if NET\nconfig Y\nendif # NET\nconfig X\n\tbool\n", nil, other},
		"another symbol's dependency":      {"config Y\n\tdepends on PCI\nconfig X\n\tbool\n", nil, other},
		"a menu's dependency is no one's":  {"config X\n\tbool\nmenu \"m\"\n\tdepends on PCI\nendmenu\n", nil, other},
		"a choice ends a symbol":           {"config X\n\tbool\nchoice\n\tdepends on PCI\nendchoice\n", nil, other},
		"a longer name is another symbol":  {"config XY\n\tdepends on PCI\n", nil, ": the kernel has no such symbol"},
		"a name within a text":             {"config Y\n\tbool \"config X\"\n", nil, ": the kernel has no such symbol"},
		"a default's condition is nothing": {"config X\n\tdefault y if PCI\n\tselect Z if NET\n", nil, other},
		"a help text of conditions": {
			"config Y\n\tbool\n\thelp\n\t  Say Y\n\t  if UNSURE you have such a device.\n\nconfig X\n\tbool\n", nil, other,
		},
		"a help text that tells of symbols": {
			"config Y\n\tbool\n\thelp\n\t  This is for\n\t  config X\n\t  depends on PCI\n\nconfig X\n\tbool\n", nil, other,
		},
		"a help text, then an if": {
			"config Y\n\thelp\n\t  if all else\n\n\t  fails\nif NET\nconfig X\n\tbool\nendif\n", nil, ": it stands inside if NET (NET is n)",
		},
		"a help text, then a dependency": {
			"config X\n\thelp\n\t  endif NET\n\tdepends on PCI\n", nil, ": it depends on PCI (PCI is n)",
		},
	} {
		err := kernel.Check(kernel.Config{"X": "y"}, c.got, kconfig(t, map[string]string{"drivers/Kconfig": c.kconfig}))
		require.EqualError(t, err, "CONFIG_X: asked for y, got n"+c.want, situation)
	}
}

func TestASymbolOfSeveralArchitecturesHasTheDependenciesOfAll(t *testing.T) {
	t.Parallel()
	source := kconfig(t, map[string]string{
		"arch/x86/Kconfig":       "config HZ_100\n\tdepends on X86\n",
		"arch/arm64/Kconfig.cpu": "config HZ_100\n\tdepends on ARM64\n",
		"Makefile":               "config HZ_100\n\tdepends on MAKE\n",
		"scripts/README.Kconfig": "config HZ_100\n\tdepends on README\n",
	})
	err := kernel.Check(kernel.Config{"HZ_100": "y"}, kernel.Config{"X86": "y"}, source)
	require.EqualError(t, err, "CONFIG_HZ_100: asked for y, got n: it depends on ARM64 (ARM64 is n)")
}

func TestASourceThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	err := kernel.Check(kernel.Config{"X": "y"}, nil, filepath.Join(t.TempDir(), "none"))
	require.ErrorContains(t, err, "look for unmet dependencies")
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = kernel.ReadFile(filepath.Join(t.TempDir(), "none"))
	require.ErrorContains(t, err, "read kernel configuration")
	file := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(file, []byte("CONFIG_A=y\nnonsense\n"), 0o644))
	_, err = kernel.ReadFile(file)
	require.EqualError(t, err, file+`:2: "nonsense" is not CONFIG_SYMBOL=value`)
}

func TestLinesOfAConfiguration(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"CONFIG_A=y":              "y",
		"  CONFIG_A=y\r":          "y",
		"CONFIG_A=n":              "n",
		"# CONFIG_A is not set":   "n",
		"CONFIG_A=-5":             "-5",
		"CONFIG_A=0xffffffff":     "0xffffffff",
		`CONFIG_A=""`:             `""`,
		`CONFIG_A="a \"b\" \\"`:   `"a \"b\" \\"`,
		"":                        "missing",
		"#CONFIG_A is not set":    "missing",
		"# CONFIG_A is not set!":  "missing",
		"CONFIG_A=":               "mistake",
		"CONFIG_A=Y":              "mistake",
		"CONFIG_A=yes":            "mistake",
		"CONFIG_A = y":            "mistake",
		`CONFIG_A="a`:             "mistake",
		`CONFIG_A="a"b"`:          "mistake",
		"CONFIG_A=0x":             "mistake",
		"CONFIG_A=1.5":            "mistake",
		"CONFIG_A-B=y":            "mistake",
		"config_A=y":              "mistake",
		"CONFIG_=y":               "mistake",
		"CONFIG_A=m":              "mistake",
		"CONFIG_A=y # and why so": "mistake",
	} {
		got, err := kernel.Parse("f", strings.NewReader(line))
		if want == "mistake" {
			require.ErrorContains(t, err, "f:1: ", "%q", line)
			continue
		}
		require.NoError(t, err, "%q", line)
		value, there := got["A"]
		require.Equal(t, want != "missing", there, "%q", line)
		if there {
			require.Equal(t, want, value, "%q", line)
		}
	}
	_, err := kernel.Parse("f", strings.NewReader("CONFIG_A=y\n"+strings.Repeat("#", 1<<17)))
	require.ErrorContains(t, err, "f: ", "a line that is too long is not passed over")
}
