package report_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/mattn/go-runewidth"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
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
	require.NoError(t, err, "run go test ./results/report -update and review the file")
	require.Equal(t, string(want), string(got))
}

func text(t *testing.T, r *experiment.Result, o report.TextOptions) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, report.Text(&b, r, o))
	return b.String()
}

func TestTextGolden(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fixture string
		options report.TextOptions
	}{
		"quickstart-120":   {"quickstart", report.TextOptions{Width: 120}},
		"quickstart-80":    {"quickstart", report.TextOptions{Width: 80}},
		"many-runs":        {"factorial", report.TextOptions{}},
		"single":           {"single", report.TextOptions{}},
		"single-all":       {"single", report.TextOptions{All: true}},
		"unstable":         {"overloaded", report.TextOptions{}},
		"one-replication":  {"once", report.TextOptions{}},
		"thousand-top-3":   {"large", report.TextOptions{Width: 120, Top: 3}},
		"hostile":          {"hostile", report.TextOptions{}},
		"empty":            {"empty", report.TextOptions{}},
		"runs-without-any": {"bare", report.TextOptions{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, name+".txt", []byte(text(t, fixtures[test.fixture](), test.options)))
		})
	}
}

// shown returns how Text shows one estimate.
func shown(t *testing.T, name, unit string, e metrics.Estimate) string {
	t.Helper()
	r := result("one number")
	r.Runs = []experiment.Run{{Name: "run", Metrics: []experiment.Metric{{Name: name, Unit: unit, Estimate: e}}}}
	_, after, found := strings.Cut(text(t, r, report.TextOptions{}), "\n  metric")
	require.True(t, found)
	line := strings.Split(after, "\n")[1]
	return strings.TrimSpace(regexp.MustCompile(`^  \S+( \S+)?  +`).ReplaceAllString(line, ""))
}

func ok(est, lo, hi float64) metrics.Estimate {
	return metrics.Estimate{Est: est, Lo: lo, Hi: hi, N: 10, Method: metrics.MethodReplications, Status: metrics.StatusOK}
}

func TestNumbersHaveTheDigitsOfTheirInterval(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		metric, unit string
		estimate     metrics.Estimate
		want         string
	}{
		"milliseconds":                           {"response_mean", "s", ok(0.0123, 0.0119, 0.0127), "12.3 ms [11.9, 12.7]"},
		"half-width 0.35 has two digits":         {"response_mean", "s", ok(0.01234, 0.01199, 0.01269), "12.34 ms [11.99, 12.69]"},
		"half-width 0.36 has one digit":          {"response_mean", "s", ok(0.01234, 0.01198, 0.0127), "12.3 ms [12.0, 12.7]"},
		"half-width 0.96 rounds up to 1.0":       {"response_mean", "s", ok(0.01234, 0.01138, 0.0133), "12.3 ms [11.4, 13.3]"},
		"microseconds":                           {"response_mean", "s", ok(82e-6, 80e-6, 84e-6), "82.0 µs [80.0, 84.0]"},
		"nanoseconds":                            {"response_mean", "s", ok(5e-9, 4e-9, 6e-9), "5.0 ns [4.0, 6.0]"},
		"seconds":                                {"response_mean", "s", ok(3600, 3500, 3700), "3600 s [3500, 3700]"},
		"just below a millisecond":               {"response_mean", "s", ok(999e-6, 990e-6, 1008e-6), "999 µs [990, 1008]"},
		"an interval wider than its value":       {"response_mean", "s", ok(1e-6, -5e-3, 5e-3), "0 ms [-5, 5]"},
		"no variance":                            {"response_mean", "s", ok(0.0125, 0.0125, 0.0125), "12.5 ms [12.5, 12.5]"},
		"zero without variance":                  {"waiting_p50", "s", ok(0, 0, 0), "0 s [0, 0]"},
		"a tiny value":                           {"response_mean", "s", ok(1e-15, 0.9e-15, 1.1e-15), "1e-06 ns [9e-07, 1.1e-06]"},
		"a share is a percentage":                {"utilization", "", ok(0.634, 0.621, 0.647), "63.4 % [62.1, 64.7]"},
		"a small share":                          {"cold_share", "", ok(0.00012, 0.0001, 0.00014), "0.0120 % [0.0100, 0.0140]"},
		"a ratio":                                {"slowdown", "", ok(1.5, 1.4, 1.6), "1.50 [1.40, 1.60]"},
		"a large count":                          {"in_system", "", ok(123456789, 123000000, 124000000), "1.235e+08 [1.23e+08, 1.24e+08]"},
		"another unit":                           {"throughput", "1/s", ok(2000, 1940, 2060), "2000 1/s [1940, 2060]"},
		"a value without an interval":            {"response_p99", "s", metrics.NotEstimable(0.0371, 90, "x", "too few"), "37.1 ms not estimable (1)"},
		"neither value nor interval":             {"response_p99", "s", metrics.NotEstimable(math.NaN(), 0, "x", "has no values"), "not estimable (1)"},
		"no steady state":                        {"response_p99", "s", metrics.Unstable(9, "x", "load 1.2"), "unstable (1)"},
		"never estimated":                        {"response_p99", "s", metrics.Estimate{}, "not estimated (1)"},
		"an interval that is not finite":         {"response_p99", "s", ok(0.01, 0, math.Inf(1)), "10.0 ms not estimable (1)"},
		"a value that is not finite":             {"response_p99", "s", ok(math.Inf(1), 0, math.Inf(1)), "not estimable (1)"},
		"a quantile's name may be written p99_9": {"response_p99_9", "s", ok(1, 0.9, 1.1), "1.00 s [0.90, 1.10]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, shown(t, test.metric, test.unit, test.estimate))
		})
	}
}

