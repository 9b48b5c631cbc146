package experiment_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
	"microcosm/cosim/scenario"
	"microcosm/cosim/servicetime"
)

var (
	coverageSeeds     = flag.Int("coverage-seeds", 0, "seeds of M/M/1 in the coverage study; 0 leaves the study out")
	coverageRows      = flag.String("coverage-rows", "", "only rows of the study that contain this")
	coverageCampaigns = flag.Int("coverage-campaigns", 400, "synthetic campaigns of each row of the coverage study")
)

const coverageFile = "COVERAGE.md"

const coverageHead = `# How often the intervals hold the truth

Written by ` + "`make coverage`" + `, which takes some minutes; nothing here is edited by hand.

Each row draws many runs whose truth is known exactly or from a very long run, and counts how
often the interval holds it. "open" is the share of intervals without an upper end, where the samples
cannot rule out that the queue has no steady state: these hold what lies above their lower end.
"none" is the share without an interval, which is left out.

The hard rows are those of the log-normal law with cv 1, where truth that is missed lies above. The reason is
what 20 or 50 values do not show. Waiting depends on the second moment of the service time, and 25 % of that
law's comes from the longest 1 % of the calls (Φ(2σ − 2.326) with σ² = ln 2; 16 % for the exponential law, 4 % at
cv 0.3). In 82 % of the campaigns of 20 samples and 61 % of those of 50 no sample is that long (.99^20, .99^50).
Resamples of the samples alone never hold a longer call than the longest sample; intervals made from them
held .75 to .85 of the p99 in those rows. Resamples therefore end in a Pareto tail that is fitted to their own
longest calls (cosim/servicetime/tail.go). The price is paid where samples are few: more intervals have no
upper end. The estimates are as they were, and still rather too low: the tail lets the interval reach
further, it does not say what was not measured. More samples do: 368 are needed for the p99 of the service
time alone to have an interval.

Rows with two loads are of the difference that one campaign's samples make between them, as effects and
comparisons tell it.

| what | number | nominal | runs | covered | truth below | truth above | open | none |
|---|---|---|---|---|---|---|---|---|
`

// tally counts where the truth lies.
type tally struct {
	mu                          sync.Mutex
	covered, below, above, none int
	open                        int // without an upper end
}

func (c *tally) add(e metrics.Estimate, truth float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Status == metrics.StatusBounds {
		c.open++
	}
	stands := e.OK() || e.Status == metrics.StatusBounds && !math.IsNaN(e.Lo)
	switch {
	case !stands:
		c.none++
	case truth < e.Lo:
		c.below++
	case truth > e.Hi: // false where there is no upper end
		c.above++
	default:
		c.covered++
	}
}

func (c *tally) row(what, number string, nominal float64) string {
	n := float64(max(1, c.covered+c.below+c.above))
	return fmt.Sprintf("| %s | %s | %.2f | %d | %.3f | %.3f | %.3f | %.3f | %.3f |\n", what, number, nominal, c.covered+c.below+c.above+c.none,
		float64(c.covered)/n, float64(c.below)/n, float64(c.above)/n, float64(c.open)/n, float64(c.none)/(n+float64(c.none)))
}

func TestCoverageStudy(t *testing.T) {
	if *coverageSeeds == 0 {
		t.Skip("a study of some minutes: make coverage")
	}
	var table strings.Builder
	table.WriteString(coverageHead)
	row := func(what string, nominal float64, cover func() (mean, p99 *tally)) {
		if !strings.Contains(what, *coverageRows) {
			return
		}
		mean, p99 := cover()
		table.WriteString(mean.row(what, "response mean", nominal))
		table.WriteString(p99.row(what, "response p99", nominal))
	}
	for _, rho := range []float64{.5, .9} {
		row(fmt.Sprintf("M/M/1 at load %g, 10 replications", rho), .95, func() (mean, p99 *tally) { return coverQueue(t, rho, *coverageSeeds) })
	}
	for _, law := range syntheticLaws {
		for _, rho := range []float64{.5, .7} {
			for _, n := range []int{20, 50} {
				row(fmt.Sprintf("M/G/1 at load %g, %d samples of a law that is %s", rho, n, law.name), coverageLevel,
					func() (mean, p99 *tally) { return coverCampaigns(t, law, []float64{rho}, n, *coverageCampaigns) })
			}
		}
		for _, n := range []int{20, 50} {
			row(fmt.Sprintf("M/G/1, load 0.7 − load 0.5, %d samples of a law that is %s", n, law.name), coverageLevel,
				func() (mean, p99 *tally) { return coverCampaigns(t, law, []float64{.7, .5}, n, *coverageCampaigns) })
		}
	}
	require.NoError(t, os.WriteFile(coverageFile, []byte(table.String()), 0o644))
}

