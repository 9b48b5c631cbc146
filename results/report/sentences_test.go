package report_test

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
	"microcosm/results/report"
)

// answer is what text and page begin with; they say the same.
func answer(t *testing.T, r *experiment.Result) []string {
	t.Helper()
	_, rest, found := strings.Cut(text(t, r, report.TextOptions{Width: 2000}), "\n\n")
	require.True(t, found)
	opening, _, _ := strings.Cut(rest, "\n\n")
	var said []string
	for _, line := range strings.Split(strings.TrimRight(opening, "\n"), "\n") {
		said = append(said, strings.TrimSpace(line))
	}
	var onPage []string
	for _, n := range all(byID(parse(t, page(t, r)), "answer"), "p") {
		onPage = append(onPage, strings.ReplaceAll(content(n), "−", "-"))
	}
	for i := range said {
		require.Equal(t, strings.ReplaceAll(said[i], "−", "-"), onPage[i])
	}
	return said
}

// ofRuns is a result whose runs, a, b, c…, have these metrics.
func ofRuns(runs ...[]experiment.Metric) *experiment.Result {
	r := result("runs")
	for i, list := range runs {
		r.Runs = append(r.Runs, experiment.Run{Name: string(rune('a' + i)), Metrics: list})
	}
	return r
}

func seconds(name string, e metrics.Estimate) experiment.Metric {
	return experiment.Metric{Name: name, Unit: "s", Estimate: e}
}

func TestTheAnswerInASentence(t *testing.T) {
	t.Parallel()
	short := metrics.NotEstimable(.02, 3, "m", "needs 368 values, has 3")
	for situation, c := range map[string]struct {
		result *experiment.Result
		want   []string
	}{
		"nothing ran": {&experiment.Result{Schema: experiment.Schema, Name: "n"}, []string{"The result has no runs."}},
		"one run tells what one asks for first": {
			ofRuns([]experiment.Metric{seconds("waiting_mean", ok(1, 1, 1)), seconds("response_p99", ok(.02, .019, .021)), seconds("response_mean", ok(.01, .0099, .0101)),
				{Name: "utilization", Estimate: ok(.5, .49, .51)}}),
			[]string{"Response mean 10.00 ms [9.90, 10.10]; response p99 20.0 ms [19.0, 21.0]; utilization 50.0 % [49.0, 51.0]."},
		},
		"a number without an interval says so": {
			ofRuns([]experiment.Metric{seconds("response_mean", ok(.01, .0099, .0101)), seconds("response_p99", short)}),
			[]string{"Response mean 10.00 ms [9.90, 10.10]; response p99 20.0 ms (interval not estimable)."},
		},
		"one without a value, too": {
			ofRuns([]experiment.Metric{seconds("response_mean", metrics.NotEstimable(math.NaN(), 0, "m", "no values"))}),
			[]string{"Response mean not estimable."},
		},
		"other numbers where the usual ones are missing": {
			ofRuns([]experiment.Metric{seconds("latency_mean", ok(2, 1, 3)), {Name: "x", Estimate: ok(2, 1, 3)}, {Name: "y", Estimate: ok(4, 3, 5)}, {Name: "z", Estimate: ok(4, 3, 5)}}),
			[]string{"Latency mean 2.0 s [1.0, 3.0]; x 2.0 [1.0, 3.0]; y 4.0 [3.0, 5.0]."},
		},
		"no numbers at all": {ofRuns(nil), []string{"The run has no metrics."}},
		"several runs have a range": {
			ofRuns([]experiment.Metric{seconds("response_p99", ok(.02, .019, .021))}, []experiment.Metric{seconds("response_p99", ok(.5, .4, .6))}, []experiment.Metric{seconds("response_p99", ok(.001, .0009, .0011))}),
			[]string{"Response p99 lies between 1.00 ms [0.90, 1.10] (c) and 500 ms [400, 600] (b)."},
		},
		"a range is of the numbers that stand": {
			ofRuns([]experiment.Metric{seconds("response_p99", short), seconds("response_mean", ok(1, .9, 1.1))}, []experiment.Metric{seconds("response_p99", ok(9, 8, 10)), seconds("response_mean", ok(2, 1.9, 2.1))}),
			[]string{"Response mean lies between 1.00 s [0.90, 1.10] (a) and 2.00 s [1.90, 2.10] (b)."},
		},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, answer(t, c.result))
		})
	}
}

