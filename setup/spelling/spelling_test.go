package spelling_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/setup/spelling"
)

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"warm", "warm", 0},
		{"warm", "wram", 1},
		{"warm", "worm", 1},
		{"warm", "war", 1},
		{"warm", "swarm", 1},
		{"kitten", "sitting", 3},
		{"ca", "abc", 3}, // no letter is touched twice
		{"ümlaut", "umlaut", 1},
		{strings.Repeat("a", 65), "a", 65},
	} {
		require.Equal(t, c.want, spelling.Distance(c.a, c.b), "%q %q", c.a, c.b)
		require.Equal(t, c.want, spelling.Distance(c.b, c.a), "%q %q", c.b, c.a)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"fibonacci-go", "fibonacci-python", "aes-go", "aes-python", "auth-go", "geo", "l2.size", "l3.size"}
	for name, want := range map[string][]string{
		"fibonaci-go":  {"fibonacci-go"},
		"aes-og":       {"aes-go"},
		"fibonacci":    {"fibonacci-go", "fibonacci-python"},
		"python":       {"aes-python", "fibonacci-python"},
		"-go":          {"aes-go", "auth-go", "fibonacci-go"}, // three at most
		"go":           {"geo"},                               // one change, not two
		"compression":  nil,
		"":             nil,
		"gei":          {"geo"},
		"l2.sise":      {"l2.size"}, // l3.size is near, but not nearest
		"l1.size":      {"l2.size", "l3.size"},
		"xyz":          nil, // every letter is another one
		"auth-node":    {"auth-go"},
		"fibonacci-go": {"fibonacci-go"},
	} {
		require.Equal(t, want, spelling.Nearest(name, known), name)
		slices.Reverse(known)
	}
}

// TestDistanceIsOne: it is 0 for equal texts only, the same both ways, at least
// the difference of the lengths and at most the longer one, and a single change
// makes it one.
func TestDistanceIsOne(t *testing.T) {
	t.Parallel()
	words := rapid.StringOfN(rapid.RuneFrom([]rune("abcä")), 0, 12, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := words.Draw(t, "a"), words.Draw(t, "b")
		d := spelling.Distance(a, b)
		require.Equal(t, a == b, d == 0)
		require.Equal(t, d, spelling.Distance(b, a))
		m, n := len([]rune(a)), len([]rune(b))
		require.GreaterOrEqual(t, d, max(m-n, n-m))
		require.LessOrEqual(t, d, max(m, n))
		at := rapid.IntRange(0, m).Draw(t, "at")
		letters := []rune(a)
		longer := string(letters[:at]) + "z" + string(letters[at:])
		require.Equal(t, 1, spelling.Distance(a, longer))
		require.Contains(t, spelling.Nearest(longer+"-name", []string{a + "-name"}), a+"-name")
	})
}

// changes is the distance by its definition: the fewest changes over all ways to
// end, letter by letter.
func changes(a, b []rune) int {
	if len(a) == 0 || len(b) == 0 {
		return len(a) + len(b)
	}
	m, n := len(a), len(b)
	least := min(changes(a[:m-1], b), changes(a, b[:n-1])) + 1
	if a[m-1] == b[n-1] {
		return min(least, changes(a[:m-1], b[:n-1]))
	}
	least = min(least, changes(a[:m-1], b[:n-1])+1)
	if m > 1 && n > 1 && a[m-1] == b[n-2] && a[m-2] == b[n-1] {
		least = min(least, changes(a[:m-2], b[:n-2])+1)
	}
	return least
}

func TestDistanceAgainstItsDefinition(t *testing.T) {
	t.Parallel()
	words := rapid.StringOfN(rapid.RuneFrom([]rune("abä")), 0, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := words.Draw(t, "a"), words.Draw(t, "b")
		require.Equal(t, changes([]rune(a), []rune(b)), spelling.Distance(a, b), "%q, %q", a, b)
	})
}
