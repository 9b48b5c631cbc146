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

A known gap: the p99 of the response time under a log-normal law with cv 1. Those intervals hold the truth
less often than they say, and where they miss it, it lies above them. The reason is what 20 or 50 values
do not show, and no resampling of them can. Waiting depends on the second moment of the service time, and
25 % of that law's comes from the longest 1 % of the calls (Φ(2σ − 2.326) with σ² = ln 2; 16 % for the
exponential law, 4 % at cv 0.3). In 82 % of the campaigns of 20 samples and 61 % of those of 50 no sample
is that long (.99^20, .99^50), and the second moment of the samples is .79 and .88 of the law's in the
median campaign (.93 and .96 for the exponential law, .99 and 1.00 at cv 0.3). A resample is drawn from the same
samples: it has no call longer than the longest of them, so that its scatter misses the same part. More
samples close the gap slowly: 368 are needed for the p99 of the service time alone to have an
interval.

A tail fitted to the largest values would close the gap, at a price. With resamples that end in a Pareto tail
(Hill's estimate from their own longest calls) those rows hold as much as they should, but fewer intervals have
an upper end, and where a few of some seventeen samples are long, as in the quickstart, intervals and differences
get several times wider: a guess at what was not measured then outweighs all that was. So resamples keep to
the samples; the report says how many of them a number rests on, and which matter most.

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
				row(fmt.Sprintf("M/G/1 at load %g, %d samples of a law that is %s", rho, n, law.name), .9,
					func() (mean, p99 *tally) { return coverCampaigns(t, law, rho, n, *coverageCampaigns) })
			}
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

// coverCampaigns measures n samples of the law per campaign, estimates the queue
// from them as a run does, and asks whether the interval holds what the law
// itself gives.
func coverCampaigns(t *testing.T, law syntheticLaw, rho float64, n, campaigns int) (mean, p99 *tally) {
	mean, p99 = &tally{}, &tally{}
	exactMean := 1e-3 * (1 + rho*law.second/(2*(1-rho))) // Pollaczek-Khinchine
	long, _ := lindley(rand.New(rand.NewPCG(1, 1)), 3_000_000, rho, func(u float64) float64 { return float64(law.law.Quantile(u)) })
	exactP99 := long.Quantile(.99).Seconds()
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for c := range campaigns {
		group.Go(func() error {
			m, q, err := oneCampaign(uint64(c), law, rho, n)
			mean.add(m, exactMean)
			p99.add(q, exactP99)
			return err
		})
	}
	require.NoError(t, group.Wait())
	return mean, p99
}

func oneCampaign(seed uint64, law syntheticLaw, rho float64, n int) (mean, p99 metrics.Estimate, err error) {
	const level = .9
	random := rand.New(rand.NewPCG(seed, 2))
	var times []time.Duration
	for range n {
		times = append(times, law.law.Quantile(random.Float64()))
	}
	restores := make([][]time.Duration, lindleyRestores)
	for i, d := range times {
		restores[i%lindleyRestores] = append(restores[i%lindleyRestores], d)
	}
	built, err := campaign{warm: map[string][][]time.Duration{"f": restores}}.law(servicetime.Request{Function: "f"},
		servicetime.LawOptions{Model: servicetime.ConditionModel{Kind: servicetime.Interleave, HalfDepth: 4}, Penalty: 1})
	if err != nil {
		return mean, p99, err
	}
	measured := built.(servicetime.Resampler)
	var sections []*metrics.Histogram
	var means []float64
	for range lindleyRuns {
		h, load := lindley(random, lindleySteps, rho, drawFrom(measured))
		if load > .995 {
			unstable := metrics.Unstable(0, metrics.MethodReplications, "the samples' load is too high")
			return unstable, unstable, nil
		}
		sections, means = append(sections, h), append(means, h.Mean())
	}
	queueMean := metrics.MeanOf(means, level)
	queueP99 := metrics.QuantileOf(sections, .99, level, metrics.AutocorrelationTimeAt(sections, .99))

	run := func(law servicetime.Resampler) (float64, float64) {
		h, load := lindley(rand.New(rand.NewPCG(seed, 3)), lindleySteps, rho, drawFrom(law))
		if load > .995 {
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
	mean = metrics.Combine(queueMean, metrics.SamplingInterval(queueMean.Est, m, level, true))
	p99 = metrics.Combine(queueP99, metrics.SamplingInterval(queueP99.Est, q, level, true))
	return mean, p99, nil
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
// promise: of nominal 95 %, .92 to .98; of nominal 90 %, .85 to .95. The known gap
// is asserted, too, so that whoever closes it says so.
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
		switch {
		case cells[2] == "0.95":
			low, high = .92, .98
		case strings.Contains(cells[0], "log-normal with cv 1") && cells[1] == "response p99":
			low, high = .7, .85
		}
		require.GreaterOrEqual(t, covered, low, lines.Text())
		require.LessOrEqual(t, covered, high, lines.Text())
	}
	require.Equal(t, 2*2+3*2*2*2, rows, "a row of every case; write it with make coverage")
}

// One campaign of every row runs in every test, so that the study cannot rot.
func TestTheCoverageStudyRuns(t *testing.T) {
	t.Parallel()
	for _, law := range syntheticLaws {
		mean, p99, err := oneCampaign(1, law, .5, 20)
		require.NoError(t, err)
		for _, e := range []metrics.Estimate{mean, p99} {
			require.Contains(t, []metrics.Status{metrics.StatusOK, metrics.StatusBounds}, e.Status, "%s: %v", law.name, e)
			require.Less(t, e.Lo, e.Est, law.name)
		}
	}
}