func TestEveryUnstableRunIsNamedOnce(t *testing.T) {
	t.Parallel()
	r := ofRuns([]experiment.Metric{seconds("response_p99", ok(1, .9, 1.1))}, nil, nil)
	r.Runs[1].Unstable, r.Runs[2].Unstable = "the backlog grows.", "offered load 1.2\x1b"
	said := answer(t, r)
	require.Equal(t, []string{"Run b is unstable: the backlog grows.", "Run c is unstable: offered load 1.2\uFFFD."}, said)
}

// TestTheForemostEffectsAreTheAnswer: of contrasts with equally many runs the first
// two, mean and tail of each.
func TestTheForemostEffectsAreTheAnswer(t *testing.T) {
	t.Parallel()
	r := ofRuns(nil, nil)
	for i, name := range []string{"first", "second", "third"} {
		for _, metric := range []string{"service_mean", "response_mean", "response_p99"} {
			x := float64(i+1) * 1e-3
			r.Effects = append(r.Effects, experiment.Effect{Name: name, Formula: "[b] − [a]", Metric: metric, Unit: "s", Estimate: ok(-x, -x*1.1, -x*.9)})
		}
	}
	r.Effects = append(r.Effects, experiment.Effect{Name: "of one", Formula: "[a]", Metric: "response_mean", Unit: "s", Estimate: ok(1, 1, 1)})
	require.Equal(t, []string{
		"first: -1.00 ms [-1.10, -0.90] on response mean (below 0); -1.00 ms [-1.10, -0.90] on response p99 (below 0).",
		"second: -2.00 ms [-2.20, -1.80] on response mean (below 0); -2.00 ms [-2.20, -1.80] on response p99 (below 0).",
	}, answer(t, r))
}

// TestDifferencesOfSharesArePercentagePoints, in the text, on the page, in its
// figure and in words.
func TestDifferencesOfSharesArePercentagePoints(t *testing.T) {
	t.Parallel()
	r := ofRuns(nil, nil)
	r.Effects = []experiment.Effect{{Name: "more cold starts", Formula: "[b] − [a]", Metric: "cold_share", Estimate: ok(.021, .019, .023)}}
	const want = "+2.10 pp [1.90, 2.30]"
	require.Equal(t, []string{"more cold starts: " + want + " on cold share (above 0)."}, answer(t, r))
	effects := byID(parse(t, page(t, r)), "effects")
	require.Equal(t, want, rowsOf(all(effects, "table")[0])[1][1])
	require.Contains(t, attr(pictures(effects)[0], "aria-label"), "more cold starts: "+want+", above 0")
	ticks := regexp.MustCompile(`[\d.]+ pp`).FindAllString(content(pictures(effects)[0]), -1)
	require.GreaterOrEqual(t, len(ticks), 3, "the axis is in points, too")
}

// TestAForestShowsItsFirstTwoDozens: the table has them all.
func TestAForestShowsItsFirstTwoDozens(t *testing.T) {
	t.Parallel()
	r := ofRuns(nil, nil)
	for i := range 30 {
		r.Effects = append(r.Effects, experiment.Effect{Name: fmt.Sprint("effect ", i), Formula: "[b] − [a]", Metric: "response_mean", Unit: "s", Estimate: ok(float64(i), float64(i)-.5, float64(i)+.5)})
	}
	r.Effects[3].Estimate = metrics.Unstable(1, "m", "the backlog of b grows")
	effects := byID(parse(t, page(t, r)), "effects")
	require.Contains(t, content(effects), "Effects on response mean (24 of 30)")
	forest := pictures(effects)[0]
	require.Contains(t, content(forest), "effect 23")
	require.NotContains(t, content(forest), "effect 24")
	require.Contains(t, attr(forest, "aria-label"), "effect 3: unstable, no verdict")
	require.Contains(t, content(all(effects, "table")[0]), "effect 29")
	require.Len(t, paths(forest, "var(--s1)"), 23*4, "line, two ends and the dot of each but the unstable one")
}