// coverQueue runs M/M/1, whose response time is exponential, once per seed.
func coverQueue(t *testing.T, rho float64, seeds int) (mean, p99 *tally) {
	mean, p99 = &tally{}, &tally{}
	services := 2000 / (1 - rho) / (1 - rho) / 8 // as many autocorrelation times at any load
	text := fmt.Sprintf(`
cluster: {nodes: [{cores: 1}], keep-alive: unlimited, scaling: {kind: fixed, sandboxes: 1}}
workload:
  duration: %.0fs
  functions: [{name: f, arrivals: {process: poisson, rate: %g/s}, service: {law: exponential, mean: 1s}}]
fidelity: {replications: 10}
`, services/rho, rho)
	s := parse(t, text)
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for seed := range seeds {
		group.Go(func() error {
			seeded, err := s.Override(scenario.Setting{Path: "seed", Value: strconv.Itoa(seed + 1)})
			if err != nil {
				return err
			}
			r, err := experiment.Simulate(context.Background(), seeded, experiment.Options{Slots: 1})
			if err != nil {
				return err
			}
			m, _ := r.Runs[0].Find("response_mean")
			q, _ := r.Runs[0].Find("response_p99")
			mean.add(m.Estimate, 1/(1-rho))
			p99.add(q.Estimate, math.Log(100)/(1-rho))
			return nil
		})
	}
	require.NoError(t, group.Wait())
	return mean, p99
}

// syntheticLaw is a law of service times with mean 1 ms.
type syntheticLaw struct {
	name   string
	law    servicetime.Distribution
	second float64 // moment, in ms²
}

var syntheticLaws = []syntheticLaw{
	{"exponential", servicetime.Exponential{Expectation: time.Millisecond}, 2},
	{"log-normal with cv 0.3", servicetime.NewLognormal(time.Millisecond, .3), 1.09},
	{"log-normal with cv 1", servicetime.NewLognormal(time.Millisecond, 1), 2},
}

const (
	lindleySteps    = 3000
	lindleyRuns     = 5
	lindleyRestores = 10
)

// lindley is a FIFO queue on given luck: W' = max(0, W + S − A) (Lindley,
// Proceedings of the Cambridge Philosophical Society 48 (1952) 277-289). It stands
// for the cluster model, which gives the same numbers in ten times the time.
func lindley(random *rand.Rand, steps int, rho float64, law func(u float64) float64) (*metrics.Histogram, float64) {
	h, w, work := &metrics.Histogram{}, 0.0, 0.0
	for i := range steps {
		s := law(random.Float64())
		w = max(0, w-random.ExpFloat64()*1e6/rho) + s
		work += s
		if i >= steps/10 {
			h.Record(time.Duration(w))
		}
	}
	return h, rho * work / 1e6 / float64(steps)
}

// truth is what a queue under a law gives, in seconds.
type truth struct{ mean, p99 float64 }

func (l syntheticLaw) truth(rho float64) truth {
	long, _ := lindley(rand.New(rand.NewPCG(1, 1)), 3_000_000, rho, func(u float64) float64 { return float64(l.law.Quantile(u)) })
	return truth{
		mean: 1e-3 * (1 + rho*l.second/(2*(1-rho))), // Pollaczek-Khinchine
		p99:  long.Quantile(.99).Seconds(),
	}
}

