package report_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
	"microcosm/results/report"
)

func within(est, lo, hi float64) metrics.Estimate {
	return metrics.Estimate{Est: est, Lo: lo, Hi: hi, N: 10, Method: metrics.MethodReplications, Status: metrics.StatusOK}
}

// splitUp is small with the uncertainty of its first run's numbers split.
func splitUp(parts *experiment.Parts, resampling experiment.Resampling) *experiment.Result {
	r := small()
	run := &r.Runs[0]
	run.Resampling = &resampling
	for i := range run.Metrics {
		run.Metrics[i].Parts = parts
	}
	return r
}

func TestUncertaintyIsSplitByWhereItComesFrom(t *testing.T) {
	t.Parallel()
	const heading = "Where the uncertainty comes from"
	require.NotContains(t, text(t, small(), report.TextOptions{All: true}), heading, "nothing was resampled")

	for situation, c := range map[string]struct {
		parts experiment.Parts
		cells []string
	}{
		"all known":                    {experiment.Parts{Queue: within(10, 9.5, 10.2), Sampling: within(10, 8, 11), Band: &experiment.Band{Relative: .15}}, []string{"±5 %", "±20 %", "±15 %"}},
		"interpolated":                 {experiment.Parts{Queue: within(10, 9, 11), Sampling: within(10, 9, 11), Interpolation: ref(within(10, 7, 10))}, []string{"±10 %", "±30 %", "none"}},
		"measured on hardware":         {experiment.Parts{Queue: within(10, 9, 11), Sampling: within(10, 10, 10)}, []string{"±10 %", "±0 %", "none"}},
		"as wide as it can be":         {experiment.Parts{Queue: within(0, -1, 1), Sampling: within(10, 9, 11)}, []string{"beyond its value", "±10 %", "none"}},
		"samples without an upper end": {experiment.Parts{Queue: within(10, 9, 11), Sampling: metrics.Estimate{Est: math.NaN(), Lo: 1, Hi: math.NaN(), Status: metrics.StatusBounds, Note: "censored"}}, []string{"±10 %", "no upper end", "none"}},
	} {
		got := text(t, splitUp(&c.parts, experiment.Resampling{Resamples: 200, UnstableShare: .25}), report.TextOptions{})
		_, section, found := strings.Cut(got, heading)
		require.True(t, found, situation)
		require.Contains(t, section, "25 % of 200 resamples without a steady state", situation)
		require.Contains(t, section, "part of no interval", situation)
		line := ""
		for _, l := range strings.Split(section, "\n") {
			if strings.Contains(l, "response mean") {
				line = l
				break
			}
		}
		for _, cell := range c.cells {
			require.Contains(t, line, cell, "%s:\n%s", situation, section)
		}
	}
}

func TestTheShortFormSplitsTheMostImportantNumbersOnly(t *testing.T) {
	t.Parallel()
	parts := &experiment.Parts{Queue: within(10, 9, 11), Sampling: within(10, 9, 11)}
	r := splitUp(parts, experiment.Resampling{Resamples: 200})
	section := func(all bool) string {
		_, rest, _ := strings.Cut(text(t, r, report.TextOptions{All: all}), "Where the uncertainty comes from")
		rest, _, _ = strings.Cut(rest, "\n\n")
		return rest
	}
	require.GreaterOrEqual(t, strings.Count(section(true), "±10 %"), strings.Count(section(false), "±10 %"))
	require.Positive(t, strings.Count(section(false), "±10 %"))
	require.NotContains(t, section(false), "utilization")
}

func TestTheSamplesThatMatterMostAreNamed(t *testing.T) {
	t.Parallel()
	parts := &experiment.Parts{Queue: within(10, 9, 11), Sampling: within(10, 9, 11)}
	got := text(t, splitUp(parts, experiment.Resampling{Resamples: 200, Matter: []experiment.CellShare{
		{Cell: "aes-go/default flush", Samples: 30, Share: .6}, {Cell: "fib/default warm", Samples: 1, Share: .1},
	}}), report.TextOptions{})
	flat := strings.Join(strings.Fields(got), " ")
	require.Contains(t, flat, "aes-go/default flush (60 %, 30 samples); fib/default warm (10 %, 1 sample)")
}

func TestComparedReadsAsASentenceAndATable(t *testing.T) {
	t.Parallel()
	effect := func(metric string, e metrics.Estimate) experiment.Effect {
		return experiment.Effect{Name: "b − a", Formula: "b − a", Metric: metric, Unit: "s", Estimate: e}
	}
	unknown := metrics.Estimate{Est: math.NaN(), Lo: math.NaN(), Hi: math.NaN(), Status: metrics.StatusNotEstimable, Note: "one replication says nothing of its spread"}
	var b bytes.Buffer
	require.NoError(t, report.Compared(&b, &experiment.Comparison{
		Confidence: .95, Margin: .05, Notes: []string{"the runs did not face the same luck"},
		Pairs: []experiment.PairOfRuns{{A: "sticky", B: "random", Differences: []experiment.Differences{
			{Effect: effect("response_mean", within(.002, .001, .003)), A: .01, Relative: .2, Equivalent: &metrics.Comparison{P: .9}},
			{Effect: effect("service_mean", within(0, 0, 0)), A: .01, Equivalent: &metrics.Comparison{P: .001}},
			{Effect: effect("response_p99", unknown), A: .05},
			{Effect: effect("waiting_mean", within(.001, -.001, .003)), A: 0, Relative: math.Inf(1)},
		}}},
	}))
	got := b.String()
	flat := strings.Join(strings.Fields(got), " ")
	require.Contains(t, flat, "95 % confidence. Equivalent: shown, at 5 %, to differ by no more than 5 %.")
	require.Contains(t, flat, "A sticky, B random")
	rows := map[string]string{}
	for _, line := range strings.Split(got, "\n") {
		for _, name := range []string{"response mean", "service mean", "response p99", "waiting mean"} {
			if strings.Contains(line, name) {
				rows[name] = line
			}
		}
	}
	require.Contains(t, rows["response mean"], "+20 %")
	require.Contains(t, rows["response mean"], "above 0")
	require.Contains(t, rows["response mean"], "not shown")
	require.Contains(t, rows["service mean"], "exactly 0")
	require.Contains(t, rows["service mean"], "yes")
	require.Contains(t, rows["waiting mean"], "-", "nothing is relative to 0")
	require.NotContains(t, rows["waiting mean"], "Inf")
	require.Contains(t, flat, "one replication says nothing of its spread")
	require.Contains(t, flat, "the runs did not face the same luck")
}

func ref(e metrics.Estimate) *metrics.Estimate { return &e }