// TestWhereTheNumbersAreFromIsSaidInFull: a seed of 64 bits, samples of several
// collections, and a confidence of many digits survive.
func TestWhereTheNumbersAreFromIsSaidInFull(t *testing.T) {
	t.Parallel()
	r := small()
	r.Seed, r.Confidence, r.Samples, r.Replications = math.MaxUint64, .999, []string{"recorded@3f2a", "trace", "a\nb"}, 1234
	require.Contains(t, text(t, r, report.TextOptions{Width: 300}),
		"1 run; 1,234 replications; 99.9 % confidence; seed 18446744073709551615; samples recorded@3f2a, trace, a\uFFFDb; scenario sha256:3f2a9c41")
	root := parse(t, page(t, r))
	terms := map[string]string{}
	provenance := byID(root, "provenance")
	for i, n := range all(provenance, "dt") {
		terms[content(n)] = content(all(provenance, "dd")[i])
	}
	require.Equal(t, "18446744073709551615", terms["seed"])
	require.Equal(t, "recorded@3f2a, trace, a\uFFFDb", terms["samples"])
	require.Equal(t, "99.9 %", terms["confidence"])
	require.Equal(t, "1,234", terms["replications"])
	require.Equal(t, r.Scenario, terms["scenario"])
	for confidence, want := range map[float64]string{0: "unknown", 1: "unknown", math.NaN(): "unknown", -.5: "unknown", .9: "90 %", .6827: "68.27 %"} {
		r.Confidence = confidence
		require.Contains(t, text(t, r, report.TextOptions{}), want+" confidence", "%v", confidence)
	}
}

// TestEveryWordOfARowIsExplained: a reader finds in the glossary what the rows of
// the table of runs are called.
func TestEveryWordOfARowIsExplained(t *testing.T) {
	t.Parallel()
	glossary := content(byID(parse(t, page(t, flows())), "glossary"))
	for _, word := range []string{"response time", "waiting time", "service time", "slowdown", "p99.9", "utilization", "in system", "sandbox", "cold", "lukewarm k", "flush", "not estimable", "unstable", "pp", "effect"} {
		require.Contains(t, glossary, word)
	}
}

// TestThePageSplitsTheUncertaintyAsTheTextDoes.
func TestThePageSplitsTheUncertaintyAsTheTextDoes(t *testing.T) {
	t.Parallel()
	require.Nil(t, byID(parse(t, page(t, small())), "uncertainty"), "nothing was resampled")
	parts := &experiment.Parts{Queue: within(10, 9.5, 10.2), Sampling: within(10, 8, 11), Band: &experiment.Band{Relative: .15}}
	r := splitUp(parts, experiment.Resampling{Resamples: 200, UnstableShare: .25, Matter: []experiment.CellShare{{Cell: "aes-go/default <flush>", Samples: 30, Share: .6}}})
	r.Runs[0].Metrics = append(r.Runs[0].Metrics, experiment.Metric{Name: "utilization", Estimate: ok(.5, .4, .6), Parts: parts}, experiment.Metric{Name: "throughput", Estimate: ok(5, 4, 6)})
	section := byID(parse(t, page(t, r)), "uncertainty")
	rows := rowsOf(all(section, "table")[0])
	require.Equal(t, [][]string{
		{"only: 25 % of 200 resamples without a steady state"},
		{"response mean", "±5 %", "±20 %", "none", "±15 %"},
		{"utilization", "±5 %", "±20 %", "none", "±15 %"},
	}, rows)
	require.Contains(t, content(section), "part of no interval")
	require.Contains(t, content(section), "only: aes-go/default <flush> (60 %, 30 samples)")
	want := textTable(t, text(t, r, report.TextOptions{Width: 2000, All: true}), "Where the uncertainty comes from", "number")
	for i, row := range rows {
		require.Equal(t, want[i], row, "as in the text")
	}
}

