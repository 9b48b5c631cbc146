package report_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/results/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run go test -update ./results/report and review the file")
	require.Equal(t, string(want), string(got))
}

func TestTextGolden(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fixture string
		options report.TextOptions
	}{
		"1":       {"quickstart", report.TextOptions{Width: 120}},
		"2":       {"overloaded", report.TextOptions{Width: 100}},
		"3":       {"hostile", report.TextOptions{Width: 80}},
		"4":       {"once", report.TextOptions{Width: 80}},
		"5":       {"empty", report.TextOptions{Width: 80}},
		"6":       {"bare", report.TextOptions{Width: 80}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, report.Text(&b, fixtures[test.fixture](), test.options))
			os.Stdout.Write(b.Bytes())
		})
	}
}