func TestTextGivesReasonsInWords(t *testing.T) {
	t.Parallel()
	r := result("reasons")
	for i := range 30 {
		r.Runs = append(r.Runs, experiment.Run{Name: fmt.Sprint("run", i), Metrics: []experiment.Metric{
			{Name: "response_p99", Unit: "s", Estimate: metrics.NotEstimable(1, 1, "x", fmt.Sprintf("needs 368 values, has %d", i%20))},
			{Name: "response_mean", Unit: "s", Estimate: metrics.Unstable(1, "x", "the backlog grows")},
		}})
	}
	out := text(t, r, report.TextOptions{})
	require.Contains(t, out, "(1) not estimable: needs 368 values, has 0 (and 19 like it, with other numbers)\n")
	require.Contains(t, out, "(2) unstable: the backlog grows\n")
	require.NotContains(t, out, "(3)")
}

func TestVerdictOfAnEffect(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		estimate metrics.Estimate
		want     string
	}{
		"above":               {ok(2e-3, 1e-3, 3e-3), "+2.0 ms [1.0, 3.0] on response p99 (above 0)"},
		"below":               {ok(-2e-3, -3e-3, -1e-3), "-2.0 ms [-3.0, -1.0] on response p99 (below 0)"},
		"interval around 0":   {ok(1e-3, -1e-3, 3e-3), "+1.0 ms [-1.0, 3.0] on response p99 (not distinguishable from 0)"},
		"interval touches 0":  {ok(1e-3, 0, 2e-3), "+1.0 ms [0.0, 2.0] on response p99 (not distinguishable from 0)"},
		"the same everywhere": {ok(0, 0, 0), "exactly 0 on response p99, in every replication"},
		"constant difference": {ok(1e-3, 1e-3, 1e-3), "+1 ms [1, 1] on response p99 (above 0)"},
		"not estimable":       {metrics.NotEstimable(1, 1, "x", "needs at least 2 replications, has 1"), "response p99 is not estimable: needs at least 2 replications, has 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := single()
			r.Effects = []experiment.Effect{{Name: "A", Metric: "response_p99", Unit: "s", Estimate: test.estimate}}
			require.Contains(t, text(t, r, report.TextOptions{Width: 200}), "\n  A: "+test.want+".\n")
		})
	}
}

func TestHeadlineTakesTheDifferenceOfDifferences(t *testing.T) {
	t.Parallel()
	out := text(t, quickstart(), report.TextOptions{Width: 200})
	require.Contains(t, out, "\n  load balancing: random − sticky, due to penalty: on − off: +")
	require.NotContains(t, out, "\n  load balancing: random − sticky at penalty off: ")
}

