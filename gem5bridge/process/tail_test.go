package process_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/gem5bridge/process"
)

func TestTail(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1000)
	tests := []struct {
		name   string
		writes []string
		want   []string
	}{
		{"nothing written", nil, nil},
		{"a line without its end", []string{"fatal: "}, []string{"fatal: "}},
		{"a line in pieces", []string{"fa", "tal\nmo", "re\n"}, []string{"fatal", "more"}},
		{"empty lines and carriage returns", []string{"a\r\n\n\nb\n"}, []string{"a", "b"}},
		{"a long line", []string{long, long + "\nb"}, []string{long[:512], "b"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var tail process.Tail
			for _, text := range test.writes {
				n, err := tail.Write([]byte(text))
				require.NoError(t, err)
				require.Equal(t, len(text), n)
			}
			require.Equal(t, test.want, tail.Lines())
		})
	}
}

func TestTailKeepsTheLastTwentyLinesHoweverTheyAreWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.StringMatching("[a-z]{1,9}"), 1, 60).Draw(t, "lines")
		text := strings.Join(lines, "\n") + "\n"
		var tail process.Tail
		for len(text) > 0 {
			n := rapid.IntRange(1, len(text)).Draw(t, "piece")
			_, err := tail.Write([]byte(text[:n]))
			require.NoError(t, err)
			text = text[n:]
		}
		require.Equal(t, lines[max(0, len(lines)-20):], tail.Lines())
	})
}
