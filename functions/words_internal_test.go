package functions

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestCommandsAreSplitAsAShellSplitsThem asks one, but for what a shell replaces. A
// backslash between double quotes stands before a quote or another one only: compose
// takes others away, and a shell keeps them.
func TestCommandsAreSplitAsAShellSplitsThem(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skipf("skipped: %v", err)
	}
	plain, blank := rapid.StringMatching(`[a-zA-Z0-9_=/.,:-]{1,3}`), rapid.SampledFrom([]string{" ", "  ", "\t"})
	piece := rapid.OneOf(plain, plain,
		rapid.Map(rapid.StringMatching(`[a-z "\\$;|*]{0,4}`), func(s string) string { return "'" + s + "'" }),
		rapid.Map(rapid.StringMatching(`([a-z ';|*]|\\\\|\\"){0,4}`), func(s string) string { return `"` + s + `"` }),
		rapid.Map(rapid.SampledFrom([]string{" ", `"`, "'", `\`, "a", "$", ";"}), func(s string) string { return `\` + s }),
	)
	// Many texts for one shell, which prints each word in a line of brackets.
	var script, want strings.Builder
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		for range rapid.IntRange(0, 4).Draw(t, "words") {
			text.WriteString(blank.Draw(t, "blank"))
			for range rapid.IntRange(1, 3).Draw(t, "pieces") {
				text.WriteString(piece.Draw(t, "piece"))
			}
		}
		words, err := split(text.String())
		require.NoError(t, err, "%q", text.String())
		fmt.Fprintf(&script, "say%s\n", " "+text.String())
		for _, w := range words {
			fmt.Fprintf(&want, "[%s]", w)
		}
		want.WriteByte('\n')
	})
	cmd := exec.Command("sh", "-f")
	cmd.Stdin = strings.NewReader("say() { for w; do printf '[%s]' \"$w\"; done; echo; }\n" + script.String())
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, strings.Split(want.String(), "\n"), strings.Split(string(out), "\n"))
	for _, open := range []string{`'a`, `"a`, `a\`, `"a'`, `'a"`, `"a\"`} {
		_, err := split(open)
		require.ErrorContains(t, err, "has a quote that does not end", open)
	}
}

func TestVariablesOfAComposeFile(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "plain": "plain", "$$": "$", "$$$$x": "$$x", "a$$b": "a$b", "${X:-y}": "y", "${X-y}": "y", "${X:-}": "", "a${X:-b-c}d": "ab-cd", "${X:-a}${Y-b}": "ab", "${X:-{}": "{",
	} {
		got, err := interpolate(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{
		"$": `"$" asks for a variable`, "$X": `"$X" asks for a variable`, "a$": `"$" asks for a variable`, "${X}": "the variable $X has no default here", "${X:?e}": "has no default here",
		"${X:-$Y}": "the variable $X has no default here", "${X:-y": "has no default here", "$${X}$Y": `"$Y" asks for a variable`,
	} {
		got, err := interpolate(text)
		require.ErrorContains(t, err, want, text)
		require.Empty(t, got, text)
	}
}

// TestAmountsOfMemory: also those whose bytes do not fit into 64 bits.
func TestAmountsOfMemory(t *testing.T) {
	t.Parallel()
	read := func(text string) (int, error) {
		c, err := ReadCompose("c.yaml", []byte("services: {a: {image: i, mem_limit: "+text+"}}"))
		if err != nil {
			return 0, err
		}
		return c.Services[0].MemoryMiB, nil
	}
	for text, want := range map[string]int{
		"1m": 1, "1M": 1, "1mb": 1, "1048576": 1, "1048576b": 1, "1024k": 1, "1024KB": 1, "2097151": 1, "1g": 1024, "16GB": 16384, "1048576g": 1 << 30,
	} {
		got, err := read(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"0", "1048575", "1023k", "-1m", "1.5g", "m", "1t", "1mm", "1 m", "1048577g", "17179869185g", "18014398509481985k", "99999999999999999999m"} {
		_, err := read(`"` + text + `"`)
		require.ErrorContains(t, err, "is no amount of memory from 1m on, as 128m", text)
	}
}

// TestWhatAServiceNeedsIsFoundOnceAndNearestFirst: also where services need each other.
func TestWhatAServiceNeedsIsFoundOnceAndNearestFirst(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 7).Draw(t, "services")
		c := &Compose{}
		for i := range n {
			s := Service{Name: fmt.Sprint("s", i)}
			for range rapid.IntRange(0, 3).Draw(t, "needs") {
				s.Needs = append(s.Needs, fmt.Sprint("s", rapid.IntRange(0, n-1).Draw(t, "need")))
			}
			c.Services = append(c.Services, s)
		}
		// How far a service is from the first, by relaxing over and over.
		far := map[string]int{"s0": 0}
		for range n {
			for _, s := range c.Services {
				d, reached := far[s.Name]
				for _, need := range s.Needs {
					if before, known := far[need]; reached && (!known || d+1 < before) {
						far[need] = d + 1
					}
				}
			}
		}
		got := c.Relative("s0")
		require.Len(t, got, len(far)-1)
		seen := map[string]bool{"s0": true}
		for i, name := range got {
			require.False(t, seen[name], "%s twice or itself", name)
			seen[name] = true
			require.Contains(t, far, name)
			require.True(t, i == 0 || far[got[i-1]] <= far[name], "%v", got)
		}
	})
	require.Empty(t, (&Compose{}).Relative("nobody"))
}

func TestWhichFunctionAServiceIsABuildOf(t *testing.T) {
	t.Parallel()
	catalog, err := Load()
	require.NoError(t, err)
	for _, c := range []struct {
		service Service
		want    string
	}{
		{Service{Image: "vhiveease/aes-go:latest"}, "aes-go"},
		{Service{Image: "ghcr.io/x/y/hotel-app-geo@sha256:00"}, "geo"},
		{Service{Image: "localhost:5000/auth-python"}, "auth-python"},
		{Service{Image: "private/build", Name: "user"}, "user"},
		{Service{Image: "private/build", Name: "f", Container: "rate"}, "rate"},
		{Service{Image: "vhiveease/aes-go", Name: "geo"}, "aes-go"},
		{Service{Image: "mongo:4.2", Name: "database"}, ""},
		{Service{Image: "aes", Name: "relay"}, ""},
	} {
		got, ok := catalog.Like(&c.service)
		require.Equal(t, c.want, got, "%+v", c.service)
		require.Equal(t, c.want != "", ok)
	}
}

// TestRuntimesShareTheirInputs: functions of one kernel are asked the same, or their
// measurements could not be compared.
func TestRuntimesShareTheirInputs(t *testing.T) {
	t.Parallel()
	catalog, err := Load()
	require.NoError(t, err)
	for _, kernel := range []string{"fibonacci", "aes", "auth"} {
		first, err := catalog.Lookup(kernel + "-go")
		require.NoError(t, err)
		for _, runtime := range []string{"-python", "-nodejs"} {
			other, err := catalog.Lookup(kernel + runtime)
			require.NoError(t, err)
			for _, class := range first.Classes() {
				if _, err := other.Class(class); err != nil || class == "medium" || class == "small" || class == "large" {
					continue // sizes are each runtime's own
				}
				for n := range 20 {
					a, err := first.Call(class, 3, n)
					require.NoError(t, err)
					b, err := other.Call(class, 3, n)
					require.NoError(t, err)
					require.Equal(t, a.Method, b.Method)
					require.Equal(t, a.Request, b.Request, "%s%s %s %d", kernel, runtime, class, n)
				}
			}
		}
	}
}
