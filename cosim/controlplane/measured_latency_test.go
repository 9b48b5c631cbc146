package controlplane_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mat"
)

// idle reports that each function rests so long between two calls that its path has
// gone to sleep. Fitted: measured medians of the panel of 20 are 20 ms where a
// function is called every 5 s or more seldom, and 5 ms where it is every 2.5 s.
func (p measured) idle() bool {
	rest := float64(p.perWorker()) / float64(p.rps)
	return p.functions > 1 && rest > math.Sqrt(5*2.5)
}

// causes are what the median latency of a point is made of: the way itself, the
// share of calls whose proxies find all cores busy, and the awakening.
func (p measured) causes(t *testing.T) []float64 {
	busy := p.simulate(t, nil).MeanBusyCores
	awakening := 0.0
	if p.idle() {
		awakening = 1
	}
	return []float64{1, allBusy(16, busy), awakening}
}

// leastAbsolute returns the coefficients with the least sum of absolute errors: the
// plane goes through as many points as it has coefficients (Bloomfield and Steiger,
// Least Absolute Deviations, section 1.3), so that all are tried.
func leastAbsolute(rows [][]float64, values []float64) (best []float64) {
	least := math.Inf(1)
	try := func(points [3]int) {
		a, b := mat.NewDense(3, 3, nil), mat.NewVecDense(3, nil)
		for i, p := range points {
			a.SetRow(i, rows[p])
			b.SetVec(i, values[p])
		}
		var x mat.VecDense
		if x.SolveVec(a, b) != nil {
			return // they do not span a plane
		}
		sum := 0.0
		for i, row := range rows {
			sum += math.Abs(values[i] - mat.Dot(&x, mat.NewVecDense(3, row)))
		}
		if sum < least-1e-9 {
			least, best = sum, []float64{x.AtVec(0), x.AtVec(1), x.AtVec(2)}
		}
	}
	for i := range rows {
		for j := range i {
			for k := range j {
				try([3]int{k, j, i})
			}
		}
	}
	return best
}

// way is a law through two quantiles, the only ones that were measured: half of the
// calls take the median, what the others take longer is exponential.
func way(median, tail float64) func(u float64) time.Duration {
	return func(u float64) time.Duration {
		longer := max(0, -math.Log(2*(1-u))) * tail / math.Log(50)
		return time.Duration((median + longer) * 1e6)
	}
}

// fitted is the way of calls as the even rates have it: the coefficients of the
// median's causes, and by how much the p99 lies above the median.
type fitted struct {
	coefficients []float64
	tail         float64
}

func fitLatency(t *testing.T, even []measured) fitted {
	var rows [][]float64
	var medians, tails []float64
	for _, p := range even {
		rows, medians = append(rows, p.causes(t)), append(medians, p.p50)
		tails = append(tails, p.p99-p.p50)
	}
	slices.Sort(tails)
	n := len(tails)
	return fitted{leastAbsolute(rows, medians), (tails[(n-1)/2] + tails[n/2]) / 2}
}

// latency simulates a point with the fitted way, and returns what its calls take
// beyond their work, in ms.
func (f fitted) latency(t *testing.T, p measured) (p50, p99 float64) {
	median := 0.0
	for i, cause := range p.causes(t) {
		median += f.coefficients[i] * cause
	}
	o := p.simulate(t, way(median, f.tail))
	ms := func(q float64) float64 { return 1e3 * o.All.Waiting.Quantile(q).Seconds() }
	return ms(.5), ms(.99)
}

// accuracy is that of the figures from which the medians were read, in ms.
const accuracy = .1

// Latencies are fitted on the even rates and judged on the odd ones, as the load is.
func TestMeasuredLatencies(t *testing.T) {
	t.Parallel()
	var even, odd []measured
	tails := map[int][]float64{} // measured p99 by panel
	for _, p := range points(t) {
		if p.rps%2 == 0 {
			even = append(even, p)
			continue
		}
		odd = append(odd, p)
		tails[p.functions] = append(tails[p.functions], p.p99)
	}
	fit := fitLatency(t, even)
	require.InDeltaSlice(t, []float64{4.9, 7.4, 15.5, 17.3}, append(slices.Clone(fit.coefficients), fit.tail), .06, "as DEVIATIONS.md tells")
	off, late := map[[2]int]float64{}, map[[2]int]float64{} // by rps and functions
	for _, p := range odd {
		p50, p99 := fit.latency(t, p)
		t.Logf("rps %d functions %d: p50 %.2f measured %.1f, p99 %.1f measured %.1f", p.rps, p.functions, p50, p.p50, p99, p.p99)
		if math.Abs(p50-p.p50) > 1+accuracy {
			off[[2]int{p.rps, p.functions}] = p50 - p.p50
		}
		if p.p99 > 4*p99 {
			late[[2]int{p.rps, p.functions}] = p.p99 / p99
		}
		require.GreaterOrEqual(t, p99, slices.Min(tails[p.functions]), "%+v", p)
		require.LessOrEqual(t, p99, slices.Max(tails[p.functions]), "%+v", p)
	}
	require.LessOrEqual(t, len(off), len(odd)/5, "the median is within 1 ms at 80 %% of the points: %v", off)
	require.InDelta(t, -4.3, off[[2]int{15, 1}], .5, "deviation 3")
	require.InDelta(t, 1.3, off[[2]int{13, 20}], .2, "deviation 3")
	require.Len(t, late, 4, "deviation 4")
	for _, rps := range []int{1, 9, 13, 15} {
		require.Greater(t, late[[2]int{rps, 1}], 5.0, "deviation 4 at %d", rps)
	}
}
