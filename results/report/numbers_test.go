package report_test

import (
	"bytes"
	"io"
	"math"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
	"microcosm/results/report"
)

var notANumber = regexp.MustCompile(`.{0,60}\b(NaN|[+-]?Inf)\b.{0,20}`)

// anyNumber draws mostly usual numbers, and those at the ends of what a float64
// and JSON can hold.
func anyNumber() *rapid.Generator[float64] {
	return rapid.OneOf(
		rapid.Float64Range(0, 1), rapid.Float64(),
		rapid.SampledFrom([]float64{0, 1, -1, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e-300, 1e300,
			math.Nextafter(1, 2), math.NaN(), math.Inf(1), math.Inf(-1)}),
	)
}

func anyEstimate(t *rapid.T) metrics.Estimate {
	x := anyNumber()
	return metrics.Estimate{
		Est: x.Draw(t, "est"), Lo: x.Draw(t, "lo"), Hi: x.Draw(t, "hi"), N: rapid.Int64().Draw(t, "n"), Method: "m",
		Status: metrics.Status(rapid.IntRange(0, 5).Draw(t, "status")), Note: "n",
	}
}

func anyNumbers(t *rapid.T) []float64 { return rapid.SliceOfN(anyNumber(), 0, 6).Draw(t, "numbers") }

// TestReportsOfAnyNumbers: what is shown may be nonsense, but nothing panics,
// hangs or fails.
func TestReportsOfAnyNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := small()
		r.Confidence, r.Replications = anyNumber().Draw(t, "confidence"), rapid.Int().Draw(t, "replications")
		run := &r.Runs[0]
		run.Metrics = []experiment.Metric{
			{Name: "response_mean", Unit: "s", Estimate: anyEstimate(t)}, {Name: "utilization", Estimate: anyEstimate(t)}, {Name: "x", Estimate: anyEstimate(t)},
		}
		run.Conditions[0].Share, run.Conditions[1].Share = anyEstimate(t), anyEstimate(t)
		run.Functions = []experiment.Marginal{{Name: "f", Invocations: rapid.Int64().Draw(t, "i"), Share: anyEstimate(t), Metrics: run.Metrics}}
		for _, name := range []string{"response", "waiting", "service"} {
			c := experiment.Curve{Name: name}
			for range rapid.IntRange(0, 6).Draw(t, "points") {
				c.Points = append(c.Points, experiment.Point{X: anyNumber().Draw(t, "x"), P: anyNumber().Draw(t, "p")})
			}
			run.Curves = append(run.Curves, c)
		}
		run.Timeline = experiment.Timeline{
			Width: anyNumber().Draw(t, "width"), Cores: rapid.IntRange(-1, 3).Draw(t, "cores"),
			InSystem: anyNumbers(t), BusyCores: anyNumbers(t), Sandboxes: anyNumbers(t),
		}
		r.Effects[0].Estimate, r.Effects[1].Estimate = anyEstimate(t), anyEstimate(t)
		var b bytes.Buffer
		require.NoError(t, report.Text(&b, r, report.TextOptions{All: true}))
		require.NoError(t, report.HTML(&b, r))
		require.NoError(t, report.CSV(&b, r))
		require.NoError(t, report.Parquet(io.Discard, r))
		require.Empty(t, string(notANumber.Find(b.Bytes())))
	})
}

func BenchmarkHTML(b *testing.B) {
	r := large()
	for b.Loop() {
		var out bytes.Buffer
		if err := report.HTML(&out, r); err != nil {
			b.Fatal(err)
		}
	}
}