func TestTextOfRequestsThatDoNotAddUp(t *testing.T) {
	t.Parallel()
	r := single()
	r.Runs[0].Account.Done--
	require.Contains(t, text(t, r, report.TextOptions{Width: 200}), "run: requests lost from the count: 1200000 arrived, but done 1199980")
}

func TestTextOfATrace(t *testing.T) {
	t.Parallel()
	r := single()
	require.NotContains(t, text(t, r, report.TextOptions{}), "A trace ends by itself")
	r.Runs[0].Terminating = true
	require.Contains(t, text(t, r, report.TextOptions{}), "A trace ends by itself")
}

func TestTextShowsTheMostInvokedFunctions(t *testing.T) {
	t.Parallel()
	r := large()
	out := text(t, r, report.TextOptions{Top: 2, Width: 300})
	require.Contains(t, out, "Functions (2 of 1,000, by invocations)")
	require.Contains(t, out, "function-0001")
	require.NotContains(t, out, "function-0002")
	require.Contains(t, text(t, r, report.TextOptions{All: true, Width: 300}), "function-0999")
}

// TestTextKeepsToItsWidth also checks that names cannot command a terminal.
func TestTextKeepsToItsWidth(t *testing.T) {
	t.Parallel()
	ruler := &runewidth.Condition{StrictEmojiNeutral: true}
	for name, make := range fixtures {
		for _, width := range []int{60, 80, 100, 120} {
			t.Run(fmt.Sprint(name, width), func(t *testing.T) {
				t.Parallel()
				for _, all := range []bool{false, name != "large"} {
					for _, line := range strings.Split(text(t, make(), report.TextOptions{Width: width, All: all}), "\n") {
						require.LessOrEqual(t, ruler.StringWidth(line), width, line)
						require.Equal(t, -1, strings.IndexFunc(line, unicode.IsControl), "%q", line)
					}
				}
			})
		}
	}
}

func TestColourChangesNothingButColour(t *testing.T) {
	t.Parallel()
	coloured := text(t, quickstart(), report.TextOptions{Colour: true})
	require.Contains(t, coloured, "\x1b[1mRuns\x1b[0m\n")
	require.Equal(t, text(t, quickstart(), report.TextOptions{}), regexp.MustCompile(`\x1b\[[01]m`).ReplaceAllString(coloured, ""))
}

// TestTextOfAnyNames lays out names of every width.
func TestTextOfAnyNames(t *testing.T) {
	t.Parallel()
	ruler := &runewidth.Condition{StrictEmojiNeutral: true}
	f := newFixture()
	base := f.run("run", nil, 0, 0.001)
	rapid.Check(t, func(t *rapid.T) {
		r := result(rapid.String().Draw(t, "name"))
		n := rapid.IntRange(0, 4).Draw(t, "runs")
		width := rapid.IntRange(60, 140).Draw(t, "width")
		for range n {
			run := base
			run.Name = rapid.String().Draw(t, "run")
			run.Metrics = append([]experiment.Metric(nil), base.Metrics...)
			run.Metrics[0].Name = rapid.String().Draw(t, "metric")
			r.Runs = append(r.Runs, run)
		}
		r.Notes = []string{rapid.String().Draw(t, "note")}
		var b bytes.Buffer
		require.NoError(t, report.Text(&b, r, report.TextOptions{Width: width}))
		for _, line := range strings.Split(b.String(), "\n") {
			require.LessOrEqual(t, ruler.StringWidth(line), width, "%q", line)
		}
	})
}

type brokenPipe struct{}

var errPipe = errors.New("broken pipe")

func (brokenPipe) Write([]byte) (int, error) { return 0, errPipe }

func TestErrorsOfTheWriterComeBack(t *testing.T) {
	t.Parallel()
	r := single()
	require.ErrorIs(t, report.Text(brokenPipe{}, r, report.TextOptions{}), errPipe)
	require.ErrorIs(t, report.HTML(brokenPipe{}, r), errPipe)
	require.ErrorIs(t, report.CSV(brokenPipe{}, r), errPipe)
	require.ErrorIs(t, report.Parquet(brokenPipe{}, r), errPipe)
}