// TestBoundsAreShownWhereThereIsNoInterval: the samples that hung hide how long a
// call takes, but not that it takes so long at least. Everywhere the same is said.
func TestBoundsAreShownWhereThereIsNoInterval(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	for situation, c := range map[string]struct {
		estimate metrics.Estimate
		cell     string // with its reason as (1)
		sentence string
		lo, hi   string
	}{
		"both":                  {metrics.Bounds(.0123, .0111, .0345, 9, "m", "15 % of the samples are censored"), "12.3 ms within [11.1, 34.5] (1)", "12.3 ms (within [11.1, 34.5])", "0.0111", "0.0345"},
		"no upper one":          {metrics.Bounds(.0123, .0111, math.Inf(1), 9, "m", "15 % of the samples are censored"), "12.3 ms at least 11.1 ms (1)", "12.3 ms (at least 11.1 ms)", "0.0111", ""},
		"no lower one":          {metrics.Bounds(-.0123, nan, .0345, 9, "m", "15 % of the samples are censored"), "-12.3 ms at most 34.5 ms (1)", "-12.3 ms (at most 34.5 ms)", "", "0.0345"},
		"no value":              {metrics.Bounds(nan, .0111, nan, 9, "m", "15 % of the samples are censored"), "at least 11.1 ms (1)", "at least 11.1 ms", "0.0111", ""},
		"no value between both": {metrics.Bounds(nan, .0111, .0345, 9, "m", "15 % of the samples are censored"), "within [11.1, 34.5 ms] (1)", "within [11.1, 34.5 ms]", "0.0111", "0.0345"},
		"only an upper one":     {metrics.Bounds(nan, nan, 3e-5, 9, "m", "15 % of the samples are censored"), "at most 30.0 µs (1)", "at most 30.0 µs", "", "3e-05"},
		"none":                  {metrics.Bounds(nan, nan, nan, 9, "m", "15 % of the samples are censored"), "bounds (1)", "bounds", "", ""},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			r := ofRuns([]experiment.Metric{seconds("response_mean", c.estimate)})
			require.Equal(t, []string{"Response mean " + c.sentence + "."}, answer(t, r))
			for _, width := range []int{60, 200} {
				require.Contains(t, text(t, r, report.TextOptions{Width: width}), c.cell)
			}
			require.Contains(t, text(t, r, report.TextOptions{}), "(1) bounds: 15 % of the samples are censored\n")
			root := parse(t, page(t, r))
			require.Equal(t, c.cell, strings.ReplaceAll(rowsOf(all(byID(root, "runs"), "table")[0])[0][1], "−", "-"))
			_, rows := readCSV(t, r)
			row := find(rows, map[string]string{"metric": "response_mean"})[0]
			require.Equal(t, []string{c.lo, c.hi, "bounds"}, []string{row["lo"], row["hi"], row["status"]})
		})
	}
}

// TestTheColumnsAreDocumented holds README.md to the scopes, statuses and counts
// that the tidy files have.
func TestTheColumnsAreDocumented(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("README.md")
	require.NoError(t, err)
	r := flows()
	r.Effects = quickstart().Effects
	for _, e := range []metrics.Estimate{metrics.Unstable(1, "m", "n"), metrics.Bounds(1, 0, 2, 1, "m", "n")} {
		r.Runs[0].Metrics = append(r.Runs[0].Metrics, experiment.Metric{Name: "x", Estimate: e})
	}
	head, rows := readCSV(t, r)
	for _, column := range head {
		require.Contains(t, string(document), "`"+column+"`")
	}
	for _, row := range rows {
		require.Contains(t, string(document), "`"+row["scope"]+"`")
		require.Contains(t, string(document), "`"+row["status"]+"`")
		if row["status"] == "count" {
			require.Contains(t, string(document), "`"+row["metric"]+"`")
		}
	}
}
