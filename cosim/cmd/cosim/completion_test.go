package main

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func requireJSON(t *testing.T, text string, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), into), text)
}

// completed returns what the shell is offered after these words.
func completed(t *testing.T, words ...string) []string {
	t.Helper()
	out, _ := cosim(t, exitOK, append([]string{cobra.ShellCompRequestCmd}, words...)...)
	var offers []string
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		if word, _, _ := strings.Cut(line, "\t"); !strings.HasPrefix(word, ":") {
			offers = append(offers, word)
		}
	}
	return offers
}

// TestTheShellIsOfferedVerbsAndFlags, and not what is for plugins only.
func TestTheShellIsOfferedVerbsAndFlags(t *testing.T) {
	workplace(t, nil)
	verbs := completed(t, "")
	require.Subset(t, verbs, []string{"run", "sample", "compare", "jobs", "kill", "report", "store", "images", "doctor", "version", "autoscale", "reality", "completion"})
	require.NotContains(t, verbs, "bridge")
	require.ElementsMatch(t, []string{"list", "verify", "merge", "export", "import", "gc", "slowdown"}, completed(t, "store", ""))
	require.Equal(t, []string{"compare", "completion"}, completed(t, "comp"))
	require.Equal(t, []string{"--seed", "--set"}, only(completed(t, "run", "--se"), "--se"))
	require.ElementsMatch(t, []string{"bash", "fish", "powershell", "zsh"}, completed(t, "completion", ""))
}

func only(words []string, prefix string) (found []string) {
	for _, word := range words {
		if strings.HasPrefix(word, prefix) {
			found = append(found, word)
		}
	}
	return found
}

// TestCompletionScriptsAreScripts: the shells that are here read them without an
// error.
func TestCompletionScriptsAreScripts(t *testing.T) {
	workplace(t, nil)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		out, errs := cosim(t, exitOK, "completion", shell)
		require.Contains(t, out, "cosim", shell)
		require.Empty(t, errs, shell)
		if path, err := exec.LookPath(shell); err == nil && shell != "powershell" {
			check := exec.Command(path, "-n")
			check.Stdin = strings.NewReader(out)
			said, err := check.CombinedOutput()
			require.NoError(t, err, "%s: %s", shell, said)
		}
	}
}

// TestEveryVerbAndFlagIsExplained: a short line each, which begins like those of its
// kind and does not end in a full stop.
func TestEveryVerbAndFlagIsExplained(t *testing.T) {
	t.Parallel()
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		path := c.CommandPath()
		if strings.HasPrefix(path, "cosim completion") || strings.HasPrefix(path, "cosim help") {
			return // cobra's own
		}
		require.NotEmpty(t, c.Short, path)
		require.LessOrEqual(t, len(c.Short), 90, path)
		require.False(t, strings.HasSuffix(c.Short, "."), path)
		require.Equal(t, strings.ToUpper(c.Short[:1]), c.Short[:1], path)
		for _, line := range strings.Split(c.Long, "\n") {
			require.LessOrEqual(t, len([]rune(line)), 100, "%s: %s", path, line)
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			require.NotEmpty(t, f.Usage, "%s --%s", path, f.Name)
			require.False(t, strings.HasSuffix(f.Usage, "."), "%s --%s", path, f.Name)
		})
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(new(app).command())
}

// TestHelpIsOnStandardOutput for every verb, and does nothing else.
func TestHelpIsOnStandardOutput(t *testing.T) {
	workplace(t, nil)
	for _, line := range []string{
		"run", "sample", "compare", "jobs", "kill", "report", "autoscale", "reality", "doctor", "version", "images import", "images pack", "images list",
		"store list", "store verify", "store merge", "store export", "store import", "store gc", "store slowdown", "bridge",
	} {
		out, errs := cosim(t, exitOK, append(strings.Fields(line), "--help")...)
		require.Contains(t, out, "cosim "+line, line)
		require.Contains(t, out, "--store", "%s: the flags of all verbs", line)
		require.Empty(t, errs, line)
	}
	require.Empty(t, tree(t))
}