// coverCampaigns measures n samples of the law per campaign, estimates from them as a
// run does, and asks whether the intervals hold what the law itself gives: at one load,
// or of the difference between two loads.
func coverCampaigns(t *testing.T, law syntheticLaw, rhos []float64, n, campaigns int) (mean, p99 *tally) {
	mean, p99 = &tally{}, &tally{}
	exact := law.truth(rhos[0])
	if len(rhos) == 2 {
		base := law.truth(rhos[1])
		exact.mean, exact.p99 = exact.mean-base.mean, exact.p99-base.p99
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for c := range campaigns {
		group.Go(func() error {
			m, q, err := oneCampaign(uint64(c), law, rhos, n)
			mean.add(m, exact.mean)
			p99.add(q, exact.p99)
			return err
		})
	}
	require.NoError(t, group.Wait())
	return mean, p99
}

const coverageLevel = .9

func oneCampaign(seed uint64, law syntheticLaw, rhos []float64, n int) (mean, p99 metrics.Estimate, err error) {
	random := rand.New(rand.NewPCG(seed, 2))
	restores := make([][]time.Duration, lindleyRestores)
	for i := range n {
		restores[i%lindleyRestores] = append(restores[i%lindleyRestores], law.law.Quantile(random.Float64()))
	}
	built, err := campaign{warm: map[string][][]time.Duration{"f": restores}}.law(servicetime.Request{Function: "f"},
		servicetime.LawOptions{Model: servicetime.ConditionModel{Kind: servicetime.Interleave, HalfDepth: 4}, Penalty: 1})
	if err != nil {
		return mean, p99, err
	}
	measured := built.(servicetime.Resampler)
	at := make([]estimated, len(rhos))
	for i, rho := range rhos {
		var stable bool
		if at[i], stable = estimatedAt(seed, measured, rho); !stable {
			unstable := metrics.Unstable(0, metrics.MethodReplications, "the samples' load is too high")
			return unstable, unstable, nil
		}
	}
	if len(at) == 2 {
		mean, p99 = paired(at[0].mean, at[1].mean), paired(at[0].p99, at[1].p99)
		return mean, p99, nil
	}
	sections := at[0].sections
	queueMean := metrics.MeanOf(at[0].mean.runs, coverageLevel)
	queueP99 := metrics.QuantileOf(sections, .99, coverageLevel, metrics.AutocorrelationTimeAt(sections, .99))
	mean = metrics.Combine(queueMean, metrics.SamplingInterval(queueMean.Est, at[0].mean.resampled, coverageLevel, true))
	p99 = metrics.Combine(queueP99, metrics.SamplingInterval(queueP99.Est, at[0].p99.resampled, coverageLevel, true))
	return mean, p99, nil
}

// number is one number of a queue by replication and by resample, in seconds.
type number struct {
	runs      []float64
	resampled metrics.Resampled
}

// estimated is what replications and resamples say of one queue.
type estimated struct {
	sections  []*metrics.Histogram
	mean, p99 number
}

// estimatedAt runs the queue on the samples, on the same luck at every load; false where
// it has no steady state.
func estimatedAt(seed uint64, measured servicetime.Resampler, rho float64) (e estimated, stable bool) {
	queue := func(law servicetime.Law, luck uint64) (h *metrics.Histogram, stable bool) {
		h, load := lindley(rand.New(rand.NewPCG(seed, luck)), lindleySteps, rho, drawFrom(law))
		return h, load <= .995
	}
	for i := range lindleyRuns {
		h, stable := queue(measured, uint64(1000+i))
		if !stable {
			return e, false
		}
		e.sections = append(e.sections, h)
		e.mean.runs, e.p99.runs = append(e.mean.runs, h.Mean()), append(e.p99.runs, h.Quantile(.99).Seconds())
	}
	run := func(law servicetime.Resampler) (float64, float64) {
		h, stable := queue(law, 3)
		if !stable {
			return math.NaN(), math.NaN()
		}
		return h.Mean(), h.Quantile(.99).Seconds()
	}
	m, q := metrics.Resampled{Degrees: lindleyRestores - 1}, metrics.Resampled{Degrees: lindleyRestores - 1}
	m.Base, q.Base = run(measured)
	for b := range 40 {
		x, y := run(measured.Resample(func(string) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(4+b))) }, nil))
		m.Values, q.Values = append(m.Values, x), append(q.Values, y)
	}
	e.mean.resampled, e.p99.resampled = m, q
	return e, true
}

// paired estimates a − b as a run does for the levels of a factor.
func paired(a, b number) metrics.Estimate {
	weights := []float64{1, -1}
	queue := metrics.Contrast(weights, [][]float64{a.runs, b.runs}, coverageLevel)
	together, _ := metrics.ContrastResampled(weights, []*metrics.Resampled{&a.resampled, &b.resampled})
	return metrics.Combine(queue, metrics.SamplingInterval(queue.Est, together, coverageLevel, false))
}

// drawFrom returns the warm service time in nanoseconds.
func drawFrom(law servicetime.Law) func(float64) float64 {
	return func(u float64) float64 {
		draw, err := law.Draw(servicetime.State{}, u)
		if err != nil {
			return math.NaN() // a warm call is always known here
		}
		return float64(draw.Service)
	}
}

// TestTheCoverageTableHolds holds the committed table to what the intervals
// promise: of nominal 95 %, .92 to .98; of nominal 90 %, .85 to .95.
func TestTheCoverageTableHolds(t *testing.T) {
	t.Parallel()
	file, err := os.Open(coverageFile)
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	rows := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		cells := strings.Split(lines.Text(), " | ")
		if len(cells) != 9 || !strings.HasPrefix(cells[0], "| M/") {
			continue
		}
		rows++
		covered, err := strconv.ParseFloat(cells[4], 64)
		require.NoError(t, err)
		low, high := .85, .95
		if cells[2] == "0.95" {
			low, high = .92, .98
		}
		require.GreaterOrEqual(t, covered, low, lines.Text())
		require.LessOrEqual(t, covered, high, lines.Text())
	}
	require.Equal(t, 2*2+3*(2*2+2)*2, rows, "a row of every case; write it with make coverage")
}

// One campaign of every row runs in every test, so that the study cannot rot.
func TestTheCoverageStudyRuns(t *testing.T) {
	t.Parallel()
	for _, law := range syntheticLaws {
		for _, rhos := range [][]float64{{.5}, {.7, .5}} {
			mean, p99, err := oneCampaign(1, law, rhos, 20)
			require.NoError(t, err)
			for _, e := range []metrics.Estimate{mean, p99} {
				require.Contains(t, []metrics.Status{metrics.StatusOK, metrics.StatusBounds}, e.Status, "%s at %v: %v", law.name, rhos, e)
				require.Less(t, e.Lo, e.Est, "%s at %v", law.name, rhos)
			}
		}
	}
}
